//! A move from one registry to another: process after process is told of both, then of the new one alone, and nobody who
//! calls notices.

use std::time::Duration;

use mainstay::app::RunningApp;
use mainstay_registry::Discover;
use testbed::{Scenario, scenario::Check};

use crate::bed::{
    desk::{Consumer, DESK, Tally, provider, seen_by_a_stranger},
    server::Server,
};

/// How long calls go on between two steps.
const WHILE: Duration = Duration::from_millis(500);

/// Two providers and two consumers, each replaced by a newer one as a rolling update does.
struct Site {
    providers: Vec<RunningApp>,
    consumers: Vec<Consumer>,
    /// What came of the calls of consumers that are no more, and when those began.
    past: Vec<(std::time::Instant, Tally)>,
}

impl Site {
    async fn start(registry: &str) -> Self {
        let mut site = Self { providers: Vec::new(), consumers: Vec::new(), past: Vec::new() };
        for at in 0..2 {
            site.providers.push(provider(&format!("old {at}"), registry).await);
            site.consumers.push(Consumer::start(registry));
        }
        site.everybody_hears_of("old 0").await;
        site
    }

    /// Each provider and each consumer gets a successor, in turns, so that old and new meet in every way.
    async fn moves(&mut self, what: &str, registry: &str) {
        for at in 0..2 {
            let name = format!("{what} {at}");
            let before = std::mem::replace(&mut self.providers[at], provider(&name, registry).await);
            self.everybody_hears_of(&name).await;
            before.drain().await;
            let before = std::mem::replace(&mut self.consumers[at], Consumer::start(registry));
            before.goes_on(WHILE).await;
            self.past.push((before.began(), before.tally()));
            self.consumers[at].goes_on(WHILE).await;
        }
    }

    async fn everybody_hears_of(&self, name: &str) {
        for consumer in &self.consumers {
            consumer.hears_of(name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_from_zookeeper_to_nacos_fails_no_call() {
    let name = "a_move_from_zookeeper_to_nacos_fails_no_call";
    let mut scenario =
        Scenario::new(name, "Providers and consumers go from ZooKeeper to both and to Nacos, one by one.");
    let (mut old, new) = (Server::zookeeper(), Server::shared_nacos());
    let both = format!("{}|{}", old.url(), new.url());
    let mut site = Site::start(&old.url()).await;
    site.moves("both", &both).await;
    seen_by_a_stranger(&old.url(), 2).await;
    seen_by_a_stranger(&new.url(), 2).await;
    site.moves("new", &new.url()).await;
    seen_by_a_stranger(&old.url(), 0).await;
    seen_by_a_stranger(&new.url(), 2).await;

    // Nobody needs the old one any more.
    let from = scenario.now();
    old.kill();
    for consumer in &site.consumers {
        consumer.goes_on(2 * WHILE).await;
        assert!(Discover::describe(&consumer.hub).starts_with("nacos://"), "{:?}", consumer.hub);
        assert_eq!(consumer.hub.survey(DESK).unwell, None);
    }
    scenario.fault("ZooKeeper is killed", from..scenario.now(), 1, "servers");
    let last = site.consumers.iter().map(|consumer| (consumer.began(), consumer.tally()));
    let all: Vec<_> = std::mem::take(&mut site.past).into_iter().chain(last).collect();
    let sum = |of: fn(&Tally) -> u64| all.iter().map(|(_, tally)| of(tally)).sum::<u64>();
    let (calls, failed) = (sum(Tally::calls), sum(|tally| tally.failed.len() as u64));
    println!("{} consumers; {:?}", all.len(), all.iter().find_map(|(_, tally)| tally.failed.first()));
    for (began, tally) in all {
        scenario.calls("calls of a consumer", began, tally.samples);
    }
    scenario.check(Check::none("failed calls", failed as usize));
    scenario.check(Check::at_least("calls", calls as f64, 2001.0, ""));
    drop(site.consumers);
    for provider in site.providers {
        provider.drain().await;
    }
    scenario.end();
}
