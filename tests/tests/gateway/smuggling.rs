//! An attacker on a raw connection: what two servers may read differently is refused, and nothing of it is handed on.

use super::bed::{Answer, Gateway, Mirror};
use std::io::{BufReader, Read, Write};

#[test]
fn no_request_is_smuggled() {
    let mirror = Mirror::start();
    let file = format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}\nroutes: [{{name: all, match: {{}}, http: {{upstream: m}}}}]\n",
        mirror.address
    );
    let gateway = Gateway::start(&file);
    let post = |headers: &str, body: &str| format!("POST /evil HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
    let get = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked";
    for attack in [
        post("Content-Length: 6\r\nTransfer-Encoding: chunked", &format!("0\r\n\r\n{get}")),
        post("Transfer-Encoding: chunked\r\nContent-Length: 6", &format!("0\r\n\r\n{get}")),
        post("Content-Length: 0\r\nContent-Length: 44", get),
        post("Content-Length: 44\r\nContent-Length: 44", get),
        post("Content-Length: +44", get),
        post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n"),
        post("Transfer-Encoding : chunked", "0\r\n\r\n"),
        post("Transfer-Encoding:\u{b}chunked", "0\r\n\r\n"),
        post("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n"),
        post("X: y\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        "GET /evil HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET /evil HTTP/1.1\r\n\r\n".to_owned(),
        "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET http://b/evil HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://u@a/evil HTTP/1.1\r\nHost: u@a\r\n\r\n".to_owned(),
        "POST /evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /evil\0 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let mut stream = gateway.connect();
        // A good request before it on the same connection is answered.
        write!(stream, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n{attack}").unwrap();
        let mut from = BufReader::new(stream);
        assert_eq!(Answer::read(&mut from, false).map(|answer| answer.code), Some(200), "{attack:?}");
        let refused = Answer::read(&mut from, false);
        assert_eq!(refused.as_ref().map(|answer| answer.code), Some(400), "{attack:?}: {refused:?}");
        if !attack.contains("://") {
            let mut rest = Vec::new();
            assert!(from.read_to_end(&mut rest).is_err() || rest.is_empty(), "{attack:?}: more came");
        }
    }
    // Bodies that are cut, or whose chunks are none, are never completed at the upstream.
    for attack in [
        post(chunked, "3\nabc\r\n0\r\n\r\n"),
        post(chunked, "3\r\nabcd\r\n0\r\n\r\n"),
        post(chunked, "zz\r\nabc\r\n0\r\n\r\n"),
        post(chunked, "ffffffffffffffff1\r\nabc"),
    ] {
        let mut stream = gateway.connect();
        stream.write_all(attack.as_bytes()).unwrap();
        let answer = Answer::read(&mut BufReader::new(stream), false);
        assert!(answer.as_ref().is_none_or(|answer| answer.code >= 400), "{attack:?}: {answer:?}");
    }
    let seen = mirror.seen.lock().unwrap();
    let evil: Vec<_> = seen.iter().filter(|head| head.contains("/evil") && !head.contains("chunked")).collect();
    assert!(evil.is_empty(), "{evil:?}");
    assert!(seen.iter().filter(|head| head.contains("/good")).count() >= 18);
}
