//! Answers as Dubbo's providers write them, to our client.

use crate::bed::{DeskApiClient, Level, Script, answering};
use mainstay::call::{Beside, CallError, CallOptions, Reason, Status};
use tonic::Code;

type Called = Result<Level, CallError<Status>>;

/// An answer of gRPC, as Java begins it.
const JAVA: &[(&str, &str)] = &[("te", "trailers"), ("content-type", "application/grpc")];
/// As dubbo-go begins it.
const GO: &[(&str, &str)] =
    &[("content-type", "application/grpc+proto"), ("grpc-accept-encoding", "gzip"), ("grpc-encoding", "gzip")];

fn client(network: mainstay::transport::Memory) -> DeskApiClient {
    let builder = DeskApiClient::connect("desk").address("desk:1").connector(network).retries(0);
    builder.version("1.2.0").group("g1").consumer("asker-rust").build().unwrap()
}

/// What our client makes of an answer.
async fn called(script: Script) -> Called {
    let (network, _heads) = answering(script);
    client(network).level("s0".into(), 1, String::new()).await
}

async fn failed(script: Script) -> Status {
    called(script).await.unwrap_err().into_status()
}

#[tokio::test]
async fn what_our_client_sends_is_what_dubbo_s_providers_look_for() {
    let script =
        Script { http: 200, headers: JAVA.to_vec(), trailers: vec![("grpc-status", "0")], ..Script::default() };
    let (network, mut heads) = answering(script);
    let options = CallOptions::new().attachment("camelCase", "Yes").unwrap().attachment("x-trace", "t1").unwrap();
    let _ = client(network).with(options).level("s0".into(), 1, String::new()).await;
    let head = heads.recv().await.unwrap();
    for (name, value) in [
        ("tri-service-version", "1.2.0"),
        ("tri-service-group", "g1"),
        ("tri-consumer-appname", "asker-rust"),
        ("te", "trailers"),
        ("x-trace", "t1"),
        ("camelcase", "Yes"),
        ("tri-header-convert", "%7B%22camelcase%22%3A%22camelCase%22%7D"),
    ] {
        assert_eq!(head[name], value, "{name}");
    }
    assert!(head["content-type"].to_str().unwrap().starts_with("application/grpc"));
}

#[tokio::test]
async fn an_answer_of_java_has_its_attachments_in_the_trailers() {
    let script = Script {
        http: 200,
        headers: JAVA.to_vec(),
        body: "000000000a0a027330100a1a026a31".to_owned(),
        trailers: vec![
            ("x-node", "j1"),
            ("camelnode", "j1"),
            ("tri-header-convert", "%7B%22camelnode%22%3A%22camelNode%22%7D"),
            ("grpc-status", "0"),
        ],
    };
    let (network, _heads) = answering(script);
    let beside = Beside::new();
    let client = client(network).with(CallOptions::new().beside(&beside));
    let level = client.level("s0".into(), 1, String::new()).await.unwrap();
    assert_eq!((level.sku.as_str(), level.left, level.node.as_str()), ("s0", 10, "j1"));
    let back = beside.attachments();
    assert_eq!(back.texts().collect::<Vec<_>>(), [("camelNode", "j1"), ("x-node", "j1")]);
}

#[tokio::test]
async fn an_answer_of_go_comes_in_gzip_however_small() {
    // Taken from the wire: the end of its stream of deflate is a block of its own.
    let body = "01000000f31f8b08000000000000ff3c8f4f4b033110c561155ac7aa255411afb20ad1601a919e3cf8e74b781cb2c336b29b0cc9\
                6cb17e7a59697bfd0df3deef4155ec1c6eaa76a9cf60f26324a32755c9525fc044424f691075ec5eacd5e75009a9a9640c1de5a2\
                e770e2b1a7ce632175f445451b58480ec6a758869eb241e6883da9cb35754d1ac47ce3060f677d0b8b36b337e83db1188a3e3521\
                b6eab4fd0dfc5822326ff51dcc7c8a42518c6c99d4153277c1a384149fc6f707ce4992be86d97fd8de793a3a5b6b07fd0a6ab45a\
                133694c7f60d6551f7f5eabd76eeb0a076ae7e7edb938f1d597dfe050000ffffa7c0e40221010000";
    let trailers = vec![("grpc-message", ""), ("grpc-status", "0"), ("x-node", "g1")];
    let script = Script { http: 200, headers: GO.to_vec(), body: body.to_owned(), trailers };
    let level = called(script.clone()).await.unwrap();
    assert_eq!((level.sku.as_str(), level.left, level.node.as_str()), ("s0", 10, "g1"));
    // An encoding without a name is none.
    let mut plain = Script { headers: vec![("content-type", "application/grpc"), ("grpc-encoding", "")], ..script };
    plain.body = "00000000040a027330".to_owned();
    assert_eq!(called(plain).await.unwrap().sku, "s0");
}

#[tokio::test]
async fn the_status_is_found_wherever_a_peer_puts_it() {
    let grpc = |http, headers: &[(&'static str, &'static str)]| Script {
        http,
        headers: [&[("content-type", "application/grpc")], headers].concat(),
        ..Script::default()
    };
    // Trailers only, under a code of HTTP that says less.
    let unknown = failed(grpc(404, &[("grpc-status", "12"), ("grpc-message", "Invoker for gRPC not found")])).await;
    assert_eq!((unknown.code(), unknown.message()), (Code::Unimplemented, "Invoker for gRPC not found"));
    // Java that ends says so too, and another may have what is looked for.
    assert!(!unknown.reached_server() && unknown.reason() == Reason::StreamRefused, "{unknown:?}");
    let raw = failed(grpc(500, &[("grpc-status", "2"), ("grpc-message", "sold out: 100% + ??")])).await;
    assert_eq!((raw.code(), raw.message(), raw.retryable()), (Code::Unknown, "sold out: 100% + ??", false));
    let late = failed(grpc(408, &[("grpc-status", "2")])).await;
    assert_eq!(late.code(), Code::Unknown);

    let business = vec![
        ("grpc-message", "sold out: 100%25 + %E5%94%AE%E7%BD%84"),
        ("grpc-status", "17"),
        ("grpc-status-details-bin", "CBESF3NvbGQgb3V0OiAxMDAlICsg5ZSu572E"),
        ("x-node", "g1"),
    ];
    let business = failed(Script { http: 200, headers: GO.to_vec(), trailers: business, ..Script::default() }).await;
    assert_eq!((business.code(), business.message()), (Code::Unknown, "sold out: 100% + 售罄"));
    assert_eq!(
        (business.reason(), business.metadata().get("x-node").unwrap().to_str().unwrap()),
        (Reason::Remote, "g1")
    );
}

#[tokio::test]
async fn a_failure_of_http_alone_is_told_with_what_its_body_says() {
    let other = |http, kind, text: &str| Script {
        http,
        headers: vec![("content-type", kind)],
        body: text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ..Script::default()
    };
    let mux = failed(other(404, "text/plain; charset=utf-8", "404 page not found\n")).await;
    assert_eq!(mux.code(), Code::Unimplemented);
    assert!(mux.message().ends_with(": 404 page not found"), "{mux}");
    let java = failed(other(404, "application/json", r#"{"message":"Invoker not found","status":"404"}"#)).await;
    assert_eq!((java.code(), java.message()), (Code::Unimplemented, "Invoker not found"));
    let go = failed(other(404, "application/json", r#"{"code":"not_found","message":"status status:5"}"#)).await;
    assert_eq!((go.code(), go.message()), (Code::NotFound, "status status:5"));
    let js = failed(other(500, "application/json", r#"{"status":9,"message":"not yet"}"#)).await;
    assert_eq!((js.code(), js.message()), (Code::FailedPrecondition, "not yet"));
    // What is too long to be a failure is not waited for.
    let long = failed(other(503, "application/json", &"[".repeat(9000))).await;
    assert_eq!(long.code(), Code::Unavailable);
    assert!(failed(other(502, "text/html", "<html>")).await.retryable());
}
