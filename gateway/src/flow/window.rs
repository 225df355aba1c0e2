//! Requests that passed of late: Sentinel's sliding window of a second, and the second before. Pure.
//!
//! Two buckets of 500 ms make the last second (`LeapArray`, `StatisticNode` of Sentinel 1.8.9): as there, up to twice the limit can
//! pass around the edge of a bucket when requests come in bursts. Times are since the epoch, since seconds are those of the clock.

use std::time::Duration;

const BUCKET: u64 = 500;
const SECOND: u64 = 1000;

/// What has passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// By the number of the half second, from the epoch.
    halves: [(u64, u64); 2],
    /// By the number of the second: this one and the one before.
    seconds: [(u64, u64); 2],
}

impl Window {
    /// One passes.
    pub(super) fn pass(&mut self, now: Duration) {
        let now = millis(now);
        count(&mut self.halves, now / BUCKET);
        count(&mut self.seconds, now / SECOND);
    }

    /// One that passed at a moment did not, after all: something below refused it.
    pub(super) fn take_back(&mut self, then: Duration) {
        let then = millis(then);
        for (all, at) in [(&mut self.halves, then / BUCKET), (&mut self.seconds, then / SECOND)] {
            let slot = &mut all[(at % 2) as usize];
            if slot.0 == at {
                slot.1 = slot.1.saturating_sub(1);
            }
        }
    }

    /// How many passed within the last second.
    pub(super) fn passed(&self, now: Duration) -> u64 {
        let half = millis(now) / BUCKET;
        self.halves.iter().filter(|(at, _)| half.saturating_sub(*at) <= 1 && *at <= half).map(|(_, n)| n).sum()
    }

    /// How many passed in the second of the clock before this one.
    pub(super) fn before(&self, now: Duration) -> u64 {
        let second = millis(now) / SECOND;
        self.seconds.iter().filter(|(at, _)| *at + 1 == second).map(|(_, n)| n).sum()
    }

    /// When the older half of the window leaves it.
    pub(super) fn until_next(now: Duration) -> Duration {
        Duration::from_millis(BUCKET - millis(now) % BUCKET)
    }
}

fn count(all: &mut [(u64, u64); 2], at: u64) {
    let slot = &mut all[(at % 2) as usize];
    if slot.0 != at {
        *slot = (at, 0);
    }
    slot.1 += 1;
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of all moments.
        #[test]
        fn the_window_counts_what_a_list_counts(steps in prop::collection::vec((0u64..700, any::<bool>()), 1..60)) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::<u64>::new(), 1_700_000_000_000);
            for (step, stays) in steps {
                now += step;
                let at = Duration::from_millis(now);
                let from = (now / BUCKET).saturating_sub(1) * BUCKET;
                prop_assert_eq!(window.passed(at), all.iter().filter(|one| **one >= from).count() as u64);
                let second = now / SECOND;
                prop_assert_eq!(window.before(at), all.iter().filter(|one| *one / SECOND + 1 == second).count() as u64);
                window.pass(at);
                if stays {
                    all.push(now);
                } else {
                    window.take_back(at);
                }
            }
        }
    }
}
