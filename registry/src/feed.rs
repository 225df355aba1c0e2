//! From an adapter to its consumers: `Feed` holds the newest set, `Changes` tells one consumer how it got there.
//!
//! Level-triggered: a feed keeps no queue of events, only the set as it is, and each consumer is told the difference
//! between what it last heard and what is now. So a slow consumer costs no memory, bursts coalesce by themselves, and
//! nothing can be missed. Ups come before downs, so that a rolling restart never looks empty half-way.

use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{
    instance::InstanceId,
    port::{Change, DownCause},
    set::InstanceSet,
};

/// Causes kept for consumers that have not heard of a Down yet; older ones become [`DownCause::Unlisted`].
const MAX_CAUSES: usize = 1024;

/// The publishing end, for adapters: one per lookup.
///
/// Its consumers' streams end when it is dropped.
#[derive(Debug, Default)]
pub struct Feed {
    shared: Arc<Shared>,
}

/// The changes of one lookup, for one consumer: a stream that starts with a [`Change::Snapshot`].
///
/// Dropping it ends the subscription. All of it is cancel-safe: a change is either delivered or still there.
#[derive(Debug)]
#[must_use = "changes are only told to who asks for the next one"]
pub struct Changes {
    shared: Arc<Shared>,
    subscriber: u64,
    heard: Option<(u64, Arc<InstanceSet>)>,
    queue: VecDeque<Change>,
    /// What the subscription keeps alive: the adapter behind it.
    _keep: Option<Arc<dyn Keep>>,
}

/// Whatever a [`Changes`] keeps alive.
trait Keep: Any + Send + Sync + std::fmt::Debug {}
impl<T: Any + Send + Sync + std::fmt::Debug> Keep for T {}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    set: Option<Arc<InstanceSet>>,
    causes: BTreeMap<InstanceId, DownCause>,
    subscribers: BTreeMap<u64, Option<Waker>>,
    next_subscriber: u64,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// A feed that has nothing to say yet: consumers wait for the first [`publish`](Self::publish).
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `set` the newest set; `causes` says why the missing ones are gone. Publishing an equal set is free. An instance
    /// that did not change should be the same `Arc` as before: then nothing of it is compared.
    pub fn publish(&self, set: InstanceSet, causes: &BTreeMap<InstanceId, DownCause>) {
        self.publish_shared(Arc::new(set), causes);
    }

    /// [`publish`](Self::publish) of a set that others keep too.
    pub(crate) fn publish_shared(&self, set: Arc<InstanceSet>, causes: &BTreeMap<InstanceId, DownCause>) {
        let woken = {
            let mut state = self.shared.lock();
            if state.set.as_ref() == Some(&set) {
                return;
            }
            if state.causes.len() + causes.len() > MAX_CAUSES {
                state.causes.clear();
            }
            state.causes.extend(causes.iter().map(|(id, cause)| (id.clone(), *cause)));
            state.causes.retain(|id, _| !set.contains(id));
            state.set = Some(set);
            state.version += 1;
            state.wakers()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// A new consumer. It hears the newest set first, once there is one.
    pub fn subscribe(&self) -> Changes {
        let mut state = self.shared.lock();
        let subscriber = state.next_subscriber;
        state.next_subscriber += 1;
        state.subscribers.insert(subscriber, None);
        Changes { shared: self.shared.clone(), subscriber, heard: None, queue: VecDeque::new(), _keep: None }
    }

    /// Whether anybody still listens.
    pub fn is_watched(&self) -> bool {
        !self.shared.lock().subscribers.is_empty()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let woken = {
            let mut state = self.shared.lock();
            state.closed = true;
            state.wakers()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn wakers(&mut self) -> Vec<Waker> {
        self.subscribers.values_mut().filter_map(Option::take).collect()
    }
}

impl Changes {
    /// The next change; `None` when the registry behind it is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Change> {
        std::future::poll_fn(|cx| self.poll_change(cx)).await
    }

    /// The same stream, which also keeps `guard` alive as long as it lives; for adapters whose work is to end with
    /// its last consumer.
    pub fn keeping<T: Any + Send + Sync + std::fmt::Debug>(mut self, guard: Arc<T>) -> Self {
        self._keep = Some(guard);
        self
    }

    /// [`next`](Self::next) by hand.
    pub fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        if let Some(change) = self.queue.pop_front() {
            return Poll::Ready(Some(change));
        }
        let mut state = self.shared.lock();
        match (&self.heard, &state.set) {
            (None, Some(set)) => {
                self.heard = Some((state.version, set.clone()));
                return Poll::Ready(Some(Change::Snapshot(set.iter().cloned().collect())));
            }
            (Some((version, old)), Some(new)) if *version != state.version => {
                self.queue = difference(old, new, &state.causes);
                self.heard = Some((state.version, new.clone()));
                if let Some(change) = self.queue.pop_front() {
                    return Poll::Ready(Some(change));
                }
            }
            _ => {}
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.subscribers.insert(self.subscriber, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl futures_core::Stream for Changes {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll_change(cx)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.shared.lock().subscribers.remove(&self.subscriber);
    }
}

/// The changes that lead from `old` to `new`: ups first, then downs.
fn difference(old: &InstanceSet, new: &InstanceSet, causes: &BTreeMap<InstanceId, DownCause>) -> VecDeque<Change> {
    let ups = old.compared(new).filter_map(|(_, now)| now.cloned().map(Change::Up));
    let downs = old.without(new).map(|gone| {
        let cause = causes.get(&gone.id).copied().unwrap_or(DownCause::Unlisted);
        Change::Down(gone.id.clone(), cause)
    });
    ups.chain(downs).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::instance::Instance;

    fn set(weights: &[(u8, u32)]) -> InstanceSet {
        let instance = |(id, weight): &(u8, u32)| {
            Instance::told(InstanceId::new(id.to_string()), "a", "h", 1).with_weight(*weight)
        };
        weights.iter().map(instance).collect()
    }

    fn apply(known: &mut InstanceSet, change: Change) {
        match change {
            Change::Snapshot(all) => *known = all.into_iter().collect(),
            Change::Up(instance) => drop(known.insert(instance)),
            Change::Down(id, _) => assert!(known.remove(&id).is_some(), "{id} was not known"),
        }
    }

    #[tokio::test]
    async fn the_first_change_is_a_snapshot_even_of_nothing() {
        let feed = Feed::new();
        let mut changes = feed.subscribe();
        feed.publish(set(&[]), &BTreeMap::new());
        assert_eq!(changes.next().await, Some(Change::Snapshot(vec![])));
        drop(feed);
        assert_eq!(changes.next().await, None);
    }

    #[tokio::test]
    async fn ups_come_before_downs_and_downs_say_why() {
        let feed = Feed::new();
        feed.publish(set(&[(1, 1), (2, 1), (3, 1)]), &BTreeMap::new());
        let mut changes = feed.subscribe();
        assert!(matches!(changes.next().await, Some(Change::Snapshot(all)) if all.len() == 3));
        let (one, two) = (InstanceId::new("1"), InstanceId::new("2"));
        feed.publish(set(&[(3, 7), (4, 1)]), &BTreeMap::from([(one.clone(), DownCause::Died)]));
        assert!(matches!(changes.next().await, Some(Change::Up(up)) if up.weight == 7));
        assert!(matches!(changes.next().await, Some(Change::Up(up)) if up.id.as_str() == "4"));
        assert_eq!(changes.next().await, Some(Change::Down(one, DownCause::Died)));
        assert_eq!(changes.next().await, Some(Change::Down(two, DownCause::Unlisted)));
    }

    #[tokio::test]
    async fn what_came_and_went_unheard_is_not_told() {
        let feed = Feed::new();
        feed.publish(set(&[]), &BTreeMap::new());
        let mut changes = feed.subscribe();
        changes.next().await;
        feed.publish(set(&[(1, 1)]), &BTreeMap::new());
        feed.publish(set(&[]), &BTreeMap::new());
        feed.publish(set(&[(2, 1)]), &BTreeMap::new());
        assert!(matches!(changes.next().await, Some(Change::Up(up)) if up.id.as_str() == "2"));
        assert!(feed.is_watched());
        drop(changes);
        assert!(!feed.is_watched());
    }

    proptest! {
        #[test]
        fn whatever_is_heard_leads_to_what_is(
            rounds in prop::collection::vec((prop::collection::vec((0u8..6, 1u32..3), 0..6), any::<bool>()), 1..12)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let feed = Feed::new();
                let mut changes = feed.subscribe();
                let mut known = InstanceSet::new();
                let mut last = InstanceSet::new();
                for (weights, listen) in rounds {
                    last = set(&weights);
                    feed.publish(last.clone(), &BTreeMap::new());
                    if listen {
                        let change = changes.next();
                        tokio::select! { biased; Some(change) = change => apply(&mut known, change), () = std::future::ready(()) => {} }
                    }
                }
                drop(feed);
                while let Some(change) = changes.next().await {
                    apply(&mut known, change);
                }
                assert_eq!(known, last);
            });
        }
    }
}
