//! Dubbo Java 3.3.6 calls ours and is called by ours, without a registry: every kind of call, failures, attachments,
//! versions and groups, timeouts.
//!
//! Providers and consumers of both sides do the same (`tests/interop/dubbo`), so one table holds for all four pairs; what
//! is said otherwise by the one or the other stands beside it.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use testbed::dubbo::{Consumer, Lang, Provider, Serving};

/// What each step says, whoever calls and whoever answers, from a provider called `n1`.
const SAME: &[(&str, &str)] = &[
    ("level", "a-1 7 from n1"),
    ("level:long:300000", "300000 characters 7 from n1"),
    ("watch", "[a-1 1 from n1, a-1 2 from n1, a-1 3 from n1, a-1 4 from n1, a-1 5 from n1]"),
    ("load", "[10 from n1]"),
    ("chat", "[a-1 2 from n1, a-1 4 from n1, a-1 6 from n1]"),
    ("watch:fail", "[a-1 1 from n1, a-1 2 from n1, a-1 3 from n1, a-1 4 from n1] then status 2 watch broke at 5"),
];

/// What Java's providers make of a status.
const OF_JAVA: &[(&str, &str)] = &[
    ("level:status:5", "status 5 NOT_FOUND : asked for 5"),
    ("level:status:8", "status 8 RESOURCE_EXHAUSTED : asked for 8"),
    ("level:status:14", "status 14 UNAVAILABLE : asked for 14"),
    ("level:status:16", "status 16 UNAUTHENTICATED : asked for 16"),
];

/// What ours do.
const OF_OURS: &[(&str, &str)] = &[
    ("level:status:5", "status 5 asked for 5"),
    ("level:status:8", "status 8 asked for 8"),
    ("level:status:14", "status 14 asked for 14"),
    ("level:status:16", "status 16 asked for 16"),
    ("level:fail", "status 9 sold out: 100% + more"),
    // With details, whose message Java takes, after it has decoded that too.
    ("level:details", "status 9 sold out: 100% + more"),
];

#[track_caller]
fn says(consumer: &mut Consumer, rows: &[(&str, &str)]) {
    for (step, expected) in rows {
        assert_eq!(consumer.came(step), *expected, "{step}");
    }
}

fn steps<'a>(tables: &[&[(&'a str, &'a str)]]) -> Vec<&'a str> {
    tables.iter().flat_map(|rows| rows.iter().map(|(step, _)| *step)).collect()
}

/// Lets one call the other; `own` is what is said only here.
fn pair(consumer: Lang, provider: Lang, own: &[(&str, &str)]) {
    let of_provider = if provider == Lang::Java { OF_JAVA } else { OF_OURS };
    let serving = Serving::default();
    let provider = Provider::start(provider, "n1", &serving);
    let mut consumer = Consumer::start(consumer, &provider.url(), &serving, &steps(&[SAME, of_provider, own]));
    for rows in [SAME, of_provider, own] {
        says(&mut consumer, rows);
    }
}

#[test]
fn java_calls_ours() {
    pair(Lang::Java, Lang::Rust, &[]);
}

#[test]
fn ours_calls_java() {
    let late = "status 4 the deadline passed while waiting for the answer";
    pair(Lang::Rust, Lang::Java, &[("level:fail", "status 2 sold out: 100% + more"), ("level:slow:3500", late)]);
}

#[test]
fn ours_calls_ours() {
    pair(Lang::Rust, Lang::Rust, &[]);
}

#[test]
fn java_calls_java() {
    // It writes a bare `%`, and cannot read it.
    pair(Lang::Java, Lang::Java, &[("level:fail", "status 1 null")]);
}

#[test]
fn attachments_keep_their_capitals_and_bytes_both_ways() {
    let sent = ["camelCase=Yes", "raw=bytes:6", "tenant=t-1"];
    for (asks, answers, asker) in [(Lang::Java, Lang::Rust, "asker-java"), (Lang::Rust, Lang::Java, "asker-rust")] {
        let serving = Serving::default();
        let provider = Provider::start(answers, "n1", &serving);
        let mut consumer = Consumer::start(asks, &provider.url(), &serving, &["attached"]);
        let came = consumer.came("attached");
        let (seen, back) = came.split_once(" back ").unwrap();
        for pair in sent.into_iter().chain([&*format!("remote.application={asker}")]) {
            assert!(seen.contains(pair), "{asks:?}: no {pair} in {seen}");
        }
        for pair in ["camelNode=n1", "x-node=n1"] {
            assert!(back.contains(pair), "{asks:?}: no {pair} in {back}");
        }
    }
}

#[test]
fn version_and_group_choose_the_provider() {
    let serving = Serving { group: Some("g1"), version: Some("1.2.0"), ..Serving::default() };
    let other = Serving { group: Some("g1"), version: Some("9.9.9"), ..Serving::default() };
    for (asks, answers) in [(Lang::Java, Lang::Rust), (Lang::Rust, Lang::Java)] {
        let provider = Provider::start(answers, "n1", &serving);
        let mut consumer = Consumer::start(asks, &provider.url(), &serving, &["level", "watch"]);
        says(&mut consumer, &SAME[..1]);
        says(&mut consumer, &SAME[2..3]);
        // Java serves whoever asks for a version that it has not; ours does not.
        if answers == Lang::Rust {
            let mut stranger = Consumer::start(asks, &provider.url(), &other, &["level"]);
            let came = stranger.came("level");
            assert!(came.starts_with("status 12 shop.desk.v1.DeskApi is not served in version 9.9.9"), "{came}");
        }
    }
}

#[test]
fn a_timeout_of_java_is_a_deadline_of_ours() {
    let serving = Serving::default();
    let provider = Provider::start(Lang::Rust, "n1", &serving);
    let mut consumer = Consumer::start(Lang::Java, &provider.url(), &serving, &["level:slow:20000", "level"]);
    // Two clocks run in Java. The one of who waits throws an RpcException, which has code 2 and no status; the one that
    // looks through all calls makes a status of it. Mostly, not always, the first is first.
    let came = consumer.came("level:slow:20000");
    let java_s = ["code 2 RpcException", "status 4 Waiting server-side response timeout"];
    assert!(java_s.iter().any(|form| came.starts_with(form)) && came.contains("timeout"), "{came}");
    assert_eq!(consumer.came("level"), "a-1 7 from n1");
}
