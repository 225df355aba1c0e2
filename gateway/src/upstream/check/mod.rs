//! Asks the endpoints of an upstream whether they are well, and leaves out who is not: for whoever looks them up, so that plain
//! HTTP and clients of `mainstay` hear of the same endpoints. When nobody is well everybody is told of: a check that fails
//! everywhere says more of the check.
//!
//! Who is asked is whoever the registry behind tells of, for as long as it does: the task that asks ends with the endpoint.
//!
//! | file | what |
//! |---|---|
//! | `streak.rs` | what a row of answers makes of an endpoint; pure |
//! | `probe.rs` | one question |

mod probe;
mod streak;

use super::wire::Wire;
use crate::config::CheckConfig;
use mainstay::transport::Target;
use mainstay_registry::{Change, Changes, Discover, Feed, Instance, InstanceId, InstanceSet, Lookup, Survey};
use probe::Probe;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError, Weak},
};
use streak::{Streak, Thresholds, pause};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

/// Finds those endpoints of another that are well.
#[derive(Debug)]
pub(crate) struct Checked {
    behind: Arc<dyn Discover>,
    checks: Arc<Checks>,
}

/// Whoever is asked, by address: an endpoint that several services have is asked once.
#[derive(Debug)]
pub(crate) struct Checks {
    config: CheckConfig,
    wire: Wire,
    all: Mutex<HashMap<Target, Weak<One>>>,
    /// Told whenever one has turned.
    turned: watch::Sender<u64>,
    dice: RandomState,
}

/// One endpoint that is asked.
#[derive(Debug)]
struct One {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Seen {
    streak: Streak,
    /// What the last answer was, if it was no good one.
    why: Option<String>,
}

/// What is known of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) address: String,
    pub(crate) is_well: bool,
    /// Why the last answer was not good.
    pub(crate) why: Option<String>,
}

impl Drop for One {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    pub(super) fn new(config: CheckConfig, wire: Wire) -> Arc<Self> {
        Arc::new(Self { config, wire, all: Mutex::default(), turned: watch::Sender::new(0), dice: RandomState::new() })
    }

    /// What is known of each endpoint, by address.
    pub(crate) fn known(&self) -> Vec<Health> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(target, one): (&Target, &Weak<One>)| {
            let one = one.upgrade()?;
            let seen = one.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let (address, is_well) = (target.to_string(), seen.streak.is_well());
            Some(Health { address, is_well, why: seen.why.clone() })
        };
        let mut known: Vec<_> = all.iter().filter_map(one).collect();
        known.sort_by(|a, b| a.address.cmp(&b.address));
        known
    }

    /// Begins to ask an endpoint, if nobody does so yet.
    fn of(self: &Arc<Self>, target: Target) -> Arc<One> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get(&target).and_then(Weak::upgrade) {
            return one;
        }
        all.retain(|_, one| one.strong_count() > 0);
        let seen = Arc::new(Mutex::new(Seen { streak: Streak::BEGIN, why: None }));
        let task = tokio::spawn(ask(self.clone(), target.clone(), seen.clone()));
        let one = Arc::new(One { seen, task });
        all.insert(target, Arc::downgrade(&one));
        one
    }
}

impl One {
    fn is_well(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).streak.is_well()
    }
}

/// Asks one endpoint, until it is aborted.
async fn ask(checks: Arc<Checks>, target: Target, seen: Arc<Mutex<Seen>>) {
    let CheckConfig { interval, unhealthy_after, healthy_after, .. } = checks.config;
    let thresholds = Thresholds { unhealthy: unhealthy_after, healthy: healthy_after };
    let probe = Probe::new(target.clone(), &checks.config, &checks.wire);
    for turn in 0u64.. {
        sleep(pause(interval, turn == 0, checks.dice.hash_one((&target, turn)))).await;
        let answer = match &probe {
            Ok(probe) => probe.ask().await,
            Err(why) => Err(why.clone()),
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = seen.streak.hear(answer.is_ok(), thresholds);
        seen.why = answer.err();
        if turned {
            let (is_well, why) = (seen.streak.is_well(), seen.why.as_deref().unwrap_or_default());
            tracing::warn!(endpoint = %target, is_well, why, "a health check has turned");
            drop(seen);
            checks.turned.send_modify(|turns| *turns += 1);
        }
    }
}

impl Checked {
    pub(super) fn new(behind: Arc<dyn Discover>, checks: Arc<Checks>) -> Self {
        Self { behind, checks }
    }
}

impl Discover for Checked {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let feed = Feed::new();
        let changes = feed.subscribe();
        let following = Following(tokio::spawn(follow(self.behind.subscribe(lookup), self.checks.clone(), feed)));
        changes.keeping(Arc::new(following))
    }

    fn survey(&self, interface: &str) -> Survey {
        self.behind.survey(interface)
    }

    fn describe(&self) -> String {
        self.behind.describe()
    }
}

/// A task that ends with whoever listens to it.
#[derive(Debug)]
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells of those who are well.
async fn follow(mut changes: Changes, checks: Arc<Checks>, feed: Feed) {
    let mut turned = checks.turned.subscribe();
    let mut known: BTreeMap<InstanceId, (Arc<Instance>, Arc<One>)> = BTreeMap::new();
    let asked = |instance: Arc<Instance>| {
        let one = checks.of(Target::new(instance.host.as_str(), instance.port));
        (instance.id.clone(), (instance, one))
    };
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Change::Snapshot(all)) => known = all.into_iter().map(asked).collect(),
                Some(Change::Up(instance)) => known.extend([asked(instance)]),
                Some(Change::Down(id, _)) => drop(known.remove(&id)),
                Some(_) => {}
                None => return,
            },
            heard = turned.changed() => if heard.is_err() { return },
        }
        feed.publish(well(&known), &BTreeMap::new());
    }
}

/// Those who are well; when nobody is, all.
fn well(known: &BTreeMap<InstanceId, (Arc<Instance>, Arc<One>)>) -> InstanceSet {
    let some = known.values().any(|(_, one)| one.is_well());
    let told = known.values().filter(|(_, one)| !some || one.is_well());
    told.map(|(instance, _)| instance.clone()).collect()
}
