//! Plain HTTP through the gateway, and what it refuses by itself.

use super::bed::{Answer, Gateway, Mirror, SOON};
use std::{
    io::{BufReader, Write},
    process::Command,
};
use testbed::{Scratch, eventually, tree};

fn file(mirror: &Mirror) -> String {
    format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}, away: {{endpoints: ['127.0.0.1:1']}}}}
routes:
  - {{name: pages, match: {{hosts: [shop.example], path: /pages/**}}, http: {{upstream: pages}}, max_body: 100}}
  - {{name: get, match: {{path: /get, methods: [GET]}}, http: {{upstream: pages}}}}
  - {{name: away, match: {{path: /away}}, http: {{upstream: away}}}}
  - {{name: ok, match: {{path: /healthz}}, respond: {{body: fine, headers: {{x-a: b}}}}}}
access_log: {{}}
",
        mirror.address
    )
}

#[test]
fn requests_are_handed_on_with_what_an_upstream_may_believe() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&file(&mirror));
    let head = "POST /pages/%61/../b%2fc?q=%20\nx-forwarded-for: 6.6.6.6\nx-mainstay-colour: gray\nconnection: x-gone\nx-gone: 1\nx-kept: 2";
    let answer = gateway.ask(head, "the body");
    assert_eq!(answer.code, 200, "{answer:?}");
    let (first, rest) = answer.body.split_once("\r\n").unwrap();
    assert_eq!(first, "POST /pages/b%2Fc?q=%20 HTTP/1.1");
    for line in [
        "host: shop.example",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-real-ip: 127.0.0.1",
        "x-kept: 2",
    ] {
        assert!(rest.contains(&format!("{line}\r\n")), "{line} is not in {rest}");
    }
    for gone in ["6.6.6.6", "x-gone", "x-mainstay-colour"] {
        assert!(!rest.contains(gone), "{gone} is in {rest}");
    }
    assert!(rest.ends_with("\r\n\r\nthe body"), "{rest}");
    assert_eq!((answer.header("keep-alive"), answer.header("x-mainstay-origin")), (None, None), "{answer:?}");
    let answer = gateway.ask("HEAD /pages/x", "");
    assert_eq!((answer.code, answer.body.as_str()), (200, ""));
    eventually(SOON, "a line of the access log", || gateway.process.stdout().contains("\"path\":\"/pages/b%2Fc\""));
    let log = gateway.process.stdout();
    assert!(log.contains("\"route\":\"pages\"") && !log.contains("q="), "{log}");
}

#[test]
fn what_is_refused_says_why_and_by_whom() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&file(&mirror));
    let long = "x".repeat(101);
    for (head, body, code, reason) in [
        ("GET /nothing", "", 404, "NO_ROUTE"),
        ("POST /get", "x", 405, "METHOD_NOT_ALLOWED"),
        ("GET /pages/../../x", "", 400, "BAD_REQUEST"),
        ("POST /pages/a", long.as_str(), 413, "BODY_TOO_LARGE"),
        ("GET /away", "", 503, "CONNECT_FAILED"),
        ("GET /pages/a\nexpect: 200-ok", "", 417, "BAD_EXPECT"),
    ] {
        let answer = gateway.ask(head, body);
        assert_eq!((answer.code, answer.header("x-mainstay-reason")), (code, Some(reason)), "{head}: {answer:?}");
        assert_eq!(answer.header("x-mainstay-origin"), Some("gateway"));
        assert_eq!(answer.json()["details"][0]["reason"], reason);
        assert!(!answer.body.contains("127.0.0.1:1"), "{answer:?}");
    }
    assert_eq!(gateway.ask("POST /get", "x").header("allow"), Some("GET"));
    let fine = gateway.ask("GET /healthz", "");
    assert_eq!((fine.code, fine.body.as_str(), fine.header("x-a")), (200, "fine", Some("b")));
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&file(&mirror));
    let send = |chunks: usize| {
        let mut stream = gateway.connect();
        let chunk = format!("28\r\n{}\r\n", "x".repeat(0x28)).repeat(chunks);
        write!(
            stream,
            "POST /pages/a HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
        )
        .unwrap();
        Answer::read(&mut BufReader::new(stream), false).unwrap()
    };
    assert!(send(2).body.ends_with(&"x".repeat(0x50)));
    let refused = send(3);
    assert_eq!((refused.code, refused.header("x-mainstay-reason")), (413, Some("BODY_TOO_LARGE")), "{refused:?}");
}

#[test]
fn http_2_comes_in_and_http_1_goes_out() {
    let mirror = Mirror::start();
    let gateway = Gateway::start(&file(&mirror));
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--http2-prior-knowledge",
        "--max-time",
        "10",
        "--write-out",
        "%{http_code} %{http_version}",
    ]);
    curl.args(["--header", "host: shop.example", "--data", "the body", &format!("http://{}/pages/a", gateway.address)]);
    let output = curl.output().expect("curl: `cargo suite gateway` installs it");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("POST /pages/a HTTP/1.1\r\n") && text.ends_with("the body200 2"), "{text}");
    assert!(text.contains("host: shop.example\r\n") && text.contains("x-forwarded-host: shop.example\r\n"), "{text}");
}

#[test]
fn check_tells_all_that_is_wrong_and_ends_with_1() {
    let place = Scratch::new("check").unwrap();
    let file =
        place.write("g.yaml", "listeners: [{address: here}]\nroute: []\nroutes: [{name: a, match: {}}]\n").unwrap();
    let run = |words: &[&std::ffi::OsStr]| Command::new(tree::built("mainstay-gateway")).args(words).output().unwrap();
    let output = run(&["check".as_ref(), file.as_os_str()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for what in [
        "line 1: listeners[0].address",
        "line 2: `route` is not known here: did you mean `routes`?",
        "line 3: routes[0]",
    ] {
        assert!(told.contains(what), "{what} is not in {told}");
    }
    let schema = run(&["schema".as_ref()]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["routes"].is_object());
}
