//! Who is refused, let pass and looked at: by the file, and by operators while the gateway runs.

use super::bed::{Answer, Gateway, SOON};
use std::{
    io::{BufReader, Write},
    net::TcpStream,
};
use testbed::{Scratch, eventually};

/// What this test's operator shows.
const TOKEN: &str = "0123456789abcdef-ann";

/// A request to the port of operators.
pub(crate) fn operate(admin: &str, head: &str, token: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let shown = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nhost: localhost\r\n{shown}content-length: {length}\r\n\r\n{body}").unwrap();
    Answer::read(&mut BufReader::new(stream), false).expect("an answer")
}

/// A file with an operator, and a place where entries are kept.
fn file(place: &Scratch, lists: &str) -> String {
    let token = place.write("token", TOKEN).unwrap();
    format!(
        "admin: {{address: '127.0.0.1:0', tokens: {{ann: 'file:{}'}}}}
routes: [{{name: all, match: {{}}, respond: {{body: ok}}}}]
risk:
  subjects: {{device: [{{header: x-device}}, {{cookie: did}}], account: [{{header: x-account}}], key: [{{header: x-key}}]}}
  state_dir: '{}'
  max_entries: 3
  lists: {lists}
access_log: {{}}
",
        token.display(),
        place.join("state").display()
    )
}

fn reason(answer: &Answer) -> (u16, Option<&str>) {
    (answer.code, answer.header("x-mainstay-reason"))
}

#[test]
fn the_file_says_who_is_refused() {
    let place = Scratch::new("lists").unwrap();
    let lists = "{deny: [{cidr: 6.0.0.0/8}, {device: stolen}, {account: mallory}, {key: leaked}], allow: [{ip: 6.6.6.7}], gray: [{device: odd}]}";
    let gateway = Gateway::listening("trusted_proxies: [127.0.0.1]", &file(&place, lists));
    let ask = |head: &str| gateway.ask(&format!("GET /\n{head}"), "");
    for head in [
        "x-forwarded-for: 6.6.6.6",
        "x-device: stolen",
        "cookie: a=1; did=stolen",
        "x-account: mallory",
        "x-key: leaked",
        "x-forwarded-for: 6.6.6.7\nx-account: mallory",
    ] {
        assert_eq!(reason(&ask(head)), (403, Some("DENY_LISTED")), "{head}");
    }
    for head in ["x-forwarded-for: 6.6.6.7", "x-forwarded-for: 7.6.6.6", "x-device: mine", "x-account: stolen"] {
        assert_eq!(ask(head).code, 200, "{head}");
    }
    // Who is looked at is a word in the access log.
    assert_eq!(ask("x-device: odd").code, 200);
    eventually(SOON, "the gray one's line", || gateway.process.stdout().contains("\"listed\":\"gray\""));
    // Before a route is looked for.
    assert_eq!(reason(&gateway.ask("GET /x\nx-device: stolen", "")), (403, Some("DENY_LISTED")));
    // The file is asked anew.
    gateway.reload_listening("trusted_proxies: [127.0.0.1]", &file(&place, "{}"), 2);
    assert_eq!(ask("x-device: stolen").code, 200);
}

#[test]
fn operators_write_entries_that_outlive_reloads_and_restarts() {
    let place = Scratch::new("lists-written").unwrap();
    let text = file(&place, "{deny: [{account: mallory}]}");
    let mut gateway = Gateway::start(&text);
    let admin = gateway.process.line(SOON, "admin ");
    let put = |path: &str, body: &str| operate(&admin, &format!("PUT {path}"), TOKEN, body).code;
    assert_eq!(gateway.ask("GET /\nx-device: d-1", "").code, 200);
    assert_eq!(put("/lists/deny/device/d-1", r#"{"ttl":"30d","reason":"STOLEN"}"#), 200);
    assert_eq!(reason(&gateway.ask("GET /\nx-device: d-1", "")), (403, Some("DENY_LISTED")));
    assert_eq!(put("/lists/gray/cidr/10.0.0.0/8", ""), 200);
    assert_eq!(put("/lists/deny/account/a%2Fb", r#"{"ttl":"1ms"}"#), 200);
    eventually(SOON, "the end of an entry", || gateway.ask("GET /\nx-account: a/b", "").code == 200);
    // What is over makes room.
    assert_eq!(put("/lists/deny/device/d-2", ""), 200);
    assert_eq!(put("/lists/deny/device/d-3", ""), 507);
    for (head, token, code) in [
        ("PUT /lists/deny/device/d-9", "", 401),
        ("PUT /lists/deny/device/d-9", "0123456789abcdef-eve", 401),
        ("GET /lists", "", 401),
        ("GET /version", "", 200),
        ("PUT /lists/black/device/d-9", TOKEN, 400),
        ("PUT /lists/deny/user/d-9", TOKEN, 400),
        ("PUT /lists/deny/ip/x", TOKEN, 400),
        ("POST /lists/deny/ip/1.1.1.1", TOKEN, 405),
        ("PUT /routes", TOKEN, 404),
        ("DELETE /lists/deny/device/d-9", TOKEN, 404),
        ("DELETE /lists/deny/account/mallory", TOKEN, 409),
    ] {
        assert_eq!(operate(&admin, head, token, "").code, code, "{head}");
    }
    let told = gateway.process.stderr();
    assert!(told.contains("device/d-1") && told.contains("by=\"ann\""), "{told}");
    gateway.reload(&file(&place, "{}"), 2);
    assert_eq!(gateway.ask("GET /\nx-device: d-1", "").code, 403);
    assert_eq!(gateway.ask("GET /\nx-account: mallory", "").code, 200);
    drop(gateway);
    let mut gateway = Gateway::start(&text);
    let admin = gateway.process.line(SOON, "admin ");
    assert_eq!(gateway.ask("GET /\nx-device: d-1", "").code, 403);
    let lists = operate(&admin, "GET /lists", TOKEN, "").json();
    assert_eq!((&lists["gray"][0]["value"], &lists["gray"][0]["by"]), (&"10.0.0.0/8".into(), &"ann".into()), "{lists}");
    assert_eq!(operate(&admin, "DELETE /lists/deny/device/d-1", TOKEN, "").code, 200);
    assert_eq!(gateway.ask("GET /\nx-device: d-1", "").code, 200);
}

#[test]
fn without_tokens_nothing_can_be_changed() {
    let mut gateway =
        Gateway::start("admin: {address: '127.0.0.1:0'}\nroutes: [{name: all, match: {}, respond: {}}]\n");
    let admin = gateway.process.line(SOON, "admin ");
    assert_eq!(operate(&admin, "PUT /lists/deny/ip/127.0.0.1", TOKEN, "").code, 405);
    assert_eq!(operate(&admin, "GET /lists", "", "").code, 200);
    assert_eq!(gateway.ask("GET /", "").code, 200);
}
