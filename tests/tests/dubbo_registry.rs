//! Dubbo Java 3.3.6 and ours find and call each other through ZooKeeper and Nacos, at both levels, and neither notices when
//! providers of the other kind come, die or leave.
//!
//! Each test is a row of the matrix in the README, once over each registry.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

#[path = "dubbo_registry/matrix.rs"]
mod matrix;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use testbed::dubbo::{Consumer, Lang, Provider, Serving};
use testbed::nacos::Nacos;
use testbed::{Shared, eventually, zookeeper};

/// Calls before something happens to a provider, and after.
const SOME: u32 = 200;
/// Calls of which a share is taken.
const MANY: u32 = 600;
/// How long a provider may take to be called, or to leave.
const SOON: Duration = Duration::from_secs(30);
/// What Java's consumers do unless they are told otherwise.
const DEFAULT: &str = "dubbo.application.service-discovery.migration=APPLICATION_FIRST";
/// What they do when they are told so.
const INTERFACES: &str = "dubbo.application.service-discovery.migration=FORCE_INTERFACE";
const APPLICATIONS: &str = "dubbo.application.service-discovery.migration=FORCE_APPLICATION";
/// Both weigh what they weigh from the start: Dubbo warms up for ten minutes otherwise, where it knows when one started.
const NO_WARM_UP: &str = "desk.warmup=1";

/// A registry at work.
enum Registry {
    ZooKeeper(zookeeper::Server),
    /// One for all, and the namespace of a row in it.
    Nacos(Arc<Nacos>, String),
}

impl Registry {
    fn zookeeper() -> Self {
        Registry::ZooKeeper(zookeeper::Server::start("dubbo"))
    }

    /// Rows share a server: it takes as long to start as a row.
    fn nacos() -> Self {
        static SHARED: Shared<Nacos> = Shared::new();
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let namespace = format!("row-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Registry::Nacos(SHARED.get(|| Nacos::start("dubbo")), namespace)
    }

    fn url(&self) -> String {
        match self {
            Registry::ZooKeeper(server) => format!("zookeeper://{}", server.address()),
            Registry::Nacos(server, namespace) => format!("nacos://{}/{namespace}", server.address()),
        }
    }

    /// Whether it names a provider at either level.
    fn lists(&self, provider: &Provider) -> bool {
        let port = provider.port();
        match self {
            Registry::ZooKeeper(server) => {
                let (url, address) = (format!("%3A{port}%2F"), format!(":{port}"));
                server.ephemerals().iter().any(|path| path.contains(&url) || path.ends_with(&address))
            }
            Registry::Nacos(server, namespace) => {
                let listed = |service: &&str| {
                    let form = [("namespaceId", namespace.as_str()), ("serviceName", service)];
                    let list = server.ask("GET", "/nacos/v1/ns/instance/list", &form).json();
                    list["hosts"].as_array().is_some_and(|hosts| hosts.iter().any(|host| host["port"] == port))
                };
                ["providers:shop.desk.v1.DeskApi::", "desk-java", "desk-rust"].iter().any(listed)
            }
        }
    }

    fn serving(&self) -> Serving {
        Serving { registry: Some(self.url()), ..Serving::default() }
    }

    fn provider(&self, lang: Lang, node: &str) -> Provider {
        Provider::start(lang, node, &self.serving())
    }

    fn consumer(&self, lang: Lang, properties: &[&'static str], steps: &[&str]) -> Consumer {
        let from = Serving { properties: properties.to_vec(), ..self.serving() };
        Consumer::start(lang, &self.url(), &from, steps)
    }

    fn calling(&self, lang: Lang, properties: &[&'static str]) -> Consumer {
        let from = Serving { properties: properties.to_vec(), ..self.serving() };
        Consumer::calling(lang, &self.url(), &from)
    }
}

/// Every kind of call, from a provider called `n1`.
const KINDS: &[(&str, &str)] = &[
    ("level", "a-1 7 from n1"),
    ("watch", "[a-1 1 from n1, a-1 2 from n1, a-1 3 from n1, a-1 4 from n1, a-1 5 from n1]"),
    ("load", "[10 from n1]"),
    ("chat", "[a-1 2 from n1, a-1 4 from n1, a-1 6 from n1]"),
];

fn calls_all_kinds(mut consumer: Consumer) {
    for (step, expected) in KINDS {
        assert_eq!(consumer.came(step), *expected, "{step}\n{}", consumer.errors());
    }
}

const STEPS: [&str; 4] = ["level", "watch", "load", "chat"];

fn java_calls_ours(registry: &Registry, migration: &'static str) {
    let _provider = registry.provider(Lang::Rust, "n1");
    calls_all_kinds(registry.consumer(Lang::Java, &[migration], &STEPS));
}

fn ours_calls_java(registry: &Registry, mode: &'static str) {
    let serving = Serving { properties: vec![mode], ..registry.serving() };
    let _provider = Provider::start(Lang::Java, "n1", &serving);
    calls_all_kinds(registry.consumer(Lang::Rust, &[], &STEPS));
}

fn version_and_group(registry: &Registry) {
    let serving = |group, version| Serving { group: Some(group), version: Some(version), ..registry.serving() };
    let (one, two) = (serving("g1", "1.0.0"), serving("g1", "2.0.0"));
    let _java = Provider::start(Lang::Java, "j1", &one);
    let _ours = Provider::start(Lang::Rust, "r1", &two);
    for lang in [Lang::Java, Lang::Rust] {
        for (from, node) in [(&one, "j1"), (&two, "r1")] {
            let mut consumer = Consumer::start(lang, &registry.url(), from, &["level"]);
            assert_eq!(consumer.came("level"), format!("a-1 7 from {node}"), "{lang:?}");
        }
    }
}

/// A provider of each kind side by side, of which ours weighs three times as much.
fn weights(registry: &Registry, lang: Lang) {
    let weighing = |weight| Serving { weight: Some(weight), ..registry.serving() };
    let _java = Provider::start(Lang::Java, "j1", &weighing(100));
    let _ours = Provider::start(Lang::Rust, "r1", &weighing(300));
    let mut consumer = registry.calling(lang, &[DEFAULT, NO_WARM_UP]);
    consumer.calls_on(MANY);
    let tally = consumer.tally();
    assert_eq!(tally.failed, 0, "{tally:?}");
    let share = f64::from(tally.of("r1")) / f64::from(tally.calls);
    // Three quarters; of 500 calls that are drawn, five standard deviations are a tenth.
    assert!(tally.calls >= MANY && (0.65..0.85).contains(&share), "{share}: {tally:?}");
}

/// What happens to a provider that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Ended,
}

/// A provider of each kind side by side; one after the other goes while both are called, and no call is lost that the
/// consumer could have saved.
fn each_goes(registry: &Registry, lang: Lang, fate: Fate) {
    let mut java = registry.provider(Lang::Java, "j1");
    let mut ours = registry.provider(Lang::Rust, "r1");
    let mut consumer = registry.calling(lang, &[DEFAULT]);
    consumer.calls_on(SOME);
    assert!(consumer.said().contains("j1=") && consumer.said().contains("r1="), "{}", consumer.said());
    assert!(registry.lists(&java) && registry.lists(&ours));
    leave(&mut java, fate);
    let _second = registry.provider(Lang::Java, "j2");
    eventually(SOON, "the second one is called", || consumer.said().contains("j2="));
    eventually(SOON, "the first one is listed no more", || !registry.lists(&java));
    consumer.calls_on(SOME);
    let of_java = consumer.failed();
    leave(&mut ours, fate);
    eventually(SOON, "ours is listed no more", || !registry.lists(&ours));
    consumer.calls_on(SOME);
    let tally = consumer.tally();
    let of_ours = tally.failed - of_java;
    // Java's client sends nothing again, and its providers close without a word: the one call that is under way at a
    // provider of Java that goes, or of any kind that dies, may be lost to it.
    let may_lose = |dies: bool| u32::from(lang == Lang::Java && dies);
    let fine = of_java <= may_lose(true) && of_ours <= may_lose(fate == Fate::Killed);
    assert!(fine, "{lang:?} {fate:?}: {of_java} of Java's, {of_ours} of ours: {tally:?}\n{}", consumer.errors());
    assert!(["j1", "r1", "j2"].iter().all(|node| tally.of(node) > SOME / 4), "{tally:?}");
}

fn leave(provider: &mut Provider, fate: Fate) {
    match fate {
        Fate::Killed => drop(provider.process.kill().unwrap()),
        Fate::Ended => drop(provider.process.end(SOON)),
    }
}

/// The rows, over each registry.
macro_rules! rows {
    ($($name:ident => $row:expr;)*) => {
        mod zookeeper_ {
            $(#[test] fn $name() {
                super::matrix::row("ZooKeeper", stringify!($name), || {
                    $row(&super::Registry::zookeeper());
                });
            })*
        }
        mod nacos_ {
            $(#[test] fn $name() {
                super::matrix::row("Nacos", stringify!($name), || {
                    $row(&super::Registry::nacos());
                });
            })*
        }
    };
}

rows! {
    java_calls_ours_forced_to_interfaces => |r| super::java_calls_ours(r, super::INTERFACES);
    java_calls_ours_applications_first =>
        |r| super::java_calls_ours(r, super::DEFAULT);
    java_calls_ours_forced_to_applications => |r| super::java_calls_ours(r, super::APPLICATIONS);
    ours_calls_java_of_interfaces => |r| super::ours_calls_java(r, "dubbo.application.register-mode=interface");
    ours_calls_java_of_applications => |r| super::ours_calls_java(r, "dubbo.application.register-mode=instance");
    ours_calls_java_of_both => |r| super::ours_calls_java(r, "dubbo.application.register-mode=all");
    both_find_their_version_and_group => super::version_and_group;
    java_balances_over_both_by_weight => |r| super::weights(r, super::Lang::Java);
    ours_balances_over_both_by_weight => |r| super::weights(r, super::Lang::Rust);
    java_loses_no_more_than_what_is_under_way_when_providers_are_killed =>
        |r| super::each_goes(r, super::Lang::Java, super::Fate::Killed);
    ours_loses_nothing_when_providers_are_killed => |r| super::each_goes(r, super::Lang::Rust, super::Fate::Killed);
    java_loses_nothing_of_ours_when_providers_end => |r| super::each_goes(r, super::Lang::Java, super::Fate::Ended);
    ours_loses_nothing_when_providers_end => |r| super::each_goes(r, super::Lang::Rust, super::Fate::Ended);
}
