//! How many calls may be sent again: a share of all calls of the last ten seconds, and a few in any case. Pure: the time
//! is an argument, counted from any fixed moment.
//!
//! Retries mend a failure here and there. When most calls fail they only add load to what is down already; the budget
//! keeps what they add at a fifth.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Seconds that are remembered.
const WINDOW: u64 = 10;

/// A budget for retries, shared by all calls of a client.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Retries per hundred calls.
    percent: u64,
    /// Retries per second that are allowed in any case.
    at_least: u64,
    /// Calls per second of the window.
    calls: [Slot; WINDOW as usize],
    /// Retries per second of the window: the second, and how many.
    retries: Mutex<[(u64, u64); WINDOW as usize]>,
}

/// A count that belongs to one second: the second above, the count below.
#[derive(Debug, Default)]
struct Slot(AtomicU64);

impl Slot {
    fn add(&self, second: u64) {
        let old = self.0.load(Relaxed);
        if old >> 32 == second {
            self.0.fetch_add(1, Relaxed);
        } else {
            // Of several that begin a second at once, a few may be lost: the budget is a rule of thumb.
            let _ = self.0.compare_exchange(old, second << 32 | 1, Relaxed, Relaxed);
        }
    }

    fn since(&self, first: u64) -> u64 {
        let packed = self.0.load(Relaxed);
        if packed >> 32 >= first { packed & u64::from(u32::MAX) } else { 0 }
    }
}

impl Budget {
    pub(crate) fn new(percent: u32, at_least_per_second: u32) -> Self {
        Self {
            percent: percent.into(),
            at_least: at_least_per_second.into(),
            calls: Default::default(),
            retries: Mutex::default(),
        }
    }

    /// A call is made for the first time.
    pub(crate) fn call(&self, now: Duration) {
        // The first second is 1: an empty slot is of second 0, which never comes.
        let second = now.as_secs() + 1;
        self.calls[(second % WINDOW) as usize].add(second);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn retry(&self, now: Duration) -> bool {
        let second = now.as_secs() + 1;
        let first = (second + 1).saturating_sub(WINDOW);
        let calls: u64 = self.calls.iter().map(|slot| slot.since(first)).sum();
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let spent: u64 = retries.iter().filter(|(at, _)| *at >= first).map(|(_, count)| count).sum();
        if spent >= (calls * self.percent / 100).max(self.at_least * WINDOW) {
            return false;
        }
        let slot = &mut retries[(second % WINDOW) as usize];
        *slot = (second, if slot.0 == second { slot.1 + 1 } else { 1 });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_total_outage_costs_a_fifth_more() {
        let budget = Budget::new(20, 10);
        let (mut calls, mut retries) = (0, 0);
        // 500 calls/s for a minute, each of which wants two retries.
        for i in 0..30_000u64 {
            let now = Duration::from_millis(2 * i);
            budget.call(now);
            calls += 1;
            retries += u64::from(budget.retry(now)) + u64::from(budget.retry(now));
        }
        assert!(retries * 100 <= calls * 21 && retries * 100 >= calls * 18, "{retries} of {calls}");
    }

    #[test]
    fn a_quiet_client_may_still_retry_and_old_retries_are_forgotten() {
        let budget = Budget::new(20, 10);
        let take = |second| (0..1000).filter(|_| budget.retry(Duration::from_secs(second))).count();
        assert_eq!((take(0), take(5), take(9), take(10), take(19)), (100, 0, 0, 100, 0));
    }

    proptest! {
        /// Against a list of all that happened.
        #[test]
        fn it_counts_the_window(steps in prop::collection::vec((0u64..3000, 0u32..40, 0u32..40), 1..60)) {
            let budget = Budget::new(20, 1);
            let (mut now, mut calls, mut retries) = (0u64, Vec::new(), Vec::new());
            for (pause, called, wanted) in steps {
                now += pause;
                let at = Duration::from_millis(now);
                let recent = |all: &[u64]| all.iter().filter(|second| **second + WINDOW > now / 1000).count() as u64;
                for _ in 0..called {
                    budget.call(at);
                    calls.push(now / 1000);
                }
                for _ in 0..wanted {
                    let expected = recent(&retries) < (recent(&calls) * 20 / 100).max(WINDOW);
                    prop_assert_eq!(budget.retry(at), expected);
                    if expected {
                        retries.push(now / 1000);
                    }
                }
            }
        }
    }
}
