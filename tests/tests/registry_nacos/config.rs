//! The config centre: the suite of all centres, behind a wire that can be cut, and what only this one has to stand.

use std::{sync::Arc, time::Duration};

use mainstay_registry::config::{
    ConfigCenter, ConfigError, ConfigKey, ConfigSight, ConfigVersion, Expected, MAX_CONFIG,
};
use testbed::{Nacos, Proxy, eventually_some};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    bed::{center, namespace, shared},
    centers::{Center, conform, key, next, until},
    raw::BUSY,
    support::eventually,
};

/// A place in the shared server, and a wire to it.
struct Wired {
    nacos: Arc<Nacos>,
    wire: Proxy,
    namespace: String,
}

impl Wired {
    fn new() -> Self {
        let nacos = shared();
        let wire = Proxy::start(nacos.grpc_address()).unwrap();
        Self { nacos, wire, namespace: namespace() }
    }

    fn direct(&self) -> Arc<dyn ConfigCenter> {
        center(self.nacos.address(), &self.namespace)
    }

    /// What a peer of another make does through the HTTP API. Answers when the server was asked that it took: its database
    /// gives up on a lock when there is much to do.
    fn by_hand(&self, method: &str, key: &ConfigKey, content: &str) -> Instant {
        let form =
            [("tenant", self.namespace.as_str()), ("group", key.group()), ("dataId", key.name()), ("content", content)];
        eventually_some(BUSY, &format!("{method} {key}"), || {
            let asked = Instant::now();
            (self.nacos.ask(method, "/nacos/v1/cs/configs", &form).body == "true").then_some(asked)
        })
    }
}

impl Center for Wired {
    const CAN_BE_AWAY: bool = true;

    fn client(&self) -> Arc<dyn ConfigCenter> {
        center(self.nacos.address(), format!("{}?grpc-port={}", self.namespace, self.wire.addr().port()))
    }

    async fn away(&self) {
        self.wire.refuse();
        assert!(self.wire.cut() > 0, "there were connections to cut");
        let before = self.wire.counts().refused;
        eventually("they tried again", async || self.wire.counts().refused > before).await;
    }

    async fn back(&self, changes: &[(ConfigKey, Option<&str>)]) {
        let direct = self.direct();
        for (key, content) in changes {
            match content {
                Some(content) => drop(direct.publish(key, content, Expected::Any).await.unwrap()),
                None => direct.delete(key, Expected::Any).await.unwrap(),
            }
        }
        self.wire.heal();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_centre_conforms() {
    conform(Wired::new()).await;
}

/// Nothing is polled within this time: what is told, the server told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_publish_a_change_and_a_deletion_are_pushed() {
    const PUSHED: Duration = Duration::from_secs(5);
    let wired = Wired::new();
    let (rule, mut slowest) = (key("shop.tag-router"), Duration::ZERO);
    let mut watch = wired.client().watch(&rule);
    assert_eq!(next(&mut watch).await, ConfigSight::Absent);
    for content in [Some("force: true\n"), Some("force: false\n"), None, Some("force: true\n")] {
        let since = match content {
            Some(content) => wired.by_hand("POST", &rule, content),
            None => wired.by_hand("DELETE", &rule, ""),
        };
        until(&mut watch, content).await;
        slowest = slowest.max(since.elapsed());
    }
    println!("told {slowest:?} after it was written at the latest");
    assert!(slowest < PUSHED, "{slowest:?}");
}

/// A wire that goes silent, as when a router dies: nothing is taken back, it is said, and what changed is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_behind_a_wire_that_went_silent_is_told_once_it_is_back() {
    let wired = Wired::new();
    let (rule, direct) = (key("silent"), wired.direct());
    direct.publish(&rule, "1", Expected::Any).await.unwrap();
    let center = wired.client();
    let mut watch = center.watch(&rule);
    until(&mut watch, Some("1")).await;
    wired.wire.black_hole();
    eventually("it is noticed", async || watch.trouble().is_some()).await;
    assert_eq!(watch.current().and_then(|sight| Some(sight.config()?.content.clone())).as_deref(), Some("1"));
    let error = center.get(&rule).await.unwrap_err();
    assert!(matches!(error, ConfigError::Unavailable { .. }), "{error}");
    direct.publish(&rule, "2", Expected::Any).await.unwrap();
    wired.wire.heal();
    eventually("what was held back is counted", async || wired.wire.counts().held > 0).await;
    until(&mut watch, Some("2")).await;
    assert!(watch.trouble().is_none());
}

/// Of all that compare with the same version one wins, and the others are told what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_replace_the_same_version_one_wins() {
    const WRITERS: usize = 8;
    let wired = Wired::new();
    let rule = key("raced");
    let mut expected = Expected::Absent;
    for round in 0..5 {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (center, rule, expected) = (wired.direct(), rule.clone(), expected.clone());
            writers.spawn(async move { center.publish(&rule, &format!("{round}.{writer}"), expected).await });
        }
        let (mut won, mut found): (Vec<ConfigVersion>, Vec<_>) = (vec![], vec![]);
        for written in writers.join_all().await {
            match written {
                Ok(version) => won.push(version),
                Err(ConfigError::Conflict { found: there, .. }) => found.push(there),
                Err(error) => panic!("{error}"),
            }
        }
        let there = wired.direct().get(&rule).await.unwrap().unwrap();
        assert_eq!(won, std::slice::from_ref(&there.version), "round {round}");
        assert_eq!(found, vec![Some(there.version.clone()); WRITERS - 1], "round {round}");
        expected = Expected::Version(there.version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_put_there_is_read_as_far_as_it_can_be() {
    let wired = Wired::new();
    let (center, rule) = (wired.direct(), key("large"));
    let mut watch = center.watch(&rule);
    assert_eq!(next(&mut watch).await, ConfigSight::Absent);
    wired.by_hand("POST", &rule, "small");
    until(&mut watch, Some("small")).await;
    // The server takes more than we do: it takes nothing back, and is said.
    wired.by_hand("POST", &rule, &"x".repeat(MAX_CONFIG + 1));
    eventually("it is said", async || watch.trouble().is_some_and(|why| why.contains("at most 524288"))).await;
    assert!(matches!(center.get(&rule).await, Err(ConfigError::Unreadable { .. })));
    assert_eq!(watch.current().and_then(|sight| Some(sight.config()?.content.clone())).as_deref(), Some("small"));
    center.publish(&rule, "small again", Expected::Any).await.unwrap();
    until(&mut watch, Some("small again")).await;
    assert!(watch.trouble().is_none());
    // Dubbo's spelling of what Nacos does not take; and what cannot be spelt.
    let inner = key("a.B$C::.configurators");
    center.publish(&inner, "x", Expected::Absent).await.unwrap();
    let form = [("tenant", wired.namespace.as_str()), ("group", "dubbo"), ("dataId", "a.B___C::.configurators")];
    assert_eq!(wired.nacos.ask("GET", "/nacos/v1/cs/configs", &form).body, "x");
    let error = center.get(&key("ä")).await.unwrap_err().to_string();
    assert!(error.contains("Nacos takes letters"), "{error}");
    let mut never = center.watch(&key("ä"));
    let sight = next(&mut never).await;
    assert!(matches!(&sight, ConfigSight::Unknown { why } if why.contains("Nacos takes letters")), "{sight:?}");
}
