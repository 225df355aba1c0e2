//! How many of the last calls were bad: of a time, or of a number of calls. Pure.
//!
//! The time is cut into ten parts, each of which is one word, so that a call costs an addition and no lock. The window moves
//! part by part. Of two threads that begin a part at once, neither is lost.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

const PARTS: u64 = 10;
/// The bits of each of the two counts of a part; what is left over holds which round of the window the part is of.
const BITS: u32 = 20;
const MASK: u64 = (1 << BITS) - 1;
/// Where counting ends. Threads may have read the count before and still add, hence the room above.
const FULL: u64 = MASK - 1024;

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) bad: u64,
}

/// A window.
#[derive(Debug)]
pub(crate) enum Window {
    /// The calls of a time, in parts of so many nanoseconds.
    Time { part: u64, parts: [AtomicU64; PARTS as usize] },
    /// The last calls, and how many of them are kept.
    Calls { last: Mutex<VecDeque<bool>>, most: usize },
}

impl Window {
    pub(crate) fn time(time: Duration) -> Self {
        let part = nanos(time / PARTS as u32).max(1);
        Self::Time { part, parts: Default::default() }
    }

    pub(crate) fn calls(most: u32) -> Self {
        Self::Calls { last: Mutex::default(), most: most.max(1) as usize }
    }

    /// A call has ended.
    pub(crate) fn add(&self, bad: bool, now: Duration) {
        match self {
            Self::Time { part, parts } => {
                let (index, round) = place(now, *part);
                add(&parts[index], round, 1 | u64::from(bad) << BITS);
            }
            Self::Calls { last, most } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.len() == *most {
                    last.pop_front();
                }
                last.push_back(bad);
            }
        }
    }

    /// What it holds now.
    pub(crate) fn counts(&self, now: Duration) -> Counts {
        match self {
            Self::Time { part, parts } => {
                let (last, round) = place(now, *part);
                let mut counts = Counts::default();
                for (index, packed) in parts.iter().enumerate() {
                    let packed = packed.load(Relaxed);
                    let of_round = if index <= last { Some(round) } else { round.checked_sub(1) };
                    if of_round == Some(packed >> (2 * BITS)) {
                        counts.calls += packed & MASK;
                        counts.bad += packed >> BITS & MASK;
                    }
                }
                counts
            }
            Self::Calls { last, .. } => {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                Counts { calls: last.len() as u64, bad: last.iter().filter(|bad| **bad).count() as u64 }
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        match self {
            Self::Time { parts, .. } => parts.iter().for_each(|part| part.store(0, Relaxed)),
            Self::Calls { last, .. } => last.lock().unwrap_or_else(PoisonError::into_inner).clear(),
        }
    }
}

/// The part that a moment falls into, and the round it is of, which wraps after years.
fn place(now: Duration, part: u64) -> (usize, u64) {
    let tick = nanos(now) / part;
    ((tick % PARTS) as usize, (tick / PARTS) & (u64::MAX >> (2 * BITS)))
}

/// As a word: centuries fit.
fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
}

fn add(part: &AtomicU64, round: u64, what: u64) {
    loop {
        let old = part.load(Relaxed);
        if old >> (2 * BITS) == round {
            if old & MASK < FULL {
                part.fetch_add(what, Relaxed);
            }
            return;
        }
        if part.compare_exchange(old, round << (2 * BITS) | what, Relaxed, Relaxed).is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn counts_do_not_run_over() {
        let part = AtomicU64::new(0);
        for _ in 0..MASK + 5000 {
            add(&part, 3, 1);
        }
        let window =
            Window::Time { part: nanos(MS), parts: std::array::from_fn(|_| AtomicU64::new(part.load(Relaxed))) };
        let counts = window.counts(39 * MS);
        assert_eq!(counts, Counts { calls: FULL * PARTS, bad: 0 });
    }

    proptest! {
        /// Against a list of all calls.
        #[test]
        fn the_last_calls_are_counted(
            by_time: bool,
            calls in prop::collection::vec((0u32..400, any::<bool>()), 1..150),
            clear_at in 0usize..150,
        ) {
            let window = if by_time { Window::time(1000 * MS) } else { Window::calls(20) };
            let (mut now, mut all) = (0, Vec::new());
            for (index, (pause, bad)) in calls.into_iter().enumerate() {
                now += pause;
                if index == clear_at {
                    window.clear();
                    all.clear();
                }
                window.add(bad, MS * now);
                all.push((now / 100, bad));
                now += pause / 2;
                let recent = all.iter().rev().enumerate();
                let recent = recent.filter(|(i, (part, _))| if by_time { part + 10 > now / 100 } else { *i < 20 });
                let recent: Vec<bool> = recent.map(|(_, (_, bad))| *bad).collect();
                let counts = window.counts(MS * now);
                let bad = recent.iter().filter(|bad| **bad).count() as u64;
                prop_assert_eq!(counts, Counts { calls: recent.len() as u64, bad });
            }
        }
    }
}
