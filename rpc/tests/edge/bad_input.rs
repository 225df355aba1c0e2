//! What a peer gets wrong, each time: a clear answer, no panic, nothing left behind.

use crate::bed::{BOTH, Bed, LONG, MAX, Over, json_of, request};
use http::HeaderValue;
use mainstay::transport::Http1Limits;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const JSON: &str = "application/json";
const PUT: &str = "/shop.v1.Shop/Put";

#[tokio::test]
async fn what_cannot_be_understood_is_named() {
    let bed = Bed::start().await;
    let large = format!("{{\"sku\":\"{}\"}}", "x".repeat(MAX));
    let cases: &[(&str, &str, &str, &str, u16, &str, &str)] = &[
        ("POST", PUT, JSON, "{\"sku\":", 400, "invalid_argument", "EOF while parsing"),
        ("POST", PUT, JSON, "{} {}", 400, "invalid_argument", "trailing characters"),
        ("POST", PUT, JSON, "", 400, "invalid_argument", "the body is empty"),
        ("POST", PUT, JSON, "[]", 400, "invalid_argument", "line 1 column"),
        ("POST", PUT, JSON, "{\"sku\":\"a\",\"lefd\":1}", 400, "invalid_argument", "'lefd' at line 1 column"),
        ("POST", PUT, JSON, "{\"left\":\"many\"}", 400, "invalid_argument", "line 1 column"),
        ("POST", PUT, JSON, "{\"left\":-1}", 400, "invalid_argument", "line 1 column"),
        ("POST", PUT, JSON, "{\"sku\":7}", 400, "invalid_argument", "line 1 column"),
        ("POST", PUT, JSON, "{\"size\":\"HUGE\"}", 400, "invalid_argument", "HUGE"),
        ("POST", PUT, JSON, &large, 429, "resource_exhausted", "limit of 10000 bytes"),
        ("POST", PUT, "application/proto", "\u{1}", 400, "invalid_argument", "is no"),
        ("POST", PUT, "text/plain", "x", 415, "unimplemented", "text/plain"),
        ("POST", PUT, "", "x", 415, "unimplemented", "no content type"),
        ("POST", "/shop.v1.Shop/Watch", JSON, "{}", 404, "unimplemented", "Watch streams"),
        ("POST", "/shop.v1.Shop/Load", "application/proto", "", 404, "unimplemented", "call it by gRPC"),
        ("POST", "/shop.v1.Shop/Nope", JSON, "{}", 404, "unimplemented", "/shop.v1.Shop/Put"),
        ("POST", "/nope.Nope/Put", JSON, "{}", 404, "unimplemented", "served here: /shop.v1.Shop/…"),
        ("GET", "/", "", "", 404, "unimplemented", "GET /v1/stock/{sku}"),
        ("GET", PUT, "", "", 405, "unimplemented", "called by POST"),
        ("DELETE", "/v1/stock/a", "", "", 405, "unimplemented", "called by GET"),
        ("GET", "/v1/stock/%zz", "", "", 400, "invalid_argument", "percent-encoding"),
        ("GET", "/v1/stock/a%", "", "", 400, "invalid_argument", "percent-encoding"),
        ("GET", "/v1/stock/%ff", "", "", 400, "invalid_argument", "not UTF-8"),
        ("GET", "/v1/stock/a?at_least=%", "", "", 400, "invalid_argument", "percent-encoding"),
        ("GET", "/v1/stock/a?atleast=1", "", "", 400, "invalid_argument", "no parameter \"atleast\""),
        ("GET", "/v1/stock/a?atLeast=x", "", "", 400, "invalid_argument", "\"atLeast\" cannot be \"x\""),
        ("POST", "/shop.v1.Shop/Fail", JSON, "{}", 500, "internal", "panicked"),
    ];
    for over in BOTH {
        for (method, path, content_type, body, status, code, part) in cases {
            let response = bed.send(over, request(method, path, content_type, (*body).to_owned())).await;
            assert_eq!(response.status(), *status, "{method} {path} {body:.40}: {response:?}");
            let answer = json_of(&response);
            assert_eq!(answer["code"], *code, "{answer}");
            assert!(answer["message"].as_str().unwrap().contains(part), "{method} {path} {body:.40}: {answer}");
        }
    }
    bed.settled().await;
}

#[tokio::test]
async fn refusals_say_what_would_be_taken() {
    let bed = Bed::start().await;
    for (sent, name, value) in [
        (request("GET", PUT, "", ""), "allow", "POST"),
        (request("POST", "/v1/stock/a", JSON, "{}"), "allow", "GET, HEAD"),
        (request("POST", PUT, "text/plain", ""), "accept-post", "application/json, application/proto"),
    ] {
        let response = bed.send(Over::Http1, sent).await;
        assert!(response.headers()[name].to_str().unwrap().starts_with(value), "{response:?}");
    }
    let mut packed = request("POST", PUT, JSON, "{}");
    packed.headers_mut().insert("content-encoding", HeaderValue::from_static("br"));
    let response = bed.send(Over::Http2, packed).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["accept-encoding"]),
        (415, &HeaderValue::from_static("gzip, identity"))
    );
}

#[tokio::test]
async fn headers_that_lie_are_refused() {
    let bed = Bed::start().await;
    for (name, value, status, part) in [
        ("tri-service-version", "9.9.9", 404, "not served in version 9.9.9"),
        ("tri-service-group", "red", 404, "group red"),
        ("triple-timeout-ms", "soon", 400, "triple-timeout-ms"),
        ("content-encoding", "gzip", 400, "gzip"),
    ] {
        for over in BOTH {
            let mut sent = request("POST", PUT, JSON, "{}");
            sent.headers_mut().insert(name, HeaderValue::from_static(value));
            let response = bed.send(over, sent).await;
            assert_eq!(response.status(), status, "{name}: {value}");
            assert!(json_of(&response)["message"].as_str().unwrap().contains(part), "{response:?}");
        }
    }
    bed.settled().await;
}

#[tokio::test]
async fn absurd_heads_of_http1() {
    let bed = Bed::start().await;
    let long = "x".repeat(100_000);
    let many = "a: b\r\n".repeat(1000);
    for (bytes, status) in [
        ("\0\0\0\0\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), "HTTP/1.1 4"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nlong: {long}\r\n\r\n"), "HTTP/1.1 431"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "HTTP/1.1 431"),
        ("GET / HTTP/1.1\r\nho st: a\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (
            format!(
                "POST {PUT} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
            ),
            "HTTP/1.1 400",
        ),
    ] {
        let answer = bed.raw(bytes.as_bytes()).await;
        assert!(answer.starts_with(status), "{bytes:.60?}: {answer:.60?}");
    }
    bed.settled().await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let bed = Bed::start().await;
    let answer = bed.raw(b"GET /v1/stock/a HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(answer.ends_with(r#"{"sku":"a","left":3}"#), "{answer}");
    bed.settled().await;
}

#[tokio::test]
async fn grpc_over_http_1_is_told_what_it_lacks() {
    let bed = Bed::start().await;
    let response = bed.send(Over::Http1, request("POST", PUT, "application/grpc", "")).await;
    assert_eq!(response.status(), 505);
    assert!(json_of(&response)["message"].as_str().unwrap().contains("gRPC needs HTTP/2"));
}

#[tokio::test]
async fn half_a_request_and_then_silence_is_bounded() {
    let mut limits = Http1Limits::default();
    limits.header_timeout = Duration::from_millis(50);
    limits.stall_timeout = Duration::from_millis(50);
    let bed = Bed::with(|server| server.http1_limits(limits)).await;
    let body = format!("POST {PUT} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-length: 10\r\n\r\n{{");
    for (bytes, status) in [("GET / HT", ""), ("GET / HTTP/1.1\r\nhost: a\r\n", ""), (&body, "HTTP/1.1 408")] {
        let answer = bed.raw(bytes.as_bytes()).await;
        assert!(answer.starts_with(status) && answer.is_empty() == status.is_empty(), "{bytes}: {answer}");
    }
    // A connection without a request, after one was answered.
    let answer = bed.raw(b"GET /v1/stock/a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    bed.settled().await;
}

#[tokio::test]
async fn a_connection_cut_in_a_body_leaves_nothing_behind() {
    let bed = Bed::start().await;
    let half = format!("POST {PUT} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-length: 100\r\n\r\n{{");
    for _ in 0..10 {
        let mut stream = TcpStream::connect(bed.address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        bed.until(|running| running.calls() == 1).await;
        drop(stream);
        bed.settled().await;
    }
}

#[tokio::test]
async fn half_a_body_over_http2_is_bounded_too() {
    let mut limits = Http1Limits::default();
    limits.stall_timeout = Duration::from_millis(50);
    let bed = Bed::with(|server| server.http1_limits(limits)).await;
    for cut in [false, true] {
        let mut sent = http::Request::post(format!("http://shop{PUT}")).body(()).unwrap();
        sent.headers_mut().insert("content-type", HeaderValue::from_static(JSON));
        let stream = TcpStream::connect(bed.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut client = client.ready().await.unwrap();
        let (response, mut body) = client.send_request(sent, false).unwrap();
        body.send_data("{".into(), false).unwrap();
        if cut {
            bed.until(|running| running.calls() == 1).await;
        } else {
            let response = timeout(LONG, response).await.unwrap().unwrap();
            assert_eq!(response.status(), 408);
        }
        connection.abort();
        drop((client, body));
        bed.settled().await;
    }
}

#[tokio::test]
async fn json_without_end_in_depth_is_refused() {
    let bed = Bed::start().await;
    for body in ["[".repeat(MAX), format!("{{\"tags\":{}", "[".repeat(MAX / 2))] {
        let response = bed.send(Over::Http1, request("POST", PUT, JSON, body)).await;
        assert_eq!((response.status().as_u16(), &json_of(&response)["code"]), (400, &"invalid_argument".into()));
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_its_handler() {
    let bed = Bed::start().await;
    for over in BOTH {
        let waiting = tokio::spawn({
            let address = bed.address;
            async move { crate::bed::try_send(address, over, request("POST", "/shop.v1.Shop/Wait", JSON, "{}")).await }
        });
        bed.until(|running| running.calls() == 1).await;
        waiting.abort();
        bed.settled().await;
    }
}

#[tokio::test]
async fn a_drain_finishes_the_request_and_says_that_it_closes() {
    let bed = Bed::start().await;
    let mut busy = TcpStream::connect(bed.address).await.unwrap();
    let wait =
        format!("POST /shop.v1.Shop/Wait HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-length: 2\r\n\r\n{{}}");
    busy.write_all(wait.as_bytes()).await.unwrap();
    bed.until(|running| running.calls() == 1).await;
    let mut idle = TcpStream::connect(bed.address).await.unwrap();
    idle.write_all(b"GET / HT").await.unwrap();
    bed.until(|running| running.connections() == 2).await;
    let (drained, answer) = tokio::join!(bed.running.drain(LONG), async {
        // The one that has no request is let go; the other is not.
        assert_eq!(timeout(LONG, idle.read(&mut [0; 100])).await.unwrap().unwrap_or(0), 0);
        bed.until(|running| running.connections() == 1).await;
        bed.counter.release.notify_one();
        let mut answer = String::new();
        timeout(LONG, busy.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    });
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert_eq!(drained.cut_calls, 0);
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let bed = Bed::start().await;
    let mut sends = tokio::task::JoinSet::new();
    for over in BOTH {
        let address = bed.address;
        let wait = request("POST", "/shop.v1.Shop/Wait", JSON, "{}");
        sends.spawn(async move { crate::bed::try_send(address, over, wait).await.is_err() });
    }
    bed.until(|running| running.calls() == 2).await;
    let drained = bed.running.drain(Duration::from_millis(10)).await;
    assert_eq!(drained.cut_calls, 2);
    assert!(sends.join_all().await.into_iter().all(|failed| failed));
    bed.settled().await;
}
