//! What share of its weight an instance gets while it warms up, or after it was left out. Pure.
//!
//! It grows evenly from a hundredth, as Dubbo's warm-up does. Where all began together, all get the same: what counts is
//! the share beside that of the one which has run the longest.

use std::time::Duration;

/// The least share.
const LEAST: f32 = 0.01;

/// The share after `since`, of something that takes `over`.
pub(crate) fn ramp(since: Duration, over: Duration) -> f32 {
    if since >= over {
        return 1.0;
    }
    (since.as_secs_f32() / over.as_secs_f32()).max(LEAST)
}

/// When the oldest and the newest of all began to serve, in milliseconds since the epoch. Who does not say is warm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    oldest: u64,
    newest: u64,
}

impl Ages {
    pub(crate) fn of(began: impl Iterator<Item = u64> + Clone) -> Self {
        Self { oldest: began.clone().min().unwrap_or(0), newest: began.max().unwrap_or(0) }
    }

    /// Somebody is warming up at `now`, in milliseconds since the epoch, beside others that are warmer.
    pub(crate) fn warming(&self, now: u64, warm_up: Duration) -> bool {
        now.saturating_sub(self.newest) < millis(warm_up) && self.newest != self.oldest
    }

    /// The share of one that began at `began`, beside the oldest.
    pub(crate) fn share(&self, began: u64, now: u64, warm_up: Duration) -> f32 {
        if began == self.oldest {
            return 1.0;
        }
        let one = |began: u64| match began {
            0 => 1.0,
            // A clock that is ahead of ours: it has just begun.
            began => ramp(Duration::from_millis(now.saturating_sub(began)), warm_up),
        };
        (one(began) / one(self.oldest)).min(1.0)
    }
}

/// A time in milliseconds, as a word.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1000;
    const OVER: Duration = Duration::from_secs(600);

    #[test]
    fn a_new_one_grows_beside_an_old_one() {
        let ages = Ages::of([10 * S, 5_000 * S].into_iter());
        for (now, share) in [(4_000, 0.01), (5_000, 0.01), (5_060, 0.1), (5_300, 0.5), (5_599, 599.0 / 600.0)] {
            assert!((ages.share(5_000 * S, now * S, OVER) - share).abs() < 1e-4, "{now}");
            assert!(ages.warming(now * S, OVER) && ages.share(10 * S, now * S, OVER) == 1.0);
        }
        assert!(!ages.warming(5_600 * S, OVER) && ages.share(5_000 * S, 5_600 * S, OVER) == 1.0);
    }

    #[test]
    fn who_began_together_or_does_not_say_is_not_held_back() {
        let together = Ages::of([7 * S; 3].into_iter());
        assert!(together.share(7 * S, 8 * S, OVER) == 1.0 && !together.warming(8 * S, OVER));
        assert!(!Ages::of([0, 0].into_iter()).warming(8 * S, OVER));
        assert_eq!(Ages::of([0, 7 * S].into_iter()).share(0, 8 * S, OVER), 1.0);
        assert!(!Ages::of([0, 7 * S].into_iter()).warming(8 * S, Duration::ZERO), "it can be switched off");
    }

    proptest! {
        #[test]
        fn who_is_older_has_no_less_and_the_oldest_has_all(began in prop::collection::vec(1u64..2_000, 1..6), now in 0u64..3_000) {
            let mut began: Vec<u64> = began.into_iter().map(|at| at * S).collect();
            began.sort_unstable();
            let ages = Ages::of(began.iter().copied());
            let shares: Vec<f32> = began.iter().map(|at| ages.share(*at, now * S, OVER)).collect();
            prop_assert!(shares[0] == 1.0 && shares.is_sorted_by(|older, newer| older >= newer), "{:?}", shares);
            prop_assert!(shares.iter().all(|share| *share >= LEAST));
        }

        #[test]
        fn a_ramp_grows(since in 0u64..700, more in 0u64..50) {
            let at = |seconds| ramp(Duration::from_secs(seconds), OVER);
            prop_assert!(at(since) <= at(since + more) && (LEAST..=1.0).contains(&at(since)));
        }
    }
}
