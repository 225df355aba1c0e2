//! Unmodified clients with support for Redis Sentinel go through failovers by sentinels of ours.
//!
//! Each is a small program of `tests/interop/redis`, called with the master's name and the sentinels' addresses. It writes
//! 1, 2, 3… to the key `count`, each until it is acknowledged, says READY after the first, and goes on until there is a
//! key `stop`: then it prints a line of JSON. So what it does is seen at the servers: who is written to, and how far.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use testbed::redis::{Client, Group, NAME, Sentinel};
use testbed::{Process, eventually, eventually_some, tree};

const SOON: Duration = Duration::from_secs(30);
/// How many writes more show that a client is at work again.
const SOME: u64 = 20;

/// One master, two replicas, three sentinels with quorum 2.
struct Trio(Group);

impl Trio {
    fn start() -> Trio {
        let programs = [(); 3].map(|()| Group::ours());
        Trio(Group::start(&programs, &[("down-after-milliseconds", "500"), ("failover-timeout", "10000")]))
    }

    fn addresses(&self) -> String {
        let addresses: Vec<String> = self.0.sentinels.iter().map(|s| format!("127.0.0.1:{}", s.port())).collect();
        addresses.join(",")
    }

    /// What the client has counted to, as a server has it.
    fn count(&self, server: usize) -> u64 {
        let got = Client::to(self.0.servers[server].port()).and_then(|mut c| c.call(&["GET", "count"]));
        got.ok().and_then(|r| r.text().parse().ok()).unwrap_or_default()
    }

    /// Waits until the client has written to this master for a while.
    fn is_written(&self, master: usize) {
        let from = self.count(master);
        eventually(SOON, "the client to write to the master", || self.count(master) >= from + SOME);
    }

    /// Subscribers of all sentinels: their channels and patterns.
    fn subscriptions(&self) -> u64 {
        let number = |word: &str| {
            let (key, value) = word.split_once('=')?;
            ["sub", "psub"].contains(&key).then(|| value.parse::<u64>().ok())?
        };
        let listed = |s: &Sentinel| s.client().call(&["CLIENT", "LIST"]).map(|r| r.text()).unwrap_or_default();
        self.0.sentinels.iter().map(|s| listed(s).split_whitespace().filter_map(number).sum::<u64>()).sum()
    }
}

/// Whether a client listens to the sentinels' events; the others ask when a connection has broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listens {
    Yes,
    No,
}

/// Takes a client through the death of the master and a planned switchover, and gives its last line.
fn goes_along(client: &str, mut command: Command, listens: Listens) -> String {
    let mut group = Trio::start();
    command.arg(NAME).arg(group.addresses());
    let mut process = Process::spawn(client, command).unwrap();
    process.line(SOON, "READY");
    group.is_written(0);
    match listens {
        Listens::Yes => eventually(SOON, "the client to be subscribed", || group.subscriptions() > 0),
        Listens::No => assert_eq!(group.subscriptions(), 0, "it subscribes after all: say so, and wait for it"),
    }

    group.0.servers[0].process().kill().unwrap();
    let second = group.0.agreed(group.0.servers[0].port());
    group.is_written(second);
    group.0.servers[0].again();
    eventually(SOON, "the old master to follow", || group.0.servers[0].info("master_link_status") == "up");
    assert!(process.ended().is_none(), "{client} has given up");

    let switched = eventually_some(SOON, "a switchover to begin", || {
        let asked = group.0.sentinels[0].client().call(&["SENTINEL", "FAILOVER", NAME]).ok()?.text();
        (asked == "OK").then_some(second)
    });
    let third = group.0.agreed(group.0.servers[switched].port());
    group.is_written(third);

    group.0.servers[third].client().call(&["SET", "stop", "1"]).unwrap();
    assert!(process.wait(SOON).success());
    let said = process.stdout();
    let line = said.lines().last().unwrap_or_default().to_owned();
    println!("{line}");
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["client"], client);
    // The last that it holds for written is what the master of the sentinels has.
    assert_eq!(told["acknowledged"].as_u64().unwrap(), group.count(third));
    line
}

fn source(path: &str) -> impl AsRef<OsStr> {
    tree::root().join("tests/interop/redis").join(path)
}

fn java(class: &str) -> Command {
    let at = tree::peer("java");
    // As `jars.txt` names them, under the folder that the suite fetches them into.
    let list = std::fs::read_to_string(tree::root().join("tests/interop/redis/java/jars.txt")).unwrap();
    let jars = list.lines().filter_map(|l| Some(at.join("jars").join(l.split_once("  ")?.1)));
    let path: Vec<String> = [at.join("classes")].into_iter().chain(jars).map(|p| p.display().to_string()).collect();
    let mut command = Command::new("java");
    command.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", &path.join(":"), class]);
    command
}

#[test]
fn redis_py() {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(source("redis_py.py"));
    goes_along("redis-py", command, Listens::No);
}

#[test]
fn redis_cli() {
    let mut command = Command::new("sh");
    command.arg(source("redis_cli.sh"));
    let line = goes_along("redis-cli", command, Listens::Yes);
    assert!(line.contains("\"heard\":2"), "the switches that the subscribed one heard of: {line}");
}

#[test]
fn go_redis() {
    goes_along("go-redis", Command::new(tree::peer("bin/go-redis")), Listens::Yes);
}

#[test]
fn jedis() {
    goes_along("jedis", java("JedisClient"), Listens::Yes);
}

#[test]
fn lettuce() {
    goes_along("lettuce", java("LettuceClient"), Listens::Yes);
}

#[test]
fn redis_rs() {
    goes_along("redis-rs", Command::new(tree::peer("bin/redis-rs")), Listens::No);
}
