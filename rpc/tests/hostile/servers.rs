//! Servers that are broken in one way each, towards our client: a clear status, and whether the server was reached.

use crate::{
    bed::{self, DeskClient, until},
    peer::{Answering, broken, headers, numbers, response, text},
    raw::{DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, Raw, frame},
};
use bytes::Bytes;
use h2::{Reason as H2, SendStream};
use mainstay::{
    call::{Code, Reason, Status},
    transport::{Accept, Http2Limits, memory},
};
use std::time::Duration;

/// Headers as text.
type Pairs = &'static [(&'static str, &'static str)];

/// A proper status in trailers.
const OK: Pairs = &[("grpc-status", "0")];

/// Calls a server that does `wrong` to every call but `GetStock`: that one must still be answered.
async fn meets(wrong: impl Fn(Answering) + Clone + Send + Sync + 'static) -> Status {
    let before = bed::tasks();
    let (network, server) = broken(move |(request, mut respond)| {
        let wrong = wrong.clone();
        async move {
            if request.uri().path().ends_with("GetStock") {
                let mut stream = respond.send_response(response(), false).unwrap();
                body(&mut stream, &numbers(&[3]), OK);
            } else {
                wrong((request, respond));
            }
        }
    });
    let client = bed::client(network, Http2Limits::default());
    let status = client.echo("x".into()).await.unwrap_err().into_status();
    assert_eq!(client.get_stock("a".into()).await.unwrap(), 3, "the connection goes on after {status:?}");
    drop(client);
    server.abort();
    until("no task is left", || bed::tasks() == before).await;
    status
}

fn body(stream: &mut SendStream<Bytes>, bytes: &[u8], trailers: &[(&'static str, &str)]) {
    stream.send_data(Bytes::copy_from_slice(bytes), false).unwrap();
    stream.send_trailers(headers(trailers)).unwrap();
}

/// A server that answers with a head, a body and trailers.
async fn answers(head: &[(&'static str, &str)], bytes: &'static [u8], trailers: &[(&'static str, &str)]) -> Status {
    let (head, trailers) = (headers(head), headers(trailers));
    meets(move |(_, mut respond)| {
        let mut answer = response();
        answer.headers_mut().extend(head.clone());
        let mut stream = respond.send_response(answer, false).unwrap();
        stream.send_data(Bytes::from_static(bytes), trailers.is_empty()).unwrap();
        if !trailers.is_empty() {
            stream.send_trailers(trailers.clone()).unwrap();
        }
    })
    .await
}

/// A server that answers with a head alone.
async fn heads(http: u16, head: &[(&'static str, &str)]) -> Status {
    let head = headers(head);
    meets(move |(_, mut respond)| {
        let mut answer = http::Response::builder().status(http).body(()).unwrap();
        *answer.headers_mut() = head.clone();
        respond.send_response(answer, true).unwrap();
    })
    .await
}

#[track_caller]
fn is(status: Status, code: Code, reason: Reason, message: &str) {
    assert_eq!((status.code(), status.reason()), (code, reason), "{status:?}");
    assert!(status.message().contains(message), "{status:?}");
    assert!(status.reached_server(), "{status:?}");
}

#[tokio::test]
async fn an_answer_without_a_status() {
    const WHOLE: &[u8] = &[0, 0, 0, 0, 3, 10, 1, b'x'];
    for (bytes, trailers) in [(WHOLE, &[][..]), (WHOLE, &[("x", "y")]), (&[], &[])] {
        is(answers(&[], bytes, trailers).await, Code::Unknown, Reason::BadResponse, "no gRPC status");
    }
    let grpc = ("content-type", "application/grpc");
    is(heads(200, &[grpc]).await, Code::Unknown, Reason::BadResponse, "no gRPC status");
}

#[tokio::test]
async fn an_answer_of_http_alone() {
    for (http, code, reason) in [
        (400, Code::Internal, Reason::BadResponse),
        (401, Code::Unauthenticated, Reason::Remote),
        (403, Code::PermissionDenied, Reason::Remote),
        (404, Code::Unimplemented, Reason::Remote),
        (429, Code::Unavailable, Reason::RemoteUnavailable),
        (500, Code::Unknown, Reason::BadResponse),
        (503, Code::Unavailable, Reason::RemoteUnavailable),
    ] {
        is(heads(http, &[("content-type", "text/html")]).await, code, reason, &format!("answered HTTP {http}"));
    }
    let html = heads(200, &[("content-type", "text/html")]).await;
    is(html, Code::Unknown, Reason::BadResponse, "does not speak gRPC: the content type of its answer is text/html");
    is(heads(200, &[]).await, Code::Unknown, Reason::BadResponse, "content type of its answer is none");
    for almost in ["application/grpc-web", "application/grpcx", "application/grp", "xapplication/grpc"] {
        let status = heads(200, &[("content-type", almost)]).await;
        is(status, Code::Unknown, Reason::BadResponse, &format!("content type of its answer is {almost}"));
    }
}

#[tokio::test]
async fn each_content_type_of_grpc_is_one() {
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+x"] {
        let (network, _server) = broken(move |(_, mut respond)| async move {
            let mut answer = response();
            answer.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
            body(&mut respond.send_response(answer, false).unwrap(), &text("x"), OK);
        });
        assert_eq!(bed::client(network, Http2Limits::default()).echo("x".into()).await.unwrap(), "x", "{kind}");
    }
}

#[tokio::test]
async fn a_status_beside_another_code_of_http_counts() {
    let status = heads(500, &[("grpc-status", "5"), ("grpc-message", "no%20such")]).await;
    is(status, Code::NotFound, Reason::Remote, "no such");
}

#[tokio::test]
async fn a_status_that_is_none() {
    for odd in ["17", "99999999999", "-1", "x", ""] {
        is(answers(&[], &[], &[("grpc-status", odd)]).await, Code::Unknown, Reason::Remote, "");
    }
    // Good, but without a message.
    is(heads(200, OK).await, Code::Internal, Reason::BadResponse, "no message");
    is(answers(&[], &[], OK).await, Code::Internal, Reason::BadResponse, "without a message");
}

#[tokio::test]
async fn a_message_that_was_escaped_badly_is_shown_as_it_came() {
    let status = answers(&[], &[], &[("grpc-status", "5"), ("grpc-message", "50% off, %zz, %E4%B8, %C3%BC")]).await;
    is(status, Code::NotFound, Reason::Remote, "50% off, %zz, \u{fffd}, ü");
    let status = answers(&[], &[], &[("grpc-status", "5"), ("grpc-status-details-bin", "!no base64!")]).await;
    assert!(status.details().is_empty());
    is(status, Code::NotFound, Reason::Remote, "");
}

#[tokio::test]
async fn bytes_that_are_no_messages() {
    let rows: [(Pairs, &'static [u8], &str); 8] = [
        (&[], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "more than one message"),
        (&[], &[0, 0, 0, 0, 9, 1], "ended inside a message"),
        (&[], &[7, 0, 0, 0, 0], "is 7, not 0 or 1"),
        (&[], &[1, 0, 0, 0, 1, 0], "no encoding was named"),
        (&[("grpc-encoding", "gzip")], &[1, 0, 0, 0, 1, 0], "no gzip"),
        (&[], &[0, 0, 0, 0, 2, 10, 99], "the answer is no"),
        (&[], &[0, 0, 0, 0, 3, 10, 1, 0xff], "the answer is no"),
        (&[], &[0], "ended inside a message"),
    ];
    for (head, bytes, message) in rows {
        is(answers(head, bytes, OK).await, Code::Internal, Reason::BadResponse, message);
    }
    let snappy = answers(&[("grpc-encoding", "snappy")], &[0; 5], OK).await;
    is(snappy, Code::Internal, Reason::UnknownEncoding, "snappy");
    let large = answers(&[], &[0, 255, 255, 255, 255], OK).await;
    is(large, Code::ResourceExhausted, Reason::MessageTooLarge, "4294967295 bytes is larger than the limit of 4194304");
    // Why a server gave up inside a message counts for more than that it did.
    is(answers(&[], &[0, 0, 0, 0, 9, 1], &[("grpc-status", "4")]).await, Code::DeadlineExceeded, Reason::Remote, "");
}

#[tokio::test]
async fn a_reset() {
    for (error, code, reason, reached) in [
        (H2::REFUSED_STREAM, Code::Unavailable, Reason::StreamRefused, false),
        (H2::CANCEL, Code::Cancelled, Reason::Cancelled, true),
        (H2::ENHANCE_YOUR_CALM, Code::ResourceExhausted, Reason::Overloaded, true),
        (H2::INADEQUATE_SECURITY, Code::PermissionDenied, Reason::Remote, true),
        (H2::INTERNAL_ERROR, Code::Internal, Reason::BadResponse, true),
        (H2::PROTOCOL_ERROR, Code::Internal, Reason::BadResponse, true),
        (H2::NO_ERROR, Code::Internal, Reason::BadResponse, true),
    ] {
        let status = meets(move |(_, mut respond)| respond.send_reset(error)).await;
        assert_eq!((status.code(), status.reason(), status.reached_server()), (code, reason, reached), "{status:?}");
        // The same in the middle of the answer: then it was reached, whatever the peer says.
        let status = meets(move |(_, mut respond)| {
            let mut stream = respond.send_response(response(), false).unwrap();
            stream.send_data(Bytes::from(text("x")), false).unwrap();
            stream.send_reset(error);
        })
        .await;
        assert_eq!((status.code(), status.reason()), (code, reason), "{status:?}");
    }
}

#[tokio::test]
async fn trailers_over_the_limit() {
    let long = "v".repeat(1000);
    let names: Vec<String> = (0..17).map(|i| format!("x-{i}")).collect();
    let trailers: http::HeaderMap = names
        .iter()
        .map(|name| (name.parse::<http::HeaderName>().unwrap(), long.parse::<http::HeaderValue>().unwrap()))
        .chain(headers(OK).into_iter().map(|(name, value)| (name.unwrap(), value)))
        .collect();
    let status = meets(move |(_, mut respond)| {
        let mut stream = respond.send_response(response(), false).unwrap();
        stream.send_data(Bytes::from(text("x")), false).unwrap();
        stream.send_trailers(trailers.clone()).unwrap();
    })
    .await;
    // What is over the limit is not kept, and the status came after it.
    is(status, Code::Unknown, Reason::BadResponse, "no gRPC status among them; what exceeds the limit of headers");
}

/// A server of frames: reads one request's head, and then does what it is told.
fn frames<F, Fut>(serve: F) -> DeskClient
where
    F: FnOnce(Raw) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (network, mut accept) = memory();
    tokio::spawn(async move {
        let mut raw = Raw::accept(accept.accept().await.unwrap().io).await;
        raw.until(HEADERS).await.unwrap();
        serve(raw).await;
    });
    bed::client(network, Http2Limits::default())
}

fn go_away(last: u32, error: u32) -> Vec<u8> {
    frame(GO_AWAY, 0, 0, &[last.to_be_bytes(), error.to_be_bytes()].concat())
}

#[tokio::test]
async fn a_go_away_before_the_request_was_looked_at() {
    let before = bed::tasks();
    let client = frames(|mut raw| async move {
        raw.write(&go_away(0, 0)).await.unwrap();
        raw.end().await;
    });
    let status = client.echo("x".into()).await.unwrap_err().into_status();
    // The client has tried elsewhere by then, and there is nobody else.
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(!status.reached_server() && status.retryable(), "{status:?}");
    drop(client);
    until("no task is left", || bed::tasks() == before).await;
}

#[tokio::test]
async fn a_go_away_after_the_request_was_taken() {
    // The answer still comes.
    let client = frames(|mut raw| async move {
        raw.write(&go_away(1, 0)).await.unwrap();
        // 200; the content type; and a status of 0.
        let ct = crate::raw::literal(0, "content-type", "application/grpc");
        raw.write(&frame(HEADERS, END_HEADERS, 1, &[&[0x88], &ct[..]].concat())).await.unwrap();
        raw.write(&frame(DATA, 0, 1, &text("x"))).await.unwrap();
        let status = crate::raw::literal(0, "grpc-status", "0");
        raw.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &status)).await.unwrap();
        raw.end().await;
    });
    assert_eq!(client.echo("x".into()).await.unwrap(), "x");
    // The connection closes before it does.
    let client = frames(|mut raw| async move { raw.write(&go_away(1, 0)).await.unwrap() });
    let status = client.echo("x".into()).await.unwrap_err().into_status();
    is(status, Code::Unavailable, Reason::ConnectionLost, "");
}

#[tokio::test]
async fn a_go_away_with_an_error() {
    let client = frames(|mut raw| async move { raw.write(&go_away(0, 2)).await.unwrap() });
    is(client.echo("x".into()).await.unwrap_err().into_status(), Code::Unavailable, Reason::ConnectionLost, "");
}

#[tokio::test(start_paused = true)]
async fn one_that_speaks_no_http_2() {
    let before = bed::tasks();
    for said in ["HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", ""] {
        let (network, mut accept) = memory();
        let server = tokio::spawn(async move {
            let mut io = accept.accept().await.unwrap().io;
            tokio::io::AsyncWriteExt::write_all(&mut io, said.as_bytes()).await.unwrap();
        });
        let client = bed::client(network, Http2Limits::default());
        let call = tokio::time::timeout(Duration::from_secs(60), client.echo("x".into()));
        let status = call.await.expect("the call ends").unwrap_err().into_status();
        assert_eq!(status.code(), Code::Unavailable, "{said:?}: {status:?}");
        server.await.unwrap();
    }
    until("no task is left", || bed::tasks() == before).await;
}
