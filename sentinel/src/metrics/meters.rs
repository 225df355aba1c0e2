//! The counters, and how long the disk and the loop take. Shared between the loop, the history and the port.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Tally;
use crate::history::Entry;

/// All of them.
#[derive(Debug, Default)]
pub struct Meters {
    tally: Mutex<Tally>,
    /// Writes of the durable state, until the disk has them.
    pub saves: Timing,
    /// How late the loop woke.
    pub lag: Timing,
}

impl Meters {
    /// Counts a line of the history.
    pub fn count(&self, entry: &Entry) {
        // Nothing panics while it is held.
        if let Ok(mut tally) = self.tally.lock() {
            tally.count(entry);
        }
    }

    /// The counters as they are.
    pub fn tally(&self) -> Tally {
        self.tally.lock().map(|tally| tally.clone()).unwrap_or_default()
    }
}

/// How long something takes that happens again and again.
#[derive(Debug, Default)]
pub struct Timing {
    count: AtomicU64,
    micros: AtomicU64,
    longest: AtomicU64,
}

impl Timing {
    /// It took so long.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.longest.fetch_max(micros, Ordering::Relaxed);
    }

    /// How often it took any time.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How often, how long together, and the longest since the last time this was asked.
    pub(super) fn take(&self) -> (u64, Duration, Duration) {
        let time = |micros| Duration::from_micros(micros);
        let longest = self.longest.swap(0, Ordering::Relaxed);
        (self.count.load(Ordering::Relaxed), time(self.micros.load(Ordering::Relaxed)), time(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_that_since_the_last_look() {
        let timing = Timing::default();
        let ms = Duration::from_millis;
        [3, 9, 1].into_iter().for_each(|n| timing.add(ms(n)));
        assert_eq!(timing.take(), (3, ms(13), ms(9)));
        timing.add(ms(2));
        assert_eq!(timing.take(), (4, ms(15), ms(2)));
    }
}
