//! Rules of the gateway in real config centres, Nacos and ZooKeeper, written as Sentinel's dashboard writes them: in force while
//! requests come, also where the key was not there before, and after the centre was away.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use mainstay_registry::{ConfigKey, config::Expected, connect};
use testbed::{Nacos, Process, Scratch, eventually, tree, zookeeper};

const SOON: Duration = Duration::from_secs(30);
const GROUP: &str = "SENTINEL_GROUP";
const NAME: &str = "shop-flow-rules";
/// A rule as the dashboard writes it, that lets so many pass.
const RULE: &str = r#"[{"app":"shop","clusterMode":false,"controlBehavior":0,"count":0.0,"grade":1,"limitApp":"default",
    "resource":"all","strategy":0}]"#;

/// Every other kind of rules: the key of the file, who is asked, what lets nobody pass there, and the reason that is told.
const OTHERS: [(&str, &str, &str, &str); 5] = [
    ("authority_rules", "/", r#"[{"resource":"all","limitApp":"web","strategy":1}]"#, "ORIGIN_DENIED"),
    ("gateway_flow_rules", "/", r#"[{"resource":"all","count":0,"paramItem":{"parseStrategy":0}}]"#, "GATEWAY_LIMITED"),
    ("param_flow_rules", "/", r#"[{"resource":"all","paramKey":"header.x-app","threshold":0}]"#, "PARAM_LIMITED"),
    ("system_rules", "/", r#"[{"qps":0}]"#, "SYSTEM_QPS"),
    (
        "degrade_rules",
        "/bad",
        r#"[{"resource":"bad","grade":2,"count":0,"timeWindow":1,"minRequestAmount":1}]"#,
        "BREAKER_OPEN",
    ),
];

/// A gateway with one route, and its rules in a centre.
struct Gateway {
    process: Process,
    address: String,
    _place: Scratch,
}

impl Gateway {
    fn start(center: &str) -> Self {
        let place = Scratch::new("gateway-rules").unwrap();
        let text = format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\n\
             routes: [{{name: all, match: {{}}, respond: {{}}}}, {{name: bad, match: {{path: /bad}}, respond: {{status: 500}}}}]\n\
             origin_header: x-app\nflow_rules: {{center: '{center}', name: {NAME}}}\n"
        );
        let others = OTHERS.iter().map(|(key, ..)| format!("{key}: {{center: '{center}', name: shop-{key}}}\n"));
        let text = others.fold(text, |text, line| text + &line);
        let mut command = Command::new(tree::built("mainstay-gateway"));
        command.arg(place.write("gateway.yaml", text).unwrap());
        let mut process = Process::spawn("gateway", command).unwrap();
        let address = process.line(SOON, "listening ");
        Self { process, address, _place: place }
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: shop\r\nx-app: web\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn is_limited(&self) -> bool {
        self.ask("/").starts_with("HTTP/1.1 429 ")
    }

    /// The centre was away, which ends no rule; what is written then is heard.
    fn hears_again(&self, write: impl Fn(&str)) {
        assert!(!self.is_limited());
        write(RULE);
        eventually(SOON, "the rule after an outage", || self.is_limited());
    }

    /// Each other kind of rules is in force soon after it is written, and ends so.
    fn follows_the_others(&self, write: impl Fn(&str, &str)) {
        write(NAME, "[]");
        eventually(SOON, "no flow rule", || !self.is_limited());
        for (key, path, rules, reason) in OTHERS {
            let refuses = || self.ask(path).contains(&format!("x-mainstay-reason: {reason}\r\n"));
            write(&format!("shop-{key}"), rules);
            eventually(SOON, reason, refuses);
            write(&format!("shop-{key}"), "[]");
            eventually(SOON, "its end", || !refuses());
        }
    }

    /// The rule is written now; it is in force within a second, and ends within one. The key was not there before.
    fn follows(&self, write: impl Fn(&str)) {
        // It has heard that there is nothing.
        eventually(SOON, "an empty key", || self.process.stderr().contains("no flow rules are there"));
        assert!(!self.is_limited());
        for (text, limited) in [(RULE, true), ("[]", false), (RULE, true)] {
            write(text);
            let written = Instant::now();
            eventually(SOON, "the rule", || self.is_limited() == limited);
            assert!(written.elapsed() < Duration::from_secs(1), "{text}: {:?}", written.elapsed());
        }
        write("nonsense");
        eventually(SOON, "the refusal", || self.process.stderr().contains("flow rules are refused"));
        assert!(self.is_limited());
    }
}

#[test]
fn a_rule_that_is_written_into_nacos_is_in_force_within_a_second() {
    let mut nacos = Nacos::start("nacos");
    let gateway = Gateway::start(&format!("nacos://{}", nacos.address()));
    gateway.follows(|text| nacos.publish(NAME, GROUP, text));
    gateway.follows_the_others(|name, text| nacos.publish(name, GROUP, text));
    nacos.process().kill().unwrap();
    nacos.again();
    gateway.hears_again(|text| nacos.publish(NAME, GROUP, text));
}

#[test]
fn a_rule_that_is_written_into_zookeeper_is_in_force_within_a_second() {
    let mut server = zookeeper::Server::start("zookeeper");
    let url = format!("zookeeper://{}", server.address());
    let gateway = Gateway::start(&url);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let center = runtime.block_on(async { connect(&url).unwrap().config_center().unwrap() });
    let publish = |name: &str, text: &str| {
        let key = ConfigKey::in_group(GROUP, name).unwrap();
        runtime.block_on(center.publish(&key, text, Expected::Any)).is_ok()
    };
    gateway.follows(|text| assert!(publish(NAME, text)));
    gateway.follows_the_others(|name, text| assert!(publish(name, text)));
    server.process().kill().unwrap();
    server.again();
    // The one who writes must find the server again too.
    gateway.hears_again(|text| eventually(SOON, "a write", || publish(NAME, text)));
}
