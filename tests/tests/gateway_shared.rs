//! Limits that two gateways share through a real Redis: one count for both, a master that is killed, one that does not answer.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use testbed::{
    Process, Scratch, eventually,
    redis::{Group, NAME, Server},
    tree,
};

const SOON: Duration = Duration::from_secs(30);

/// The code and the reason.
fn reason(answer: &Answer) -> (u16, Option<&str>) {
    (answer.code, answer.header("x-mainstay-reason"))
}

/// How long a failover may take here.
const LONG: Duration = Duration::from_secs(60);
/// So many of each user, and none of them comes back while a test runs.
const BURST: usize = 6;

/// A running gateway.
struct Gateway {
    address: String,
    admin: String,
    _process: Process,
    _place: Scratch,
}

/// An answer of it.
#[derive(Debug)]
struct Answer {
    code: u16,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask(address: &str, path: &str, header: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, text }
}

impl Gateway {
    fn start(text: &str) -> Self {
        let place = Scratch::new("gateway-shared").unwrap();
        let mut command = Command::new(tree::built("mainstay-gateway"));
        command.arg(place.write("gateway.yaml", text).unwrap());
        let mut process = Process::spawn("gateway", command).unwrap();
        let admin = process.line(SOON, "admin ");
        let address = process.line(SOON, "listening ");
        Self { address, admin, _process: process, _place: place }
    }

    /// A request of a user, who may have no name.
    fn of(&self, user: &str) -> Answer {
        let header = if user.is_empty() { String::new() } else { format!("x-user: {user}\r\n") };
        ask(&self.address, "/", &header)
    }

    /// What operators see of the store.
    fn store(&self) -> Value {
        let page = ask(&self.admin, "/limits", "").text;
        let page: Value = serde_json::from_str(page.split_once("\r\n\r\n").unwrap().1).unwrap();
        page["store"].clone()
    }
}

/// Two gateways over one store.
struct Pair {
    gateways: [Gateway; 2],
}

impl Pair {
    fn start(store: &str, on_failure: &str) -> Self {
        let text = format!(
            "listeners: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
routes: [{{name: all, match: {{}}, respond: {{}}}}, {{name: free, match: {{path: /free}}, respond: {{}}}}]
limit_store: {{{store}, gateways: 2}}
shared_limits:
  - {{name: user, routes: [all], key: header.x-user, count: {BURST}, per: 10h, on_store_failure: {on_failure}}}
"
        );
        let pair = Self { gateways: [Gateway::start(&text), Gateway::start(&text)] };
        pair.finds("the store");
        pair
    }

    fn masters(&self) -> Vec<Option<String>> {
        self.gateways.iter().map(|gateway| gateway.store()["master"].as_str().map(str::to_owned)).collect()
    }

    fn finds(&self, what: &str) {
        eventually(LONG, what, || self.masters().iter().all(Option::is_some));
    }

    /// Of so many requests of a user, to one gateway after the other: how many passed.
    fn pass(&self, user: &str, many: usize) -> usize {
        let gateways = self.gateways.iter().cycle().take(many);
        gateways.filter(|gateway| gateway.of(user).code == 200).count()
    }
}

#[test]
fn what_one_gateway_lets_through_another_counts() {
    let server = Server::start("limits", &[]);
    let pair = Pair::start(&format!("redis: '{}', timeout: 10s", server.address()), "closed");
    let first = pair.gateways[0].of("ada");
    assert_eq!(
        (first.code, first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")),
        (200, Some("6"), Some("5"))
    );
    assert_eq!(pair.pass("ada", 2 * BURST), BURST - 1);
    let refused = pair.gateways[1].of("ada");
    assert_eq!(reason(&refused), (429, Some("SHARED_LIMITED")));
    // One comes back each 10h / 6; the whole after 10 h.
    let number = |name| refused.header(name).unwrap().parse::<u64>().unwrap();
    assert!(
        (5_900..=6_000).contains(&number("retry-after")) && (35_900..=36_000).contains(&number("x-ratelimit-reset")),
        "{refused:?}"
    );
    // Others have their own, and those without a name one together.
    assert_eq!(pair.pass("bob", BURST), BURST);
    let nameless = (0..2 * BURST).filter(|n| pair.gateways[n % 2].of("").code == 200).count();
    assert_eq!(nameless, BURST);
    assert!((0..2 * BURST).all(|_| ask(&pair.gateways[0].address, "/free", "").code == 200));
    // What is written there says nothing of who it was.
    let keys = server.client().call(&["KEYS", "*"]).unwrap();
    assert!(
        keys.items().len() == 3 && keys.items().iter().all(|key| key.text().starts_with("mainstay:limit:user:")),
        "{keys:?}"
    );
    assert!(keys.items().iter().all(|key| !key.text().contains("ada")), "{keys:?}");
}

#[test]
fn a_master_that_is_killed_costs_at_most_a_burst_and_each_gateways_share() {
    let settings = [("down-after-milliseconds", "3000"), ("failover-timeout", "10000")];
    let mut group = Group::start(&[Group::ours(), Group::ours(), Group::theirs()], &settings);
    let sentinels: Vec<_> = group.sentinels.iter().map(|sentinel| format!("'{}'", sentinel.address())).collect();
    let store = format!("sentinels: [{}], master: {NAME}, timeout: 10s", sentinels.join(", "));
    let pair = Pair::start(&store, "local");
    let old = group.servers[0].address().to_string();
    assert_eq!(pair.masters(), [Some(old.clone()), Some(old.clone())]);
    assert_eq!(pair.pass("ada", 2 * BURST), BURST);
    group.servers[0].process().kill().unwrap();
    // While nobody is the master: nobody is turned away for that, and of each user each gateway lets its half through.
    eventually(LONG, "the loss", || pair.masters() == [None, None]);
    let alone = pair.pass("ada", 4 * BURST);
    if pair.masters() == [None, None] {
        assert_eq!(alone, BURST, "each gateway keeps its half");
    }
    let new = (0..10).map(|user| pair.pass(&format!("new-{user}"), 2)).sum::<usize>();
    eventually(LONG, "another master", || {
        pair.masters().iter().all(|master| master.as_ref().is_some_and(|at| *at != old))
    });
    let after = pair.pass("ada", 4 * BURST);
    assert_eq!(new, 20);
    // What the old master had not handed on is one burst, at most.
    assert!(alone + after <= 2 * BURST, "{alone} passed meanwhile and {after} afterwards");
    // The new master counts for both.
    assert_eq!(pair.pass("eve", 2 * BURST), BURST);
    let next = group.agreed(group.servers[0].port());
    assert_eq!(pair.masters(), vec![Some(group.servers[next].address().to_string()); 2]);
}

#[test]
fn a_store_that_does_not_answer_costs_a_few_requests_its_time_and_then_nothing() {
    let mut server = Server::start("limits", &[]);
    let address = server.address();
    let open = Pair::start(&format!("redis: '{address}', timeout: 1s"), "open");
    let closed = Pair::start(&format!("redis: '{address}', timeout: 1s, prefix: other"), "closed");
    server.process().signal(Signal::STOP).unwrap();
    let circuit = |pair: &Pair| pair.gateways[0].store()["circuit"].clone();
    eventually(LONG, "the circuit", || {
        assert_eq!(open.gateways[0].of("ada").code, 200);
        circuit(&open) == "OPEN"
    });
    let refused = closed.gateways[0].of("ada");
    assert_eq!(reason(&refused), (503, Some("LIMIT_STORE_UNAVAILABLE")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let metrics = ask(&open.gateways[0].admin, "/metrics", "").text;
    assert!(metrics.contains("mainstay_gateway_limit_store_away_total{reason=\"TIMEOUT\"}"), "{metrics}");
    server.process().signal(Signal::CONT).unwrap();
    eventually(LONG, "the limit again", || reason(&open.gateways[0].of("ada")).0 == 429);
    eventually(LONG, "those that are closed", || closed.gateways[0].of("bob").code == 200);
}
