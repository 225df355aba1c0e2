//! Calls as Dubbo's consumers send them, at our server.

use crate::bed::{Answer, Bed, hex, send};
use mainstay::dubbo::Attachments;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, metadata::MetadataMap};

const LEVEL: &str = "/shop.desk.v1.DeskApi/Level";
/// `{1: "s0", 2: 1}`, as Java sent it.
const S0: &str = "00000000060a0273301001";
/// The same with `{3: "biz"}`.
const BIZ: &str = "000000000b0a02733010011a0362697a";

/// The headers of Dubbo Java 3.3.6.
const JAVA: &[(&str, &str)] = &[
    ("content-type", "application/grpc+proto"),
    ("te", "trailers"),
    ("grpc-timeout", "3000000u"),
    ("tri-consumer-appname", "asker-java"),
    ("grpc-accept-encoding", "gzip,snappy"),
    ("x-trace", "t1"),
    ("camelcase", "Yes"),
    ("bin-bin", "Ynl0ZXMx"),
    ("timeout", "3000"),
    ("tri-header-convert", "%7B%22camelcase%22%3A%22camelCase%22%7D"),
];

/// The headers of dubbo-go v3.3.2.
const GO: &[(&str, &str)] = &[
    ("retries", ""),
    ("camelcase", "Yes"),
    ("timeout", "3s"),
    ("accept-encoding", "identity"),
    ("grpc-accept-encoding", "gzip"),
    ("te", "trailers"),
    ("grpc-timeout", "2999993u"),
    ("x-trace", "t1"),
    ("interface", "shop.desk.v1.DeskApi"),
    ("user-agent", "grpc-go-triple/0.1.0 (go1.26.8)"),
    ("content-type", "application/grpc+proto"),
];

fn with<'a>(base: &[(&'static str, &'a str)], more: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    [base, more].concat()
}

fn seen(answer: &Answer) -> Vec<(String, String)> {
    answer.level().seen.into_iter().collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn a_call_of_java_and_its_attachments_both_ways() {
    let bed = Bed::of(None, None);
    let answer = send(&bed.peer().await, LEVEL, JAVA, &[S0]).await;
    let level = answer.level();
    assert_eq!((level.sku.as_str(), level.left, level.node.as_str()), ("s0", 1, "r1"));
    let expected = [
        ("bin", "6 bytes"),
        ("camelCase", "Yes"),
        ("consumer", "asker-java"),
        ("timeout", "3000"),
        ("waits", "true"),
        ("x-trace", "t1"),
    ];
    assert_eq!(seen(&answer), pairs(&expected));
    // Java reads an answer's attachments from its trailers alone.
    assert_eq!((answer.http.as_u16(), answer.headers.get("x-node")), (200, None));
    assert_eq!(answer.trailers["x-node"], "r1");
    assert_eq!(answer.trailers["tri-header-convert"], "%7B%22camelnode%22%3A%22camelNode%22%7D");
    let back = Attachments::of(&MetadataMap::from_headers(answer.trailers));
    assert_eq!(back.texts().collect::<Vec<_>>(), [("camelNode", "r1"), ("x-node", "r1")]);
}

#[tokio::test]
async fn a_call_of_go_in_its_pieces_with_its_empty_values() {
    let bed = Bed::of(None, None);
    let answer = send(&bed.peer().await, LEVEL, GO, &["0000000006", "0a0273301001", ""]).await;
    let expected = [("camelcase", "Yes"), ("retries", ""), ("timeout", "3s"), ("waits", "true"), ("x-trace", "t1")];
    assert_eq!(seen(&answer), pairs(&expected));
    // At application level Java sends its version so.
    let empty =
        with(JAVA, &[("version", ""), ("tri-service-version", ""), ("tri-service-group", ""), ("grpc-encoding", "")]);
    assert_eq!(bed.send(LEVEL, &empty, S0).await.code(), Code::Ok);
}

#[tokio::test]
async fn path_version_and_group_are_looked_up_as_dubbo_does() {
    let lower = LEVEL.replace("Level", "level");
    let (version, group) = ("tri-service-version", "tri-service-group");
    for (served, path, asked, code) in [
        ((None, None), LEVEL, vec![], Code::Ok),
        ((None, None), &*lower, vec![], Code::Ok),
        ((None, None), LEVEL, vec![(version, "1.0.0")], Code::Unimplemented),
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![(version, "1.2.0"), (group, "g1")], Code::Ok),
        ((Some("1.2.0"), Some("g1")), &*lower, vec![(version, "1.2.0"), (group, "g1")], Code::Ok),
        // Who names no version gets any: a plain gRPC client reaches a service of Dubbo.
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![], Code::Ok),
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![(group, "g1")], Code::Ok),
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![(version, "1.2.0")], Code::Unimplemented),
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![(group, "g2")], Code::Unimplemented),
        ((Some("1.2.0"), Some("g1")), LEVEL, vec![(version, "1.2.1"), (group, "g1")], Code::Unimplemented),
        ((None, None), "/shop.desk.v1.DeskApi/Nope", vec![], Code::Unimplemented),
        ((None, None), "/no.Such/Level", vec![], Code::Unimplemented),
    ] {
        let answer = Bed::of(served.0, served.1).send(path, &with(JAVA, &asked), S0).await;
        // dubbo-go looks at nothing but the code of HTTP when that is not 200.
        assert_eq!((answer.http.as_u16(), answer.code()), (200, code), "{served:?} {path} {asked:?}");
    }
}

#[tokio::test]
async fn a_failure_says_its_text_so_that_each_can_read_it() {
    let bed = Bed::of(None, None);
    let details = |answer: &Answer| {
        let headers = answer.headers.clone();
        tonic::Status::from_header_map(&headers).map(|status| status.details().to_vec()).unwrap()
    };
    let text = "sold out: 100%25 %2B %E5%94%AE%E7%BD%84";
    let inside = |details: &[u8], text: &str| details.windows(text.len()).any(|part| part == text.as_bytes());
    let java = bed.send(LEVEL, JAVA, BIZ).await;
    assert_eq!((java.code(), &java.headers["grpc-message"]), (Code::FailedPrecondition, &text.parse().unwrap()));
    assert!(inside(&details(&java), text));
    let go = bed.send(LEVEL, GO, BIZ).await;
    assert_eq!((go.code(), &go.headers["grpc-message"]), (Code::FailedPrecondition, &text.parse().unwrap()));
    assert!(inside(&details(&go), "sold out: 100% + 售罄"));
    assert_eq!(go.headers["x-node"], "r1");
    // Without details there are none: Java would take their empty message for the text.
    let unknown = bed.send("/no.Such/Level", JAVA, S0).await;
    assert!(!unknown.headers.contains_key("grpc-status-details-bin"));
}

#[tokio::test]
async fn echo_gives_back_what_it_was_given() {
    let bed = Bed::of(Some("1.2.0"), Some("g1"));
    let path = "/shop.desk.v1.DeskApi/$echo";
    let (asked, here) = (
        "0a086865737369616e34120c07686920e4bda0e5a5bd20301a106a6176612e6c616e672e537472696e67",
        [("tri-service-version", "1.2.0"), ("tri-service-group", "g1")],
    );
    let answer = bed.send(path, &with(JAVA, &here), &format!("000000002a{asked}")).await;
    assert_eq!((answer.code(), answer.body), (Code::Ok, hex(&format!("000000002a{asked}"))));
    assert_eq!(bed.send(path, &with(JAVA, &here), "0000000000").await.code(), Code::InvalidArgument);
    assert_eq!(
        bed.send(path, &with(JAVA, &[("tri-service-group", "g2")]), "0000000000").await.code(),
        Code::Unimplemented
    );
    assert_eq!(bed.send("/no.Such/$echo", JAVA, "0000000000").await.code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_by_interface_and_key_turns_first() {
    let bed = Bed::of(Some("1.2.0"), Some("g1"));
    let peer = bed.peer().await;
    let check = async |name: &str| {
        let message = format!("0a{:02x}{}", name.len(), name.bytes().map(|b| format!("{b:02x}")).collect::<String>());
        let message = if name.is_empty() { String::new() } else { message };
        let body = format!("00000000{:02x}{message}", message.len() / 2);
        send(&peer, "/grpc.health.v1.Health/Check", GO, &[&body]).await
    };
    let names = ["", "shop.desk.v1.DeskApi", "g1/shop.desk.v1.DeskApi:1.2.0"];
    for name in names {
        assert_eq!(check(name).await.body, [0, 0, 0, 0, 2, 8, 1], "{name} is SERVING");
    }
    assert_eq!(check("shop.desk.v1.DeskApi:1.2.0").await.code(), Code::NotFound);
    bed.running.health().stop();
    for name in names {
        assert_eq!(check(name).await.body, [0, 0, 0, 0, 2, 8, 2], "{name} is NOT_SERVING");
    }
    // And what is called meanwhile is still answered.
    assert_eq!(send(&peer, LEVEL, GO, &[S0]).await.code(), Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_and_asks_nothing_is_welcome() {
    let bed = Bed::of(None, None);
    let (mut sender, mut connection) = h2::client::handshake(bed.io().await).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driver = tokio::spawn(connection);
    // dubbo-go: every 10 s, for an hour.
    for _ in 0..360 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        pings.ping(h2::Ping::opaque()).await.unwrap();
    }
    sender = sender.ready().await.unwrap();
    assert_eq!(send(&sender, LEVEL, GO, &[S0]).await.code(), Code::Ok);
    assert!(!driver.is_finished());
}

#[tokio::test]
async fn settings_come_before_anything_is_asked() {
    let bed = Bed::of(None, None);
    let mut io = bed.io().await;
    // The preface, the settings and the window of Dubbo Java; it sends no request before it has ours.
    let settings: Vec<u8> = [(1u16, 4096u32), (2, 0), (3, 2_147_483_647), (4, 8_388_608), (5, 8_388_608), (6, 32_768)]
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
        .collect();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend([0, 0, settings.len() as u8, 4, 0, 0, 0, 0, 0]);
    hello.extend(settings);
    hello.extend([0, 0, 4, 8, 0, 0, 0, 0, 0]);
    hello.extend(16_646_146u32.to_be_bytes());
    io.write_all(&hello).await.unwrap();
    let mut head = [0; 9];
    io.read_exact(&mut head).await.unwrap();
    assert_eq!((head[3], head[4]), (4, 0), "a frame of SETTINGS that is no answer to the peer's");
}
