//! Requests that are wrong in one way each: the status says in which, and the connection goes on.

use crate::{
    bed::{Bed, limits},
    peer::{self, Answer, ask, framed, numbers, request, request_with, send, text},
};
use std::io::Write as _;
use tonic::Code;

/// Sends one request, checks that the same connection still serves, and that nothing is left.
async fn wrong(change: http::Request<()>, body: &[u8]) -> Answer {
    let bed = Bed::new(limits(|limits| limits.max_message = 10_000));
    let mut peer = peer::connect(bed.io().await).await;
    let answer = send(&mut peer, change, body).await;
    assert_eq!(ask(&mut peer, "Echo", &text("still here")).await.code(), Code::Ok);
    drop(peer);
    bed.settles().await;
    answer
}

fn path(path: &str) -> http::Request<()> {
    let mut request = request("Echo");
    *request.uri_mut() = format!("http://desk{path}").parse().unwrap();
    request
}

#[tokio::test]
async fn an_unknown_service_or_method_is_named() {
    let answer = wrong(path("/hostile.v1.Bank/Echo"), &text("x")).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.message(), "hostile.v1.Bank is not served here");
    let answer = wrong(path("/hostile.v1.Desk/Steal"), &text("x")).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.message(), "hostile.v1.Desk has no method Steal");
    for odd in ["/", "//", "/hostile.v1.Desk/", "/hostile.v1.Desk", "/hostile.v1.Desk/Echo/", "/%00/Echo?x=/Echo"] {
        assert_eq!(wrong(path(odd), &text("x")).await.code(), Code::Unimplemented, "{odd}");
    }
}

#[tokio::test]
async fn a_wrong_version_or_group_is_told_what_is_here() {
    let here = "here it is in version 1.0.0, group -";
    let answer = wrong(request_with("Echo", "tri-service-version", "2.0.0"), &text("x")).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.message(), format!("hostile.v1.Desk is not served in version 2.0.0, group -; {here}"));
    let answer = wrong(request_with("Echo", "tri-service-group", "blue"), &text("x")).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.message(), format!("hostile.v1.Desk is not served in version -, group blue; {here}"));
}

#[tokio::test]
async fn who_names_no_version_or_spells_the_method_as_dubbo_does_is_answered() {
    for request in [
        request("GetStock"),
        request("getStock"),
        request_with("getStock", "tri-service-version", "1.0.0"),
        request_with("GetStock", "tri-service-version", ""),
    ] {
        let answer = wrong(request, &text("a-1")).await;
        assert_eq!((answer.code(), answer.body), (Code::Ok, numbers(&[3])));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_it_has_come() {
    let answer = wrong(request("Echo"), &[0, 0, 0, 0x27, 0x11]).await;
    assert_eq!(answer.code(), Code::ResourceExhausted);
    assert_eq!(answer.message(), "a message of 10001 bytes is larger than the limit of 10000");
    let answer = wrong(request("Echo"), &[0, 255, 255, 255, 255]).await;
    assert_eq!(answer.code(), Code::ResourceExhausted);
    // A stream's messages too.
    let answer = wrong(request("Sum"), &[numbers(&[1]), vec![0, 255, 255, 255, 255]].concat()).await;
    assert_eq!(answer.code(), Code::ResourceExhausted);
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(message).unwrap();
    let mut framed = framed(&encoder.finish().unwrap());
    framed[0] = 1;
    framed
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_and_gzip_is_not() {
    let bomb = gzip(&vec![0; 5_000_000]);
    assert!(bomb.len() < 10_000);
    let answer = wrong(request_with("Echo", "grpc-encoding", "gzip"), &bomb).await;
    assert_eq!(answer.code(), Code::ResourceExhausted);
    assert_eq!(answer.message(), "a message of 10001 bytes is larger than the limit of 10000");
    let answer = wrong(request_with("Echo", "grpc-encoding", "gzip"), &gzip(b"\x0a\x02hi")).await;
    assert_eq!((answer.code(), answer.body), (Code::Ok, text("hi")));
}

#[tokio::test]
async fn an_encoding_that_is_not_spoken_names_those_that_are() {
    let answer = wrong(request_with("Echo", "grpc-encoding", "snappy"), &text("x")).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.message(), "the encoding snappy is not supported");
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity,gzip");
}

#[tokio::test]
async fn bytes_that_are_no_messages() {
    let gzipped = request_with("Echo", "grpc-encoding", "gzip");
    let twice = [text("a"), text("b")].concat();
    let rows: [(http::Request<()>, &[u8], Code, &str); 8] = [
        (request("Echo"), &[7, 0, 0, 0, 1, 0], Code::Internal, "the first byte of a message is 7, not 0 or 1"),
        (request("Echo"), &gzip(b"x"), Code::Internal, "a message is compressed, but no encoding was named"),
        (gzipped, &[1, 0, 0, 0, 2, 9, 9], Code::Internal, "a message is no gzip"),
        (request("Echo"), &[0, 0, 0, 0, 5, 1], Code::Internal, "the stream ended inside a message"),
        (request("Echo"), &[0, 0, 0], Code::Internal, "the stream ended inside a message"),
        (request("Echo"), &twice, Code::Internal, "more than one message came"),
        (request("Echo"), &[], Code::Internal, "the stream ended without a message"),
        (request("Echo"), &[0, 0, 0, 0, 2, 0x0a, 99], Code::InvalidArgument, "the message is no"),
    ];
    for (request, body, code, message) in rows {
        let answer = wrong(request, body).await;
        assert_eq!(answer.code(), code, "{message}");
        assert!(answer.message().starts_with(message), "{message}: {}", answer.message());
    }
    let answer = wrong(request("Sum"), &[numbers(&[1]), vec![0, 0, 0, 0, 1, 0xff]].concat()).await;
    assert_eq!(answer.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_timeout_that_is_none_is_said() {
    for value in ["", "S", "1", "1x", "-1S", "123456789S", "1.5S", "\u{fc}S", "99999999999999999999H"] {
        let answer = wrong(request_with("Echo", "grpc-timeout", value), &text("x")).await;
        if value.is_empty() {
            assert_eq!(answer.code(), Code::Ok);
            continue;
        }
        assert_eq!(answer.code(), Code::InvalidArgument, "{value}");
        assert!(answer.message().contains("grpc-timeout must be up to eight digits"), "{}", answer.message());
    }
    // Longer than any clock: as good as none.
    assert_eq!(wrong(request_with("Echo", "grpc-timeout", "99999999H"), &text("x")).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_content_type_that_is_none_of_ours() {
    let mut none = request("Echo");
    none.headers_mut().remove("content-type");
    for request in [
        none,
        request_with("Echo", "content-type", "text/plain"),
        request_with("Echo", "content-type", "application/grpcx"),
        request_with("Echo", "content-type", "application/grpc+avro"),
    ] {
        let answer = wrong(request, &text("x")).await;
        assert_eq!(answer.http.as_u16(), 415, "{answer:?}");
    }
}

fn with_headers(count: usize) -> http::Request<()> {
    let mut request = request("Echo");
    for i in 0..count {
        let name: http::HeaderName = format!("x-{i}").parse().unwrap();
        request.headers_mut().insert(name, "v".repeat(1000).parse().unwrap());
    }
    request
}

#[tokio::test]
async fn headers_over_the_limit_end_the_call_alone() {
    assert_eq!(wrong(with_headers(17), &text("x")).await.http.as_u16(), 431);
}

#[tokio::test]
async fn headers_far_over_the_limit_end_the_connection() {
    let bed = Bed::new(limits(|_| ()));
    let peer = peer::connect(bed.io().await).await;
    let mut ready = peer.ready().await.unwrap();
    let (response, _) = ready.send_request(with_headers(60), false).unwrap();
    assert!(peer::answer(response).await.unwrap_err().is_go_away());
    bed.serves_others().await;
    drop(ready);
    bed.settles().await;
}
