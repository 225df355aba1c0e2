//! Bounds what is queued for a peer that does not read.
//!
//! HTTP/2 keeps small bodies in memory until the peer's windows and the socket let them go. Each piece that is handed
//! over carries a receipt; dropping it, which happens when its bytes went into the socket's buffer or their stream was
//! reset, gives the bytes back. So the figure is exact, without knowing how HTTP/2 schedules.

use bytes::{Buf, Bytes};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The bytes that one connection has queued.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendBudget(Arc<AtomicUsize>);

impl SendBudget {
    /// Bytes that count until they are gone.
    pub(crate) fn charge(&self, bytes: Bytes) -> Charged {
        let len = bytes.len();
        self.0.fetch_add(len, Relaxed);
        Charged { bytes, len, budget: Some(self.clone()) }
    }

    /// How many bytes are queued.
    pub(crate) fn queued(&self) -> usize {
        self.0.load(Relaxed)
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
            budget.0.fetch_sub(self.len, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_they_are_gone() {
        let budget = SendBudget::default();
        let (mut a, b) = (budget.charge(Bytes::from_static(b"abc")), budget.charge(Bytes::from_static(b"de")));
        assert_eq!(budget.queued(), 5);
        a.advance(2);
        assert_eq!(budget.queued(), 5);
        drop(a);
        drop(b);
        assert_eq!(budget.queued(), 0);
    }
}
