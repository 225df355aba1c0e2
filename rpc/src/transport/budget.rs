//! Bounds what is queued for a peer that does not read.
//!
//! HTTP/2 keeps small bodies in memory until the peer's windows and the socket let them go. Each piece that is handed
//! over carries a receipt; dropping it, which happens when its bytes went into the socket's buffer or their stream was
//! reset, gives the bytes back. So the figure is exact, without knowing how HTTP/2 schedules. Flow control is no such
//! bound: the windows are the peer's word, and one that announces huge windows and reads nothing would have each of its
//! streams queued in full.

use bytes::{Buf, Bytes};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::Notify;

/// The bytes that one connection has queued.
#[derive(Clone, Debug)]
pub(crate) struct SendBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    queued: AtomicUsize,
    /// Who waits for room.
    waiting: AtomicUsize,
    room: Notify,
}

impl SendBudget {
    /// A budget of `max` bytes, above which what can wait does.
    pub(crate) fn new(max: usize) -> Self {
        let (queued, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { max, queued, waiting, room: Notify::new() }))
    }

    /// Bytes that count until they are gone.
    pub(crate) fn charge(&self, bytes: Bytes) -> Charged {
        let len = bytes.len();
        self.0.queued.fetch_add(len, SeqCst);
        Charged { bytes, len, budget: Some(self.clone()) }
    }

    /// How many bytes are queued.
    pub(crate) fn queued(&self) -> usize {
        self.0.queued.load(SeqCst)
    }

    /// More is queued than should be.
    pub(crate) fn is_full(&self) -> bool {
        self.queued() > self.0.max
    }

    /// Waits until the budget is not full. Cancel safe.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            // Only now is anyone listening: bytes that go on the way to work wake nobody.
            self.0.waiting.fetch_add(1, SeqCst);
            let waiting = Waiting(&self.0);
            let mut room = std::pin::pin!(self.0.room.notified());
            room.as_mut().enable();
            if self.is_full() {
                room.await;
            }
            drop(waiting);
            // One at a time, each waking the next while there is room: not all of them for each piece that went out.
            self.wake();
        }
    }

    fn wake(&self) {
        if self.0.waiting.load(SeqCst) > 0 && !self.is_full() {
            self.0.room.notify_one();
        }
    }
}

struct Waiting<'a>(&'a Inner);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// Bytes that are queued for a peer.
#[derive(Debug, Default)]
pub(crate) struct Charged {
    bytes: Bytes,
    len: usize,
    budget: Option<SendBudget>,
}

impl Buf for Charged {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, n: usize) {
        self.bytes.advance(n);
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.0.queued.fetch_sub(self.len, SeqCst);
            budget.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_they_are_gone() {
        let budget = SendBudget::new(4);
        let (mut a, b) = (budget.charge(Bytes::from_static(b"abc")), budget.charge(Bytes::from_static(b"de")));
        assert_eq!(budget.queued(), 5);
        a.advance(2);
        assert_eq!(budget.queued(), 5);
        drop(a);
        drop(b);
        assert_eq!(budget.queued(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_one_by_one() {
        let budget = SendBudget::new(0);
        let first = budget.charge(Bytes::from_static(b"a"));
        let (sender, mut through) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..3 {
            let (budget, sender) = (budget.clone(), sender.clone());
            tokio::spawn(async move {
                budget.room().await;
                sender.send(budget.charge(Bytes::from_static(b"b"))).unwrap();
            });
        }
        let leaves = tokio::spawn({
            let budget = budget.clone();
            async move { budget.room().await }
        });
        tokio::task::yield_now().await;
        assert!(through.try_recv().is_err());
        leaves.abort();
        assert!(leaves.await.unwrap_err().is_cancelled());
        drop(first);
        for _ in 0..3 {
            let charged = through.recv().await.unwrap();
            tokio::task::yield_now().await;
            assert!(through.try_recv().is_err());
            drop(charged);
        }
        assert_eq!((budget.queued(), budget.0.waiting.load(SeqCst)), (0, 0));
    }
}
