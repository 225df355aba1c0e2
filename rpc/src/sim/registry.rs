//! The registry of a simulation. It is no host, but it can be away, be cut off from hosts, and lose what it knows; and it
//! forgets who has crashed only when the session is over.
//!
//! What stands on it is the product's own: the controller that keeps a registration, and the protection that does not act
//! on emptiness.

use super::net::now;
use mainstay_registry::{
    Capabilities, Changes, Discover, Feed, Health, Instance, InstanceId, InstanceSet, Keeper, Lease, Lookup,
    Protection, Record, Registration, Registry, RegistryError, Seen, ServiceKey, Survey, Timing, keep,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{task::AbortHandle, time::sleep};

/// How long the record of a host stays that is gone or cut off.
const SESSION: Duration = Duration::from_secs(2);
/// How long an operation takes, and how often consumers look.
const TAKES: Duration = Duration::from_millis(2);
const LOOKS: Duration = Duration::from_millis(50);

/// What the registry knows; clones are the same registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    away: bool,
    cut: BTreeSet<Arc<str>>,
    entries: BTreeMap<InstanceId, Entry>,
}

#[derive(Debug)]
struct Entry {
    registration: Arc<Registration>,
    instance: Arc<Instance>,
    host: Arc<str>,
    /// Lives as long as who wrote it.
    session: Weak<()>,
    /// When that was last there.
    seen: Duration,
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    pub(super) fn set_cut(&self, host: &Arc<str>, cut: bool) {
        let mut state = self.lock();
        if cut {
            state.cut.insert(host.clone())
        } else {
            state.cut.remove(host)
        };
    }

    pub(super) fn forget(&self) {
        self.lock().entries.clear();
    }
}

impl State {
    /// Ends the sessions of those who were not there for too long.
    fn tidy(&mut self) {
        let (now, cut) = (now(), &self.cut);
        self.entries.retain(|_, entry| {
            if entry.session.strong_count() > 0 && !cut.contains(&entry.host) {
                entry.seen = now;
            }
            now.saturating_sub(entry.seen) < SESSION
        });
    }
}

/// The registry, as one host sees it.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) host: Arc<str>,
    pub(super) records: Records,
    pub(super) seed: u64,
}

impl Seat {
    /// Acts on what there is, if this host reaches it.
    fn reach<T>(&self, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.records.lock();
        if state.away || state.cut.contains(&self.host) {
            return None;
        }
        state.tidy();
        Some(act(&mut state))
    }

    async fn ask<T>(&self, attempted: &str, act: impl FnOnce(&mut State) -> T) -> Result<T, RegistryError> {
        sleep(TAKES).await;
        let why = "it is not reached".to_owned();
        self.reach(act).ok_or(RegistryError::Unavailable { attempted: attempted.to_owned(), why })
    }

    fn list(&self, lookup: &Lookup) -> Option<InstanceSet> {
        self.reach(|state| {
            let takes = |entry: &&Entry| entry.registration.keys.iter().any(|key| lookup.takes(key, &entry.instance));
            state.entries.values().filter(takes).map(|entry| entry.instance.clone()).collect()
        })
    }

    /// Tells the consumers of one lookup what there is, for as long as there are any.
    async fn follow(self, lookup: Lookup, feed: Arc<Feed>) {
        let mut keeper = Keeper::new(lookup.to_string(), feed.clone(), Protection::default(), None);
        while feed.is_watched() {
            match self.list(&lookup) {
                Some(set) => keeper.answered(set, Health::Well),
                None => keeper.silent("it is not reached").await,
            }
            sleep(LOOKS).await;
        }
    }
}

impl Registry for Seat {
    fn register(&self, registration: Registration) -> Lease {
        let mut timing = Timing::default();
        timing.seed = Some(self.seed);
        let session = Arc::new(());
        keep(Held { seat: self.clone(), id: registration.instance.id.clone(), session }, registration, timing)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::MEMORY
    }

    fn describe(&self) -> String {
        "the simulated registry".to_owned()
    }
}

impl Discover for Seat {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let feed = Arc::new(Feed::new());
        let changes = feed.subscribe();
        let following = tokio::spawn(self.clone().follow(lookup, feed));
        changes.keeping(Arc::new(Following(following.abort_handle())))
    }

    fn survey(&self, interface: &str) -> Survey {
        let mut found = BTreeMap::<ServiceKey, usize>::new();
        let all = self.reach(|state| {
            let keys = state.entries.values().flat_map(|entry| &entry.registration.keys);
            keys.filter(|key| key.interface == interface).for_each(|key| *found.entry(key.clone()).or_default() += 1);
        });
        let mut survey = Survey::new(found.into_iter().collect());
        survey.unwell = all.is_none().then(|| "it is not reached".to_owned());
        survey
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

/// The task that follows a lookup; it ends with this.
#[derive(Debug)]
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One registration's record.
struct Held {
    seat: Seat,
    id: InstanceId,
    session: Arc<()>,
}

impl Record for Held {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let entry = Entry {
            registration: wanted.clone(),
            instance: Arc::new(wanted.instance.clone()),
            host: self.seat.host.clone(),
            session: Arc::downgrade(&self.session),
            seen: now(),
        };
        self.seat.ask("writing the record", |state| drop(state.entries.insert(self.id.clone(), entry))).await
    }

    async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let look = |state: &mut State| match state.entries.get(&self.id) {
            None => Seen::Absent,
            Some(entry) if entry.registration == *wanted => Seen::Same,
            Some(_) => Seen::Different,
        };
        self.seat.ask("reading the record back", look).await
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        self.seat.ask("removing the record", |state| drop(state.entries.remove(&self.id))).await
    }
}
