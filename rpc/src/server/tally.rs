//! Counts what is under way, and tells when nothing is left: drains wait for it, and tests for leaks read it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// A count of things under way. A clone is the same count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicUsize,
    /// Who waits for the count to fall.
    waiting: AtomicUsize,
    fewer: Notify,
}

#[cfg(feature = "server")]
struct Waiting<'a>(&'a Inner);

#[cfg(feature = "server")]
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tally {
    /// Counts one more, until the guard is dropped.
    pub(crate) fn enter(&self) -> Counted {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }
}

#[cfg(feature = "server")]
impl Tally {
    /// Waits until nothing is under way. Cancel safe.
    pub(crate) async fn zero(&self) {
        self.below(1).await;
    }

    /// Waits until less than `bound` is under way. Cancel safe.
    pub(crate) async fn below(&self, bound: usize) {
        loop {
            let mut fewer = std::pin::pin!(self.0.fewer.notified());
            if self.count() < bound {
                return;
            }
            fewer.as_mut().enable();
            if self.count() < bound {
                return;
            }
            // Only now is anyone listening: a guard that is dropped on the way to work wakes nobody.
            self.0.waiting.fetch_add(1, Ordering::SeqCst);
            let waiting = Waiting(&self.0);
            if self.count() >= bound {
                fewer.await;
            }
            drop(waiting);
        }
    }
}

/// One thing under way.
#[derive(Debug)]
pub(crate) struct Counted(Tally);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::SeqCst);
        if self.0.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.0.fewer.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn zero_comes_when_the_last_guard_is_gone() {
        let tally = Tally::default();
        tally.zero().await;
        let (a, b) = (tally.enter(), tally.enter());
        let waiter = tokio::spawn({
            let tally = tally.clone();
            async move { tally.zero().await }
        });
        drop(a);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(b);
        waiter.await.unwrap();
    }
}
