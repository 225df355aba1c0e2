//! dubbo-go v3.3.2 calls ours and is called by ours, without a registry and through ZooKeeper and Nacos.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use testbed::dubbo::{Consumer, Lang, Provider, Serving};
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

/// At which of Dubbo's levels both stand. Who stands at that of applications hides those that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// dubbo-go as it comes out of the box, with its metadata behind a protocol of its own; ours at both.
    Applications,
    Interfaces,
}

/// How long a server may take to serve.
const SOON: Duration = Duration::from_secs(20);
/// Calls of a consumer, and calls before something happens to a provider.
const MANY: u32 = 500;
const SOME: u32 = 200;

/// Each kind of consumer finds a provider of each kind, and calls both. dubbo-go registers with a weight of 0, whatever it
/// is told, and yet is no instance that wants nothing. `mode` is what ours are told about levels.
fn side_by_side(registry: &str, mode: &str, level: Level) {
    let properties = if level == Level::Interfaces { vec!["DESK_LEVEL=interface"] } else { vec![] };
    let serving = Serving { registry: Some(registry.to_owned()), properties, ..Serving::default() };
    let ours = Serving { registry: Some(format!("{registry}{mode}")), ..Serving::default() };
    let _go = Provider::start(Lang::Go, "g1", &serving);
    let _ours = Provider::start(Lang::Rust, "r1", &ours);
    for lang in [Lang::Rust, Lang::Go] {
        let mut consumer = Consumer::calling(lang, registry, &serving);
        consumer.calls_on(MANY);
        let tally = consumer.tally();
        assert_eq!(tally.failed, 0, "{lang:?}: {tally:?}\n{}", consumer.errors());
        // dubbo-go itself gives a weight of 0 nothing beside others.
        let least = |node| if (lang, node) == (Lang::Go, "g1") { 0 } else { tally.calls / 4 };
        assert!(["g1", "r1"].into_iter().all(|node| tally.of(node) >= least(node)), "{lang:?}: {tally:?}");
    }
}

/// A provider of each kind at dubbo-go's defaults; one after the other is killed while they are called, and another one of
/// ours is there by then, since dubbo-go's consumer calls none of its own kind for long beside ours. Our consumer loses no
/// call. That of dubbo-go sends nothing again, and calls who is dead until ZooKeeper has forgotten him.
fn each_is_killed(registry: &str, lang: Lang) {
    let serving = Serving { registry: Some(registry.to_owned()), ..Serving::default() };
    let mut go = Provider::start(Lang::Go, "g1", &serving);
    let mut ours = Provider::start(Lang::Rust, "r1", &serving);
    let mut consumer = Consumer::calling(lang, registry, &serving);
    consumer.calls_on(SOME);
    let called = |consumer: &Consumer, node: &str| consumer.said().contains(node);
    assert!(called(&consumer, "r1=") && (lang == Lang::Go || called(&consumer, "g1=")), "{}", consumer.said());
    go.process.kill().unwrap();
    goes_on(&mut consumer);
    let of_go = consumer.failed();
    let _second = Provider::start(Lang::Rust, "r2", &serving);
    eventually(SOON, "the second one is called", || called(&consumer, "r2="));
    ours.process.kill().unwrap();
    goes_on(&mut consumer);
    let tally = consumer.tally();
    println!("{lang:?}: {of_go} lost of dubbo-go's, {} of ours: {tally:?}", tally.failed - of_go);
    assert!(lang == Lang::Go || tally.failed == 0, "{tally:?}\n{}", consumer.errors());
}

/// It comes to make some calls of which none fails.
fn goes_on(consumer: &mut Consumer) {
    eventually(SOON, "calls that do not fail", || {
        let failed = consumer.failed();
        consumer.calls_on(SOME);
        consumer.failed() == failed
    });
}

fn zookeeper() -> (zookeeper::Server, String) {
    let server = zookeeper::Server::start("dubbo-go");
    // dubbo-go gives up at once on a server that has just begun to listen.
    eventually(SOON, "ZooKeeper serves", || server.mode() == "standalone");
    let url = format!("zookeeper://{}", server.address());
    (server, url)
}

#[test]
fn at_its_defaults_in_zookeeper() {
    let (_server, url) = zookeeper();
    side_by_side(&url, "", Level::Applications);
}

#[test]
fn of_interfaces_in_zookeeper() {
    let (_server, url) = zookeeper();
    side_by_side(&url, "?register-mode=interface", Level::Interfaces);
}

#[test]
fn at_its_defaults_in_nacos() {
    let server = Nacos::start("dubbo-go");
    side_by_side(&format!("nacos://{}", server.address()), "", Level::Applications);
}

#[test]
fn of_interfaces_in_nacos() {
    let server = Nacos::start("dubbo-go");
    side_by_side(&format!("nacos://{}", server.address()), "?register-mode=interface", Level::Interfaces);
}

#[test]
fn ours_loses_nothing_when_either_kind_is_killed_in_zookeeper() {
    let (_server, url) = zookeeper();
    [Lang::Rust, Lang::Go].into_iter().for_each(|lang| each_is_killed(&url, lang));
}

#[test]
fn ours_loses_nothing_when_either_kind_is_killed_in_nacos() {
    let server = Nacos::start("dubbo-go");
    let url = format!("nacos://{}", server.address());
    [Lang::Rust, Lang::Go].into_iter().for_each(|lang| each_is_killed(&url, lang));
}
