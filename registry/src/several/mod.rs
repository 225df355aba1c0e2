//! Several registries at once: register in all of them, read what they say together. For a move from one to another, and for
//! more than one data centre.
//!
//! Written as one URL with `|` between (Dubbo's word): `zookeeper://a:2181|nacos://b:8848?weight=50`. A comma separates the
//! servers of one registry and so cannot.
//!
//! *Registering*: the instance is announced in each registry that takes registrations, under one [`Lease`]. It stands as
//! registered, and the application is ready, as soon as **one** of them has it: one registry that is away must not take an
//! instance out that others find. What the rest lacks is [`Lease::trouble`], and [`Lease::each`] says how each stands.
//!
//! *Reading*: an instance counts once, by its id, in however many registries it is. A registry that is away takes nothing
//! away from what the others say. Which ones are read, by the parameters of their URLs:
//!
//! 1. those that are `preferred=true`, as long as one of them lists anybody;
//! 2. else those whose `zone` is the reader's, as long as one of them lists anybody;
//! 3. else all. `weight` (default 100) is a factor on the weights of the instances that only this registry lists; of two
//!    registries with the same instance the higher weight counts. (Dubbo draws the registry first, so that the few instances
//!    of a small registry get half of the load.)
//!
//! | file | what |
//! |---|---|
//! | `place.rs` | what a URL says of its registry's place among others, pure |
//! | `merge.rs` | what a reader is told, pure |
//! | `lease.rs` | one lease over many: its standing, and the task that keeps it |

mod lease;
mod merge;
mod place;

use std::{collections::BTreeMap, sync::Arc, task::Poll, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use self::merge::Merge;
pub use self::place::{MAX_REGISTRIES, Place};
pub(crate) use self::place::{placed, split};
use crate::{
    capability::Capabilities,
    feed::{Changes, Feed},
    hub::Hub,
    instance::{InstanceId, Registration},
    lease::Lease,
    port::{Change, Discover, DownCause, Lookup, MAX_SKIPPED, Registry, Survey},
    set::InstanceSet,
};

/// How long a reader's first picture waits for the registries that have not said anything yet, once one has.
const PATIENCE: Duration = Duration::from_secs(1);

/// Several registries as one; clones share them.
#[derive(Clone, Debug)]
pub struct SeveralRegistries {
    members: Arc<[(Hub, Place)]>,
    zone: Option<Arc<str>>,
}

impl SeveralRegistries {
    /// These registries, each with its place among them.
    pub fn new(members: impl IntoIterator<Item = (Hub, Place)>) -> Self {
        Self { members: members.into_iter().collect(), zone: None }
    }

    /// The same, read by somebody in this zone.
    #[must_use]
    pub fn in_zone(mut self, zone: Option<&str>) -> Self {
        self.zone = zone.map(Arc::from);
        self
    }

    /// What a reader is told before anybody said anything.
    fn merge(&self) -> Merge {
        Merge::new(self.members.iter().map(|(_, place)| place.clone()).collect(), self.zone.as_deref())
    }
}

impl Registry for SeveralRegistries {
    fn register(&self, registration: Registration) -> Lease {
        let leases = self.members.iter().map(|(hub, _)| (Registry::describe(hub), hub.register(registration.clone())));
        lease::join(registration.clone(), leases.collect())
    }

    /// What at least one of them can do.
    fn capabilities(&self) -> Capabilities {
        self.members.iter().fold(Capabilities::NONE, |all, (hub, _)| all.or(hub.capabilities()))
    }

    fn describe(&self) -> String {
        joined(self.members.iter().map(|(hub, _)| Registry::describe(hub)), " | ")
    }
}

impl Discover for SeveralRegistries {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let feed = Feed::new();
        let changes = feed.subscribe();
        let Ok(runtime) = Handle::try_current() else {
            feed.publish(InstanceSet::new(), &BTreeMap::new());
            return changes;
        };
        let members = self.members.iter().map(|(hub, _)| Some(hub.subscribe(lookup.clone()))).collect();
        let reading = Reading { members, merge: self.merge(), feed, causes: BTreeMap::new() };
        changes.keeping(Arc::new(Task(runtime.spawn(reading.run()))))
    }

    /// What is known of each together. An instance that is in two of them would count twice: the most that one of them
    /// knows is told of each key.
    fn survey(&self, interface: &str) -> Survey {
        let mut all = Survey::default();
        let (mut found, mut unwell) = (BTreeMap::new(), Vec::new());
        for (hub, _) in self.members.iter() {
            let one = hub.survey(interface);
            for (key, count) in one.found {
                let most = found.entry(key).or_insert(0);
                *most = count.max(*most);
            }
            all.last_change = [all.last_change, one.last_change].into_iter().flatten().min();
            unwell.extend(one.unwell.map(|why| format!("{}: {why}", Discover::describe(hub))));
            all.hold = all.hold.or(one.hold);
            all.skipped.extend(one.skipped);
        }
        all.skipped.truncate(MAX_SKIPPED);
        all.found = found.into_iter().collect();
        all.unwell = (!unwell.is_empty()).then(|| joined(unwell.into_iter(), "; "));
        all
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

fn joined(texts: impl Iterator<Item = String>, between: &str) -> String {
    texts.collect::<Vec<_>>().join(between)
}

/// A task that ends with its reader.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One reader's task.
struct Reading {
    /// `None`: this registry's handle is gone; what it said last stays.
    members: Vec<Option<Changes>>,
    merge: Merge,
    feed: Feed,
    causes: BTreeMap<InstanceId, DownCause>,
}

impl Reading {
    async fn run(mut self) {
        // One that is away says so within its own time; the others are not made to wait for it.
        let until = Instant::now() + PATIENCE;
        while self.members.iter().any(Option::is_some) {
            let waiting = !self.merge.is_complete();
            tokio::select! {
                () = self.hear() => {}
                () = sleep_until(until), if waiting && Instant::now() < until => {}
            }
            if self.merge.is_complete() || (self.merge.is_begun() && Instant::now() >= until) {
                self.feed.publish(self.merge.pick(), &std::mem::take(&mut self.causes));
            }
        }
        // As long as somebody reads, what was said last is told.
        std::future::pending().await
    }

    /// Waits until a registry says something, and takes all in that is there by then.
    async fn hear(&mut self) {
        std::future::poll_fn(|cx| {
            let mut heard = false;
            for (at, member) in self.members.iter_mut().enumerate() {
                while let Some(changes) = member {
                    match changes.poll_change(cx) {
                        Poll::Pending => break,
                        Poll::Ready(None) => *member = None,
                        Poll::Ready(Some(change)) => {
                            if let Change::Down(id, cause) = &change {
                                self.causes.insert(id.clone(), *cause);
                            }
                            self.merge.apply(at, change);
                        }
                    }
                    heard = true;
                }
            }
            if heard { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::{Instance, LeaseState, MemoryRegistry, ServiceKey};

    const SOON: Duration = Duration::from_secs(60);

    fn several(members: &[(&MemoryRegistry, Place)]) -> SeveralRegistries {
        SeveralRegistries::new(members.iter().map(|(memory, place)| (Hub::new((*memory).clone()), place.clone())))
    }

    fn stock(id: &str) -> Registration {
        Registration::new(Instance::new("stock", "h", 1).with_id(InstanceId::new(id)), [ServiceKey::new("a.B")])
    }

    async fn next(changes: &mut Changes) -> Change {
        timeout(SOON, changes.next()).await.expect("a change in time").expect("an open stream")
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_of_both_counts_once_and_goes_when_both_have_let_go() {
        let (old, new) = (MemoryRegistry::new(), MemoryRegistry::new());
        let both = several(&[(&old, Place::default()), (&new, Place::default())]);
        let mut changes = both.subscribe(Lookup::new(ServiceKey::new("a.B")));
        assert_eq!(next(&mut changes).await, Change::Snapshot(vec![]));
        let mut lease = both.register(stock("one"));
        lease.registered(SOON).await.unwrap();
        assert!(matches!(next(&mut changes).await, Change::Up(up) if up.id.as_str() == "one"));
        old.lose_all();
        assert!(timeout(Duration::from_millis(100), changes.next()).await.is_err(), "the other one still has it");
        lease.withdraw(SOON).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::Down(InstanceId::new("one"), DownCause::Withdrawn));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_both_sees_who_moves_from_one_to_the_other() {
        let (old, new) = (MemoryRegistry::new(), MemoryRegistry::new());
        let both = several(&[(&old, Place::default()), (&new, Place::default())]);
        let mut before = old.register(stock("before"));
        let mut after = new.register(stock("after"));
        before.registered(SOON).await.unwrap();
        after.registered(SOON).await.unwrap();
        let mut changes = both.subscribe(Lookup::new(ServiceKey::new("a.B")));
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 2));
        before.withdraw(SOON).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::Down(InstanceId::new("before"), DownCause::Withdrawn));
    }

    #[tokio::test(start_paused = true)]
    async fn a_preferred_registry_is_read_alone_while_it_lists_anybody() {
        let (one, two) = (MemoryRegistry::new(), MemoryRegistry::new());
        let both = several(&[(&one, Place::default()), (&two, Place { preferred: true, ..Place::default() })]);
        let mut plain = one.register(stock("plain"));
        plain.registered(SOON).await.unwrap();
        let mut changes = both.subscribe(Lookup::new(ServiceKey::new("a.B")));
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all[0].id.as_str() == "plain"));
        let mut preferred = two.register(stock("preferred"));
        preferred.registered(SOON).await.unwrap();
        assert!(matches!(next(&mut changes).await, Change::Up(up) if up.id.as_str() == "preferred"));
        assert!(matches!(next(&mut changes).await, Change::Down(id, _) if id.as_str() == "plain"));
        preferred.withdraw(SOON).await.unwrap();
        assert!(matches!(next(&mut changes).await, Change::Up(up) if up.id.as_str() == "plain"));
    }

    /// A registry that says nothing at all: worse than any adapter.
    #[derive(Debug, Default)]
    struct Mute(Feed);

    impl Registry for Mute {
        fn register(&self, registration: Registration) -> Lease {
            Lease::unsupported(registration)
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::NONE
        }

        fn describe(&self) -> String {
            "mute://".to_owned()
        }
    }

    impl Discover for Mute {
        fn subscribe(&self, _: Lookup) -> Changes {
            self.0.subscribe()
        }

        fn survey(&self, _: &str) -> Survey {
            Survey { unwell: Some("it is mute".to_owned()), ..Survey::default() }
        }

        fn describe(&self) -> String {
            Registry::describe(self)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_holds_nobody_up() {
        let memory = MemoryRegistry::new();
        let members = [(Hub::new(memory.clone()), Place::default()), (Hub::new(Mute::default()), Place::default())];
        let both = SeveralRegistries::new(members);
        let mut lease = both.register(stock("one"));
        lease.registered(SOON).await.unwrap();
        assert_eq!(lease.each()[1].state, LeaseState::Unsupported);
        let begun = Instant::now();
        let mut changes = both.subscribe(Lookup::new(ServiceKey::new("a.B")));
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 1));
        assert!(begun.elapsed() <= PATIENCE + Duration::from_millis(10));
        assert_eq!(both.survey("a.B").unwell.as_deref(), Some("mute://: it is mute"));
        assert_eq!(both.survey("a.B").found, [(ServiceKey::new("a.B"), 1)]);
    }
}
