//! Flow rules of the gateway in real config centres: Nacos, written as Sentinel's dashboard writes them, and ZooKeeper.

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
            "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{name: all, match: {{}}, respond: {{}}}}]\n\
             flow_rules: {{center: '{center}', name: {NAME}}}\n"
        );
        let mut command = Command::new(tree::built("mainstay-gateway"));
        command.arg(place.write("gateway.yaml", text).unwrap());
        let mut process = Process::spawn("gateway", command).unwrap();
        let address = process.line(SOON, "listening ");
        Self { process, address, _place: place }
    }

    fn is_limited(&self) -> bool {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.starts_with("HTTP/1.1 429 ")
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
    let nacos = Nacos::start("nacos");
    let gateway = Gateway::start(&format!("nacos://{}", nacos.address()));
    gateway.follows(|text| nacos.publish(NAME, GROUP, text));
}

#[test]
fn a_rule_that_is_written_into_zookeeper_is_in_force_within_a_second() {
    let server = zookeeper::Server::start("zookeeper");
    let url = format!("zookeeper://{}", server.address());
    let gateway = Gateway::start(&url);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let center = runtime.block_on(async { connect(&url).unwrap().config_center().unwrap() });
    let key = ConfigKey::in_group(GROUP, NAME).unwrap();
    gateway.follows(|text| drop(runtime.block_on(center.publish(&key, text, Expected::Any)).unwrap()));
}
