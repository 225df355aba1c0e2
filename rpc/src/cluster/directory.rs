//! Follows the registry, and the rules in the config centre: each burst of changes makes one new snapshot, which is swapped
//! in whole.
//!
//! Readers never wait and never see halves. What the registry does not say any more is kept: a stream that ends, and an
//! empty answer of a registry that calls itself unwell, change nothing, and where one that is well lists nobody any more,
//! those that answer are called on for a while (`unlisted.rs`).

use super::{
    Common,
    endpoint::Endpoint,
    live::Live,
    snapshot::{self, Derive, InForce},
    unlisted::Unlisted,
};
use crate::route::{self, Book, Consumer, RuleBoard, Rules, Tunes};
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt;
use mainstay_registry::{Backoff, Change, Changes, ConfigCenter, Discover, Lookup};
use std::sync::Arc;
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout_at},
};

/// All endpoints at one moment.
pub(crate) type Snapshot = snapshot::Snapshot<Live>;

/// The endpoints of one service, as the registry tells.
#[derive(Debug)]
pub(crate) struct Directory {
    current: ArcSwap<Snapshot>,
    common: Arc<Common>,
    discover: Arc<dyn Discover>,
    lookup: Lookup,
    derive: Derive,
    pub(super) governance: Governance,
}

/// Where rules come from, and where what they say goes besides the directory.
#[derive(Debug)]
pub(super) struct Governance {
    /// `None`: there are no rules but what providers say themselves.
    pub(super) center: Option<Arc<dyn ConfigCenter>>,
    pub(super) consumer: Arc<Consumer>,
    pub(super) board: RuleBoard,
    /// How calls are made.
    pub(super) tunes: Arc<ArcSwapOption<Tunes>>,
}

impl Governance {
    pub(super) fn new(center: Option<Arc<dyn ConfigCenter>>, consumer: Arc<Consumer>) -> Self {
        Self { center, consumer, board: RuleBoard::default(), tunes: Arc::default() }
    }
}

/// The registry's changes, asked for again when they end.
struct Stream {
    changes: Changes,
    /// How often they ended, one time after the other.
    ended: u32,
    over: bool,
}

/// The task that follows; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Directory {
    pub(crate) fn new(
        discover: Arc<dyn Discover>,
        lookup: Lookup,
        common: Arc<Common>,
        derive: Derive,
        governance: Governance,
    ) -> Self {
        Self { current: ArcSwap::default(), common, discover, lookup, derive, governance }
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Begins to follow, on the current runtime.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        Following(tokio::spawn(self.clone().run()).abort_handle())
    }

    /// What is looked for, and where.
    pub(crate) fn sought_where(&self) -> (String, String) {
        (self.lookup.to_string(), self.discover.describe())
    }

    /// Why there is no instance, in one line for people.
    pub(crate) fn explain(&self, heard: bool) -> String {
        if !heard {
            return format!("{} has not answered yet who offers {}", self.discover.describe(), self.lookup);
        }
        self.discover.survey(&self.lookup.key.interface).explain(&self.lookup, &self.discover.describe())
    }

    async fn run(self: Arc<Self>) {
        let changes = self.discover.subscribe(self.lookup.clone());
        let mut stream = Stream { changes, ended: 0, over: false };
        let (mut derive, mut unlisted) = (self.derive.clone(), Unlisted::default());
        let Governance { center, consumer, board, .. } = &self.governance;
        let provider = self.lookup.application.as_deref();
        let mut rules = center
            .as_ref()
            .map(|center| route::Following::new(&**center, Book::new(consumer, provider), board.clone()));
        if let Some(rules) = &mut rules {
            // Calls that come before the rules would go where the rules forbid.
            self.govern(&mut derive, rules.first().await);
            rules.tell();
        }
        loop {
            let changed = async {
                match &mut rules {
                    Some(rules) => rules.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Rules first: what changes at once with them goes by the new ones.
                biased;
                now = changed => {
                    self.govern(&mut derive, now);
                    // Before the registry has spoken there is nothing to route.
                    if self.current.load().heard {
                        self.apply(std::iter::empty(), &derive, &mut unlisted);
                    }
                    rules.iter().for_each(route::Following::tell);
                }
                first = self.next(&mut stream) => {
                    // What has come meanwhile is one step for those who read.
                    let rest = std::iter::from_fn(|| stream.changes.next().now_or_never().flatten());
                    self.apply(std::iter::once(first).chain(rest), &derive, &mut unlisted);
                }
                () = self.due(&unlisted) => self.apply(std::iter::empty(), &derive, &mut unlisted),
            }
        }
    }

    /// The next change. Cancel-safe.
    async fn next(&self, stream: &mut Stream) -> Change {
        loop {
            if stream.over {
                sleep(Backoff::default().delay(stream.ended, self.common.dice.throw())).await;
                stream.changes = self.discover.subscribe(self.lookup.clone());
                stream.over = false;
            }
            if let Some(change) = stream.changes.next().await {
                stream.ended = 0;
                return change;
            }
            (stream.ended, stream.over) = (stream.ended + 1, true);
            tracing::warn!(lookup = %self.lookup, registry = self.discover.describe(), "the registry ended its stream of changes: keeping what is known, asking again");
        }
    }

    /// Waits until one of those that are not listed is to be let go. Cancel-safe.
    async fn due(&self, unlisted: &Unlisted<Live>) {
        let Some(until) = unlisted.until() else { return std::future::pending().await };
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            if unlisted.is_due(self.common.now(), Endpoint::is_ready) {
                return;
            }
            let _ = timeout_at(self.common.birth + until, changed).await;
        }
    }

    /// From now on these rules are in force.
    fn govern(&self, derive: &mut Derive, rules: Rules) {
        let Governance { consumer, tunes, .. } = &self.governance;
        tunes.store(rules.tunes(consumer).map(Arc::new));
        derive.in_force = Some(InForce { rules, consumer: consumer.clone() });
    }

    fn apply(&self, changes: impl Iterator<Item = Change>, derive: &Derive, unlisted: &mut Unlisted<Live>) {
        let mut edit = self.current.load().edit();
        for change in changes {
            let emptied = matches!(&change, Change::Snapshot(all) if all.is_empty()) && !edit.is_empty();
            if emptied && let Some(why) = self.discover.survey(&self.lookup.key.interface).unwell {
                tracing::warn!(lookup = %self.lookup, why, "an empty answer of an unwell registry: keeping what is known");
                continue;
            }
            unlisted.hears(&mut edit, &change);
            edit.apply(change);
        }
        for instance in std::mem::take(&mut edit.up) {
            tracing::debug!(lookup = %self.lookup, instance = %instance.id, "instance up");
        }
        for (endpoint, cause) in &edit.down {
            tracing::debug!(lookup = %self.lookup, instance = %endpoint.instance.id, %cause, "instance down");
        }
        let gone = unlisted.settle(&mut edit, self.common.now(), Endpoint::is_ready);
        self.current.store(Arc::new(edit.finish(derive)));
        for endpoint in gone {
            if let Some(own) = endpoint.own() {
                own.pool.withdraw();
            }
        }
        self.common.changed.notify_waiters();
    }
}
