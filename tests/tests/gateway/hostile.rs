//! Clients that take their time, and upstreams that answer what is no answer: both cost their own connection and nothing else.

use super::bed::{Answer, Gateway, SOON};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use testbed::eventually;

const FIXED: &str = "routes: [{name: all, match: {}, respond: {body: fine}}]\n";

/// What is said on a connection after these bytes, until it is closed.
fn said(gateway: &Gateway, bytes: &str) -> String {
    let mut stream = gateway.connect();
    // It may be refused before it is all there.
    let _ = stream.write_all(bytes.as_bytes());
    let mut said = Vec::new();
    // A reset ends it as well as a close does; a connection that stays open is a time-out, and an error that says so.
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{bytes:?}: it stays open");
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn who_takes_too_long_for_a_head_or_a_body_is_closed() {
    let gateway = Gateway::listening("header_timeout: 1s, stall_timeout: 1s", FIXED);
    for head in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let said = said(&gateway, head);
        assert_eq!(said.contains("200 OK"), head.ends_with("\r\n\r\n"), "{head:?}: {said}");
    }
    let mirror = super::bed::Mirror::start();
    let gateway = Gateway::listening(
        "header_timeout: 1s, stall_timeout: 1s",
        &format!(
            "upstreams: {{m: {{endpoints: ['{}']}}}}\nroutes: [{{name: all, match: {{}}, http: {{upstream: m}}}}]\n",
            mirror.address
        ),
    );
    let said = said(&gateway, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert!(!said.contains("200 OK"), "{said}");
    assert_eq!(gateway.ask("GET /", "").code, 200);
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let gateway = Gateway::listening("max_head: 8KiB", FIXED);
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(200));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(8 * 1024 + 1));
    for (name, head, codes) in
        [("long", long, &["431", "400"][..]), ("many", many, &["431"]), ("target", target, &["414", "431"])]
    {
        let said = said(&gateway, &head);
        assert!(
            said.is_empty() || codes.iter().any(|code| said.starts_with(&format!("HTTP/1.1 {code} "))),
            "{name}: {said}"
        );
    }
    assert_eq!(gateway.ask("GET /", "").body, "fine");
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let gateway = Gateway::listening("max_connections_per_ip: 2", FIXED);
    let ask = |stream: &mut TcpStream| {
        // One that is closed may be so before this is written.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        Answer::read(&mut BufReader::new(stream), false).map(|answer| answer.code)
    };
    let (mut one, mut two) = (gateway.connect(), gateway.connect());
    assert_eq!((ask(&mut one), ask(&mut two)), (Some(200), Some(200)));
    assert_eq!(ask(&mut gateway.connect()), None, "the third is closed");
    drop(one);
    eventually(SOON, "its place is free", || ask(&mut gateway.connect()) == Some(200));
    assert_eq!(ask(&mut two), Some(200));
    let spared = Gateway::listening("max_connections_per_ip: 1, trusted_proxies: [127.0.0.1]", FIXED);
    let mut all = [spared.connect(), spared.connect(), spared.connect()];
    assert_eq!(all.each_mut().map(ask), [Some(200); 3], "a proxy brings many clients");
}

#[test]
fn connections_above_the_limit_wait_their_turn() {
    let gateway = Gateway::listening("max_connections: 1", FIXED);
    let (mut one, mut two) = (gateway.connect(), gateway.connect());
    for stream in [&mut one, &mut two] {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    }
    let answer = |stream: &TcpStream| Answer::read(&mut BufReader::new(stream), false).map(|answer| answer.code);
    assert_eq!(answer(&one), Some(200));
    two.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(answer(&two), None, "there is no room for it yet");
    drop(one);
    two.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(answer(&two), Some(200));
}

#[test]
fn queries_and_cookies_without_end_are_refused() {
    let gateway = Gateway::start(FIXED);
    let many = |more: usize| {
        (
            gateway.ask(&format!("GET /?{}", "a&".repeat(more)), "").code,
            gateway.ask(&format!("GET /\ncookie: {}", "a=1; ".repeat(more)), "").code,
        )
    };
    assert_eq!((many(200), many(300)), ((200, 200), (414, 431)));
}

/// Answers by the path that is asked for, and whatever comes.
fn liar() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || lie(stream));
        }
    });
    address
}

fn lie(mut stream: TcpStream) {
    let mut from = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).is_ok_and(|n| n == 0) {
                return;
            }
        }
        let answer = match head.split(' ').nth(1).unwrap_or_default() {
            "/switch" => "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "/split" => "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n",
            "/two-lengths" => "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "/no-http" => "SSH-2.0-OpenSSH\r\n",
            "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "/hop" => {
                "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\ncontent-length: 4\r\n\r\nfine"
            }
            // A body that must not be there: it would be read as the answer to the next request.
            "/empty" => "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            "/early" => "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine",
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine",
        };
        let cut = head.starts_with("GET /cut ");
        if stream.write_all(answer.as_bytes()).is_err() || cut {
            return;
        }
    }
}

#[test]
fn what_upstreams_answer_wrongly_is_no_answer_and_reaches_nobody_else() {
    let gateway = Gateway::start(&format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}\nroutes: [{{name: all, match: {{}}, http: {{upstream: m}}, num_retries: 0}}]\n",
        liar()
    ));
    for path in ["/switch", "/split", "/two-lengths", "/no-http"] {
        let answer = gateway.ask(&format!("GET {path}"), "");
        assert_eq!((answer.code, answer.header("x-mainstay-origin")), (502, Some("gateway")), "{path}: {answer:?}");
        assert_eq!(gateway.ask("GET /good", "").body, "fine", "after {path}");
    }
    // What is cut is not completed: the client sees that it is not whole.
    let mut stream = gateway.connect();
    write!(stream, "GET /cut HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert!(Answer::read(&mut BufReader::new(stream), false).is_none());
    let hop = gateway.ask("GET /hop", "");
    assert_eq!((hop.body.as_str(), hop.header("x-hop"), hop.header("keep-alive")), ("fine", None, None));
    assert_eq!(gateway.ask("GET /early", "").body, "fine");
    // On one connection of a client, so that what lies behind the empty answer would be seen.
    let mut stream = gateway.connect();
    write!(stream, "GET /empty HTTP/1.1\r\nhost: a\r\n\r\nGET /good HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut from = BufReader::new(stream);
    assert_eq!(Answer::read(&mut from, true).map(|answer| answer.code), Some(204));
    let next = Answer::read(&mut from, false);
    assert!(next.as_ref().is_some_and(|next| next.body == "fine" || next.code == 502), "{next:?}");
}
