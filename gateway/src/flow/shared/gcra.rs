//! GCRA, the leaky bucket as a single number: the moment at which the bucket of a key is empty again. Pure: the time comes in.
//!
//! In whole microseconds, as `script.rs` has it for Redis; here it is for the time in which the store is away.

use std::time::Duration;

/// A rate: one after each `step`, and a burst that takes `whole` to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) step: u64,
    pub(super) whole: u64,
}

/// What is said of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many more may pass at once, and the bucket is empty again after a time.
    Pass { remaining: u64, reset: Duration },
    /// The next one may pass after the first time.
    Limited { retry_after: Duration, reset: Duration },
}

impl Rate {
    /// `count` in each `per`, and up to `burst` at once.
    pub(super) fn new(count: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_micros()).unwrap_or(u64::MAX);
        let step = (per / u64::from(count.max(1))).max(1);
        Self { step, whole: step.saturating_mul(u64::from(burst.max(1))) }
    }

    /// The share of one of several gateways.
    pub(super) fn share(self, of: u32) -> Self {
        let of = u64::from(of.max(1));
        let burst = (self.whole / self.step / of).max(1);
        let step = self.step.saturating_mul(of);
        Self { step, whole: step.saturating_mul(burst) }
    }

    /// Asks for one request. `empty` is what is kept of a key: 0 of one that was not seen.
    pub(super) fn ask(self, empty: &mut u64, now: u64) -> Answer {
        // No bucket holds more than the whole: a clock that was ahead shuts nobody out.
        let level = (*empty).clamp(now, now.saturating_add(self.whole)) - now;
        let Some(room) = self.whole.checked_sub(level + self.step) else {
            let retry_after = Duration::from_micros(level + self.step - self.whole);
            return Answer::Limited { retry_after, reset: Duration::from_micros(level) };
        };
        *empty = now + level + self.step;
        Answer::Pass { remaining: room / self.step, reset: Duration::from_micros(level + self.step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: u64 = 1_700_000_000_000_000;

    #[test]
    fn a_burst_then_one_after_each_step() {
        let rate = Rate::new(6, Duration::from_secs(60), 3);
        let mut empty = 0;
        let mut ask = |at: u64| rate.ask(&mut empty, START + at * 1_000_000);
        let pass = |remaining, seconds| Answer::Pass { remaining, reset: Duration::from_secs(seconds) };
        assert_eq!([ask(0), ask(0), ask(0)], [pass(2, 10), pass(1, 20), pass(0, 30)]);
        let limited = |after, reset| Answer::Limited {
            retry_after: Duration::from_secs(after),
            reset: Duration::from_secs(reset),
        };
        assert_eq!([ask(0), ask(4)], [limited(10, 30), limited(6, 26)]);
        assert_eq!([ask(10), ask(10)], [pass(0, 30), limited(10, 30)]);
        assert_eq!(ask(1000), pass(2, 10));
    }

    #[test]
    fn a_clock_that_went_back_shuts_nobody_out_for_longer_than_the_whole() {
        let rate = Rate::new(1, Duration::from_secs(1), 2);
        let mut empty = START + 3600 * 1_000_000;
        let Answer::Limited { retry_after, .. } = rate.ask(&mut empty, START) else { panic!("it is limited") };
        assert_eq!(retry_after, Duration::from_secs(1));
    }

    #[test]
    fn the_share_of_one_of_several() {
        let rate = Rate::new(10, Duration::from_secs(10), 10);
        assert_eq!(rate.share(2), Rate::new(5, Duration::from_secs(10), 5));
        assert_eq!(rate.share(100), Rate { step: 100_000_000, whole: 100_000_000 }, "one at once, at least");
    }

    proptest! {
        /// Against a list of all that passed: one more may pass when since none of them more passed than the burst and what the
        /// time since then is worth.
        #[test]
        fn as_many_pass_as_a_list_says(
            steps in prop::collection::vec(0u64..3_000_000, 1..80), count in 1u32..8, burst in 1u32..6,
        ) {
            let rate = Rate::new(count, Duration::from_secs(5), burst);
            let (mut empty, mut passed, mut now) = (0, Vec::<u64>::new(), START);
            for step in steps {
                now += step;
                let fits = (0..passed.len()).all(|from| {
                    let many = (passed.len() - from + 1) as u64;
                    many * rate.step <= rate.whole + (now - passed[from])
                });
                let answer = rate.ask(&mut empty, now);
                prop_assert_eq!(matches!(answer, Answer::Pass { .. }), fits, "{:?}", answer);
                if fits {
                    passed.push(now);
                }
            }
        }
    }
}
