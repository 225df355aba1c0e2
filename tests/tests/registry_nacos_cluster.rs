//! A cluster of three Nacos servers of which one after the other is killed, while calls, registrations, weights and texts go
//! on: whoever was connected to it goes to another.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "chaos/bed/desk.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod desk;
#[path = "../../registry/tests/conformance/support.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;

use std::{sync::Arc, time::Duration};

use mainstay_registry::{
    Change, Changes, Discover, Instance, InstanceId, Lease, LeaseState, Lookup, Registry, ServiceKey,
    config::{ConfigCenter, ConfigError, ConfigKey, ConfigSight, ConfigWatch, Expected},
    connect,
};
use testbed::nacos::Cluster;
use tokio::time::{Instant, timeout};

use crate::{
    desk::{Consumer, DESK, provider, seen_by_a_stranger},
    support::{DEADLINE, eventually, follow_until, stock},
};

/// Providers of what is called.
const PROVIDERS: usize = 3;
/// How long calls go on around each death.
const WHILE: Duration = Duration::from_secs(5);
/// How long those that are left may take to agree on who leads, on a busy machine.
const ELECTION: Duration = Duration::from_secs(30);
/// Within this time everything is as it was, once they have.
const BACK: Duration = Duration::from_secs(20);
/// Something else that is registered.
const KEY: &str = "a.B:1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_weights_and_texts_go_on_when_each_server_of_a_cluster_is_killed() {
    let mut cluster = Cluster::start("nacos");
    let place = Instance::new("test", "", 0).id.to_string();
    let place = format!("test-{}", place.rsplit('#').next().unwrap());
    let url = format!("nacos://{}/{place}", cluster.addresses());
    let mut providers = Vec::new();
    for at in 0..PROVIDERS {
        providers.push(provider(&format!("n{at}"), &url).await);
    }
    seen_by_a_stranger(&url, PROVIDERS).await;
    let consumer = Consumer::start(&url);
    let mut weighed = Weighed::at(&url).await;
    let mut text = Text::at(&url).await;
    consumer.goes_on(WHILE).await;

    for (round, at) in (0..cluster.size()).enumerate() {
        // Whoever is connected to one now is there until it is killed, so that each meets a death.
        cluster.server(at).process().kill().unwrap();
        let killed = Instant::now();
        // Whatever is stored waits until those that are left have elected: seconds, if it was the one that led.
        let (weight, content) = (7 + u32::try_from(round).unwrap(), format!("{round}"));
        let (seen, elected, ()) =
            tokio::join!(weighed.changes_to(weight), text.changes_to(&content), consumer.goes_on(WHILE));
        println!("{at} killed: written after {:?}, the new weight after {:?}", elected - killed, seen - killed);
        assert!(elected - killed < ELECTION && seen - killed < ELECTION + BACK);
        for other in (0..cluster.size()).filter(|other| *other != at) {
            let url = format!("nacos://{}/{place}", cluster.server(other).address());
            seen_by_a_stranger(&url, PROVIDERS).await;
            weighed.is_seen_at(&url, weight).await;
        }

        cluster.server(at).again();
        let url = format!("nacos://{}/{place}", cluster.server(at).address());
        seen_by_a_stranger(&url, PROVIDERS).await;
        weighed.is_seen_at(&url, weight).await;
        text.is_there(&url, &content).await;
        consumer.goes_on(WHILE).await;
        assert_eq!(consumer.hub.survey(DESK).unwell, None);
    }
    let tally = consumer.tally();
    println!("{} calls, {} failed: {:?}", tally.calls(), tally.failed.len(), tally.answered);
    assert!(tally.failed.is_empty(), "{:?}", &tally.failed[..tally.failed.len().min(5)]);
    assert_eq!(tally.answered.len(), PROVIDERS);
    drop(consumer);
    for provider in providers {
        provider.drain().await;
    }
}

/// A provider whose weight changes, and who follows it: it is never gone, and never again what it was before.
struct Weighed {
    lease: Lease,
    changes: Changes,
}

impl Weighed {
    async fn at(url: &str) -> Self {
        let (provider, consumer) = (connect(url).unwrap(), connect(url).unwrap());
        let mut lease = provider.register(stock("one", &[KEY]));
        lease.registered(DEADLINE).await.unwrap();
        let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
        follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
        Self { lease, changes }
    }

    /// Answers when it was seen.
    async fn changes_to(&mut self, weight: u32) -> Instant {
        self.lease.set_weight(weight);
        let heard = timeout(ELECTION + BACK, self.changes.next()).await;
        let Ok(Some(Change::Up(up))) = &heard else { panic!("{heard:?}: {:?}", self.lease) };
        assert_eq!(up.weight, weight, "nothing but the new weight");
        let seen = Instant::now();
        let lease = &self.lease;
        eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none())
            .await;
        // What others say later than it was written must not take it back.
        let later = timeout(WHILE, self.changes.next()).await;
        assert!(later.is_err(), "{later:?}");
        seen
    }

    async fn is_seen_at(&self, url: &str, weight: u32) {
        let stranger = connect(url).unwrap();
        let fits =
            |known: &[Instance]| matches!(known, [one] if one.weight == weight && one.id == InstanceId::new("one"));
        follow_until(&mut stranger.subscribe(lookup()), &mut vec![], url, fits).await;
    }
}

fn lookup() -> Lookup {
    Lookup::new(KEY.parse::<ServiceKey>().unwrap())
}

/// A text that is written and watched.
struct Text {
    key: ConfigKey,
    center: Arc<dyn ConfigCenter>,
    watch: ConfigWatch,
}

impl Text {
    async fn at(url: &str) -> Self {
        let (key, center) =
            (ConfigKey::new("shop.tag-router").unwrap(), connect(url).unwrap().config_center().unwrap());
        let watch = connect(url).unwrap().config_center().unwrap().watch(&key);
        let mut text = Self { key, center, watch };
        text.changes_to("before").await;
        text
    }

    /// Writes it, as soon as the servers that are left have agreed on who leads, and hears of it. Answers when it was written.
    async fn changes_to(&mut self, content: &str) -> Instant {
        let writes = async {
            while let Err(error) = self.center.publish(&self.key, content, Expected::Any).await {
                assert!(matches!(error, ConfigError::Unavailable { .. }), "{error}");
            }
        };
        assert!(timeout(ELECTION, writes).await.is_ok(), "{content} was not written");
        let written = Instant::now();
        let told = async { while !is(self.watch.next().await, content) {} };
        assert!(timeout(BACK, told).await.is_ok(), "{content} was not told");
        written
    }

    async fn is_there(&self, url: &str, content: &str) {
        let center = connect(url).unwrap().config_center().unwrap();
        let same =
            async || center.get(&self.key).await.is_ok_and(|found| found.is_some_and(|one| one.content == content));
        eventually("it is there too", same).await;
    }
}

fn is(sight: Option<ConfigSight>, content: &str) -> bool {
    matches!(sight, Some(ConfigSight::Present(config)) if config.content == content)
}
