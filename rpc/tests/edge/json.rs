//! Unary methods as JSON and bare protobuf, and GET by path templates.

use crate::{
    bed::{BOTH, Bed, Over, json_of, request},
    shop::{Article, Size},
};
use http::{HeaderValue, StatusCode};
use prost::Message as _;
use serde_json::json;

const JSON: &str = "application/json";

#[tokio::test]
async fn json_in_json_out_by_proto3_s_mapping() {
    let bed = Bed::start().await;
    let article = json!({
        "sku": "a-1", "left": 7, "soldTotal": "-9007199254740993", "tags": ["x", "y"], "thumbnail": "AP8=",
        "size": "SIZE_LARGE", "added": "1970-01-01T00:00:01.500Z",
    });
    let by_proto_name = article.to_string().replace("soldTotal", "sold_total");
    for over in BOTH {
        for path in ["/shop.v1.Shop/Put", "/shop.v1.Shop/put"] {
            for body in [article.to_string(), by_proto_name.clone()] {
                let response = bed.send(over, request("POST", path, "application/json; charset=utf-8", body)).await;
                assert_eq!(response.status(), 200, "{response:?}");
                assert_eq!(response.headers()["content-type"], JSON);
                assert_eq!(json_of(&response), article, "{over:?} {path}");
            }
        }
    }
    bed.settled().await;
}

#[tokio::test]
async fn protobuf_in_protobuf_out() {
    let bed = Bed::start().await;
    let article = Article { sku: "a-1".into(), sold_total: -1, size: Size::Large, ..Article::default() };
    for over in BOTH {
        for content_type in ["application/proto", "application/x-protobuf"] {
            let request = request("POST", "/shop.v1.Shop/Put", content_type, article.encode_to_vec());
            let response = bed.send(over, request).await;
            assert_eq!(
                (response.status(), &response.headers()["content-type"]),
                (StatusCode::OK, &HeaderValue::from_static("application/proto"))
            );
            assert_eq!(Article::decode(response.body().clone()).unwrap(), article);
        }
    }
}

#[tokio::test]
async fn metadata_goes_out_as_headers() {
    let bed = Bed::start().await;
    for over in BOTH {
        let response = bed.send(over, request("POST", "/shop.v1.Shop/Level", JSON, r#"{"sku":"a"}"#)).await;
        assert_eq!(
            (&response.headers()["x-shelf"], &response.headers()["trailer-x-cost"]),
            (&HeaderValue::from_static("7"), &HeaderValue::from_static("2"))
        );
    }
}

#[tokio::test]
async fn get_by_template() {
    let bed = Bed::start().await;
    for over in BOTH {
        for (path, sku, left) in [
            ("/v1/stock/a-1", "a-1", 3),
            ("/v1/stock/a%2Fb%20%C3%A4?atLeast=9", "a/b ä", 9),
            ("/v1/stock/a?at_least=4", "a", 4),
        ] {
            let response = bed.send(over, request("GET", path, "", "")).await;
            assert_eq!(json_of(&response), json!({ "sku": sku, "left": left }), "{path}");
        }
        let head = bed.send(over, request("HEAD", "/v1/stock/a", "", "")).await;
        assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    }
    bed.settled().await;
}

#[tokio::test]
async fn errors_are_typed() {
    let bed = Bed::start().await;
    for over in BOTH {
        for request in [
            request("POST", "/shop.v1.Shop/Level", JSON, r#"{"sku":"none"}"#),
            request("GET", "/v1/stock/none", "", ""),
        ] {
            let response = bed.send(over, request).await;
            assert_eq!(
                (response.status(), &response.headers()["content-type"]),
                (StatusCode::NOT_FOUND, &HeaderValue::from_static(JSON))
            );
            assert_eq!(response.headers()["x-cost"], "2");
            let body = json_of(&response);
            assert_eq!((&body["code"], &body["message"]), (&json!("not_found"), &json!("no article none")));
            let detail = &body["details"][0];
            assert_eq!(detail["type"], "google.rpc.ErrorInfo");
            assert_eq!(detail["debug"]["metadata"], json!({ "sku": "none" }));
        }
    }
}

#[tokio::test]
async fn a_deadline_covers_the_handler() {
    let bed = Bed::start().await;
    for (name, value) in [("triple-timeout-ms", "5"), ("tri-service-timeout", "5"), ("grpc-timeout", "5m")] {
        for over in BOTH {
            let mut request = request("POST", "/shop.v1.Shop/Wait", JSON, "{}");
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            let response = bed.send(over, request).await;
            assert_eq!(
                (response.status(), &json_of(&response)["code"]),
                (StatusCode::REQUEST_TIMEOUT, &json!("deadline_exceeded"))
            );
        }
    }
    bed.settled().await;
}

#[tokio::test]
async fn large_messages_go_by_flow_control() {
    let mut limits = mainstay::transport::Http2Limits::default();
    limits.max_message = 8_000_000;
    let bed = Bed::with(|server| server.limits(limits)).await;
    let article = json!({ "sku": "long ".repeat(1_000_000) });
    for over in BOTH {
        let response = bed.send(over, request("POST", "/shop.v1.Shop/Put", JSON, article.to_string())).await;
        assert!(json_of(&response) == article, "{over:?}: {} bytes", response.body().len());
    }
    bed.settled().await;
}

#[mainstay::service(package = "shop.v1")]
trait Foreign {
    async fn echo(&self, foreign: Opaque) -> Result<Opaque, mainstay::call::Status>;
}

/// A message that nobody described.
#[derive(Clone, PartialEq, prost::Message)]
struct Opaque {
    #[prost(uint32, tag = "1")]
    number: u32,
}

struct Echo;

impl Foreign for Echo {
    async fn echo(&self, foreign: Opaque) -> Result<Opaque, mainstay::call::Status> {
        Ok(foreign)
    }
}

#[tokio::test]
async fn a_message_without_a_description_has_no_json_but_protobuf() {
    let bed = Bed::with(|server| server.serve(ForeignServer::new(Echo))).await;
    let opaque = Opaque { number: 7 };
    let proto = request("POST", "/shop.v1.Foreign/Echo", "application/proto", opaque.encode_to_vec());
    assert_eq!(Opaque::decode(bed.send(Over::Http1, proto).await.into_body()).unwrap(), opaque);
    let refused = bed.send(Over::Http1, request("POST", "/shop.v1.Foreign/Echo", JSON, "{}")).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let body = json_of(&refused);
    assert_eq!(body["code"], "unimplemented");
    assert!(body["message"].as_str().unwrap().contains("are not known here; send application/proto"), "{body}");
}

#[tokio::test]
async fn gzip_both_ways() {
    use std::io::{Read, Write};
    let bed = Bed::with(|server| server.gzip(true)).await;
    let article = json!({ "sku": "long ".repeat(500) }).to_string();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(article.as_bytes()).unwrap();
    let mut request = request("POST", "/shop.v1.Shop/Put", JSON, encoder.finish().unwrap());
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static("br, gzip"));
    let response = bed.send(Over::Http1, request).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(response.body().as_ref()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, article);
}

#[tokio::test]
async fn scripts_of_named_origins_may_call() {
    let origin = HeaderValue::from_static("https://shop.example");
    let bed = Bed::with(|server| server.cors(mainstay::edge::Cors::origins([origin.clone()]))).await;
    let mut preflight = request("OPTIONS", "/shop.v1.Shop/Put", "", "");
    preflight.headers_mut().insert("origin", origin.clone());
    preflight.headers_mut().insert("access-control-request-method", HeaderValue::from_static("POST"));
    preflight.headers_mut().insert("access-control-request-headers", HeaderValue::from_static("content-type"));
    let answer = bed.send(Over::Http1, preflight).await;
    assert_eq!((answer.status(), &answer.headers()["access-control-allow-origin"]), (StatusCode::NO_CONTENT, &origin));
    for (from, allowed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let mut call = request("POST", "/shop.v1.Shop/Put", JSON, "{}");
        call.headers_mut().insert("origin", HeaderValue::from_static(from));
        let response = bed.send(Over::Http1, call).await;
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{from}");
    }
}
