//! dubbo-go v3.3.2 calls ours and is called by ours, without a registry and through ZooKeeper and Nacos.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use testbed::dubbo::{Consumer, Lang, Provider, Serving, Tally};
use testbed::nacos::Nacos;
use testbed::{eventually, zookeeper};

/// What each step says, whoever calls and whoever answers, from a provider called `n1`.
const SAME: &[(&str, &str)] = &[
    ("level", "a-1 7 from n1"),
    ("watch", "[a-1 1 from n1, a-1 2 from n1, a-1 3 from n1, a-1 4 from n1, a-1 5 from n1]"),
    ("load", "[10 from n1]"),
    ("chat", "[a-1 2 from n1, a-1 4 from n1, a-1 6 from n1]"),
    ("level:status:5", "status 5 asked for 5"),
    ("level:status:9", "status 9 asked for 9"),
];

fn pair(consumer: Lang, provider: Lang, serving: &Serving, own: &[(&str, &str)]) {
    let provider = Provider::start(provider, "n1", serving);
    let steps: Vec<&str> = SAME.iter().chain(own).map(|(step, _)| *step).collect();
    let mut consumer = Consumer::start(consumer, &provider.url(), serving, &steps);
    for (step, expected) in SAME.iter().chain(own) {
        assert_eq!(consumer.came(step), *expected, "{step}\n{}", consumer.errors());
    }
}

#[test]
fn go_calls_ours() {
    pair(Lang::Go, Lang::Rust, &Serving::default(), &[("level:fail", "status 9 sold out: 100% + more")]);
}

#[test]
fn ours_calls_go() {
    // dubbo-go's errors of business have a code of their own, 17.
    let business = ("level:fail", "status 2 sold out: 100% + more");
    let watched =
        ("watch:fail", "[a-1 1 from n1, a-1 2 from n1, a-1 3 from n1, a-1 4 from n1] then status 2 watch broke at 5");
    pair(Lang::Rust, Lang::Go, &Serving::default(), &[business, watched]);
}

#[test]
fn version_and_group_are_exact() {
    let serving = Serving { group: Some("g1"), version: Some("1.2.0"), ..Serving::default() };
    pair(Lang::Go, Lang::Rust, &serving, &[]);
    pair(Lang::Rust, Lang::Go, &serving, &[]);
}

/// dubbo-go, at the level where ours is too.
fn of_interfaces(registry: String) -> Serving {
    Serving { registry: Some(registry), properties: vec!["DESK_LEVEL=interface"], ..Serving::default() }
}

/// How long a server may take to serve.
const SOON: Duration = Duration::from_secs(20);
/// How long a consumer calls, and how long it waits after each call, in milliseconds.
const CALLS: &str = "calls:5000:5";

/// Each kind of consumer finds a provider of each kind, and calls both. dubbo-go registers with a weight of 0, whatever it
/// is told, and yet is no instance that wants nothing.
fn side_by_side(registry: String) {
    let serving = of_interfaces(registry.clone());
    let _go = Provider::start(Lang::Go, "g1", &serving);
    let _ours = Provider::start(Lang::Rust, "r1", &serving);
    for lang in [Lang::Rust, Lang::Go] {
        let mut consumer = Consumer::start(lang, &registry, &serving, &[CALLS]);
        let tally = Tally::read(&consumer.came(CALLS));
        assert_eq!(tally.failed, 0, "{lang:?}: {tally:?}\n{}", consumer.errors());
        // dubbo-go itself gives a weight of 0 nothing beside others.
        let least = |node| if (lang, node) == (Lang::Go, "g1") { 0 } else { tally.calls / 4 };
        assert!(["g1", "r1"].into_iter().all(|node| tally.of(node) >= least(node)), "{lang:?}: {tally:?}");
    }
}

#[test]
fn side_by_side_in_zookeeper() {
    let server = zookeeper::Server::start("dubbo-go");
    // dubbo-go gives up at once on a server that has just begun to listen.
    eventually(SOON, "ZooKeeper serves", || server.mode() == "standalone");
    side_by_side(format!("zookeeper://{}", server.address()));
}

#[test]
fn side_by_side_in_nacos() {
    let server = Nacos::start("dubbo-go");
    side_by_side(format!("nacos://{}", server.address()));
}
