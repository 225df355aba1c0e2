//! Follows the registry: each burst of changes makes one new snapshot, which is swapped in whole.
//!
//! Readers never wait and never see halves. What the registry does not say any more is kept: a stream that ends, and an
//! empty answer of a registry that calls itself unwell, change nothing.

use super::{
    Common,
    endpoint::Live,
    snapshot::{self, Derive},
};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use mainstay_registry::{Backoff, Change, Discover, Lookup};
use std::sync::Arc;
use tokio::{task::AbortHandle, time::sleep};

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
    pub(crate) fn new(discover: Arc<dyn Discover>, lookup: Lookup, common: Arc<Common>, derive: Derive) -> Self {
        Self { current: ArcSwap::default(), common, discover, lookup, derive }
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Begins to follow, on the current runtime.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        Following(tokio::spawn(self.clone().run()).abort_handle())
    }

    /// Why there is no instance, in one line for people.
    pub(crate) fn explain(&self, heard: bool) -> String {
        if !heard {
            return format!("{} has not answered yet who offers {}", self.discover.describe(), self.lookup);
        }
        self.discover.survey(&self.lookup.key.interface).explain(&self.lookup, &self.discover.describe())
    }

    async fn run(self: Arc<Self>) {
        let mut ended = 0;
        loop {
            let mut changes = self.discover.subscribe(self.lookup.clone());
            while let Some(first) = changes.next().await {
                ended = 0;
                // What has come meanwhile is one step for those who read.
                let rest = std::iter::from_fn(|| changes.next().now_or_never().flatten());
                self.apply(std::iter::once(first).chain(rest));
            }
            ended += 1;
            tracing::warn!(lookup = %self.lookup, registry = self.discover.describe(), "the registry ended its stream of changes: keeping what is known, asking again");
            sleep(Backoff::default().delay(ended, self.common.dice.throw())).await;
        }
    }

    fn apply(&self, changes: impl Iterator<Item = Change>) {
        let mut edit = self.current.load().edit();
        for change in changes {
            let emptied = matches!(&change, Change::Snapshot(all) if all.is_empty()) && !edit.is_empty();
            if emptied && let Some(why) = self.discover.survey(&self.lookup.key.interface).unwell {
                tracing::warn!(lookup = %self.lookup, why, "an empty answer of an unwell registry: keeping what is known");
                continue;
            }
            edit.apply(change, &mut |instance| Live::new(instance, &self.common));
        }
        for id in std::mem::take(&mut edit.up) {
            tracing::debug!(lookup = %self.lookup, instance = %id, "instance up");
        }
        let down = std::mem::take(&mut edit.down);
        self.current.store(Arc::new(edit.finish(&self.derive)));
        for (endpoint, cause) in down {
            tracing::debug!(lookup = %self.lookup, instance = %endpoint.instance.id, %cause, "instance down");
            endpoint.live.pool.withdraw();
        }
        self.common.changed.notify_waiters();
    }
}
