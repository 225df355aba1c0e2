//! How long to wait before the next try: doubling, bounded, jittered. Pure; randomness comes in as an argument.
//!
//! The jitter is half of the wait ("equal jitter"): tries of many processes spread out, and none comes back at once.

use std::time::Duration;

/// A schedule of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first wait, before jitter.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    /// 100 ms, doubling up to 10 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 is the first): between a half and the whole of
    /// `first * 2^(failures - 1)`, at most `max`. It never ends: there is no last try.
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        spread(doubled.min(self.max), random)
    }
}

/// A wait between a half and the whole of `wait`.
pub(crate) fn spread(wait: Duration, random: u64) -> Duration {
    let share = (random >> 11) as f64 / (1u64 << 53) as f64;
    wait.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let backoff = Backoff::default();
        for (failures, millis) in [(0, 100), (1, 100), (2, 200), (5, 1600), (7, 6400), (8, 10_000), (1000, 10_000)] {
            let longest = backoff.delay(failures, u64::MAX).as_millis();
            let shortest = backoff.delay(failures, 0).as_millis();
            assert!((millis - 1..=millis).contains(&longest), "{failures}: {longest}");
            assert_eq!(shortest, millis / 2, "{failures}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_half_nor_longer_than_the_bound(failures: u32, random: u64) {
            let backoff = Backoff::default();
            let wait = backoff.delay(failures, random);
            prop_assert!(wait >= backoff.first / 2 && wait <= backoff.max);
        }
    }
}
