//! The decisions in a simulated world: every scenario with many seeds, each of which repeats exactly.
//!
//! `MAINSTAY_SEEDS` sets how many seeds a scenario runs with, `MAINSTAY_SEED` runs one alone and tells its story.

use mainstay_sentinel_core::sim::node::Tamper;
use mainstay_sentinel_core::sim::scenario::{Outcome, SCENARIOS, Scenario};

/// Without a wish, so many that a developer does not wait.
const FEW: u64 = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok())
}

fn scenario(name: &str) -> Scenario {
    *SCENARIOS.iter().find(|s| s.name == name).expect("a known scenario")
}

fn seeds() -> std::ops::Range<u64> {
    match number("MAINSTAY_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("MAINSTAY_SEEDS").unwrap_or(FEW),
    }
}

fn sweep(name: &str) -> Vec<Outcome> {
    let scenario = scenario(name);
    let outcomes: Vec<Outcome> = seeds().map(|seed| scenario.run(seed, Tamper::default())).collect();
    if number("MAINSTAY_SEED").is_some() {
        outcomes.iter().flat_map(|o| &o.story).for_each(|line| println!("{line}"));
    }
    let broken: Vec<_> = outcomes.iter().filter_map(|o| o.violation.clone()).collect();
    broken.iter().for_each(|violation| println!("{violation}"));
    assert!(broken.is_empty(), "{} of {} runs, first: {}", broken.len(), outcomes.len(), broken[0]);
    outcomes
}

#[test]
fn kill() {
    let outcomes = sweep("kill");
    assert!(outcomes.iter().all(|o| o.promotions == 1 && o.acknowledged > 20));
}

#[test]
fn chaos() {
    assert!(sweep("chaos").iter().any(|o| o.promotions > 0));
}

#[test]
fn mixed() {
    assert!(sweep("mixed").iter().any(|o| o.promotions > 0));
}

#[test]
fn gate() {
    assert!(sweep("gate").iter().any(|o| o.promotions > 0));
}

#[test]
fn stalled() {
    let outcomes = sweep("stalled");
    let deposed = |o: &Outcome| o.story.iter().any(|line| line.to_string().contains("-failover-abort-not-elected"));
    assert!(outcomes.iter().any(deposed), "a leader loses its voter somewhere");
}

#[test]
fn stop() {
    assert!(sweep("stop").iter().any(|o| o.promotions > 0));
}

#[test]
fn command() {
    assert!(sweep("command").iter().any(|o| o.promotions > 0));
}

#[test]
fn switchover() {
    let outcomes = sweep("switchover");
    assert!(outcomes.iter().all(|o| o.lost == 0 && o.promotions == 1));
}

#[test]
fn successive() {
    let outcomes = sweep("successive");
    assert!(outcomes.iter().all(|o| o.lost == 0) && outcomes.iter().any(|o| o.promotions > 2));
}

#[test]
fn interrupted() {
    assert!(sweep("interrupted").iter().any(|o| o.promotions > 1));
}

#[test]
fn confirmed() {
    sweep("confirmed");
    let scenario = scenario("confirmed");
    let loses = |seed| scenario.run(seed, Tamper::default()).lost > 0;
    assert!((0..1_000).any(loses), "some unconfirmed write is lost, so the promise is worth it");
}

#[test]
fn observed() {
    assert!(sweep("observed").iter().all(|o| {
        let told = |line: &str| line.contains("+would-promote") && line.contains("because");
        o.promotions == 1 && o.story.iter().any(|line| told(&line.to_string()))
    }));
}

#[test]
fn a_seed_repeats_exactly() {
    for scenario in SCENARIOS {
        let first = scenario.run(7, Tamper::default());
        assert_eq!(first, scenario.run(7, Tamper::default()));
        assert_ne!(first.trace, scenario.run(8, Tamper::default()).trace);
    }
}
