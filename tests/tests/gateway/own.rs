//! What operators and users bring themselves: a filter in a program of one's own, and a file that is kept in a config centre.

use super::bed::{Answer, Gateway, Mirror, SOON};
use std::{
    io::{BufReader, Write},
    net::TcpStream,
    process::Command,
};
use testbed::{Process, Scratch, eventually, tree};

fn ask(address: &str, head: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
    let rest: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "{first} HTTP/1.1\r\nhost: shop.example\r\n{rest}\r\n").unwrap();
    Answer::read(&mut BufReader::new(stream), false).unwrap()
}

#[test]
fn a_filter_of_ones_own_sees_requests_and_answers() {
    let mirror = Mirror::start();
    let gateway = Gateway::program(
        "own-filter",
        &format!(
            "upstreams: {{m: {{endpoints: ['{}']}}}}
routes:
  - {{name: partner-all, match: {{path: /partner/**}}, http: {{upstream: m}}}}
  - {{name: open, match: {{path: /**}}, http: {{upstream: m}}}}
",
            mirror.address
        ),
    );
    let open = gateway.ask("GET /a\nx-partner-key: anything", "");
    assert_eq!((open.code, open.header("x-let-in-by")), (200, Some("own-filter")));
    assert!(!open.body.contains("anything"), "it is for the gateway alone: {}", open.body);
    let refused = gateway.ask("GET /partner/a\nx-partner-key: wrong", "");
    assert_eq!((refused.code, refused.body.as_str()), (401, "show your key\n"));
    assert_eq!(gateway.ask("GET /partner/a\nx-partner-key: open-sesame", "").code, 200);
    assert_eq!(mirror.seen.lock().unwrap().len(), 2);
}

#[test]
fn a_file_in_a_config_centre_is_followed_and_its_last_good_text_starts_a_gateway_without_it() {
    let place = Scratch::new("center").unwrap();
    let center = place.join("registry");
    let url = format!("file://{}", center.display());
    let text = |body: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{name: all, match: {{}}, respond: {{body: {body}}}}}]\n"
        )
    };
    let publish = |text: &str| {
        use mainstay_registry::{ConfigKey, config::Expected};
        let hub = mainstay_registry::connect(&url).unwrap();
        let key = ConfigKey::in_group("DEFAULT_GROUP", "gateway.yaml").unwrap();
        super::grpc::RUNTIME.block_on(async {
            hub.config_center().unwrap().publish(&key, text, Expected::Any).await.unwrap();
        });
    };
    let start = || {
        let mut command = Command::new(tree::built("mainstay-gateway"));
        command.arg(place.join("last-good.yaml")).args(["--center", &url, "--name", "gateway.yaml"]);
        Process::spawn("gateway", command).unwrap()
    };
    let mut gateway = start();
    publish(&text("one"));
    let address = gateway.line(SOON, "listening ");
    assert_eq!(ask(&address, "GET /").body, "one");
    publish(&text("two"));
    eventually(SOON, "the second text", || ask(&address, "GET /").body == "two");
    // One that is refused is not in force, and not kept.
    publish("routes: [{name: a}]");
    eventually(SOON, "the refusal", || gateway.stderr().contains("the file is refused"));
    assert_eq!(ask(&address, "GET /").body, "two");
    eventually(SOON, "the last good text", || {
        std::fs::read_to_string(place.join("last-good.yaml")).is_ok_and(|kept| kept == text("two"))
    });
    drop(gateway);
    std::fs::remove_dir_all(&center).unwrap();
    let mut gateway = start();
    let address = gateway.line(SOON, "listening ");
    assert_eq!(ask(&address, "GET /").body, "two");
}
