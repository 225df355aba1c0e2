//! A rate that begins cold, and grows to its whole while it is used: Guava's and Alibaba Sentinel's formula. Pure.
//!
//! Who was idle for long has cold caches, no connections and code that has not run yet: the whole rate at once is more than it
//! takes. Idle time is stored as calls that were not made. The upper half of the store is expensive: at its top the time
//! between two calls is three times that of the whole rate, and falls evenly to it half way down. So a store that is full is
//! worked down to the half in just the time of the warm-up, and is full again after as long without calls. A use of half the
//! rate keeps it warm.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How much longer the time between two calls is when all is cold.
const COLD: f64 = 3.0;

/// When the next one may go, and how cold it is. Times are in seconds.
#[derive(Debug)]
pub(super) struct Warm {
    /// Between two calls when it is warm.
    between: f64,
    /// How much too early a call may come: what makes a burst, which is a third as large when it is cold.
    early: f64,
    /// How long a call may wait.
    at_most: f64,
    /// The calls that the full store holds.
    full: f64,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The moment of the next call.
    next: f64,
    /// Calls that were not made.
    stored: f64,
}

impl Warm {
    /// One call each `between`, of which `burst` may come at once, after a warm-up of `time`. A call waits for `at_most`.
    pub(super) fn new(between: Duration, burst: u32, at_most: Duration, time: Duration) -> Self {
        let between = between.as_secs_f64();
        let early = between * f64::from(burst.saturating_sub(1));
        let full = time.as_secs_f64() / between;
        let state = Mutex::new(State { next: 0.0, stored: full });
        Self { between, early, at_most: at_most.as_secs_f64(), full, state }
    }

    /// When the call may go.
    ///
    /// # Errors
    /// When that is later than it may wait: when it is worth to ask again.
    pub(super) fn take(&self, now: Duration, left: Option<Duration>) -> Result<Duration, Duration> {
        let at = now.as_secs_f64();
        let patience = left.map_or(self.at_most, |left| left.as_secs_f64().min(self.at_most));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = (at - state.next).max(0.0);
        let stored = (state.stored + idle / self.between).min(self.full);
        let next = state.next.max(at);
        let wait = (next - self.early - at).max(0.0);
        if wait > patience + ROUNDING {
            return Err(Duration::from_secs_f64(wait - patience));
        }
        *state = State { next: next + self.cost(stored), stored: (stored - 1.0).max(0.0) };
        // A wait that is none is no matter of rounding.
        Ok(if wait <= ROUNDING { now } else { now + Duration::from_secs_f64(wait) })
    }

    /// The time that one call takes out of the store: the area under the line of times, from there to one below.
    fn cost(&self, stored: f64) -> f64 {
        let half = self.full / 2.0;
        let (above, below) = ((stored - half).max(0.0), (stored - 1.0 - half).max(0.0));
        let extra = if half > 0.0 { (COLD - 1.0) * (above * above - below * below) / (2.0 * half) } else { 0.0 };
        self.between * (1.0 + extra)
    }
}

/// Less than what the clock tells apart.
const ROUNDING: f64 = 5e-10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    /// Calls that are let in from second to second, of so many that ask evenly.
    fn let_in(warm: &Warm, asking: u32, from: u32, seconds: u32) -> Vec<usize> {
        let ask = |at: u32| warm.take(S * at / asking, None).is_ok();
        (from..from + seconds).map(|second| (0..asking).filter(|i| ask(second * asking + i)).count()).collect()
    }

    #[test]
    fn it_begins_with_a_third_and_grows_to_the_whole() {
        let warm = Warm::new(10 * MS, 1, Duration::ZERO, 10 * S);
        let counts = let_in(&warm, 1000, 1, 14);
        assert!((33..=36).contains(&counts[0]), "{counts:?}");
        assert!(counts.is_sorted(), "{counts:?}");
        // Half of the store is 500 calls, less what is stored while each waits for its millisecond.
        assert!((450..=500).contains(&counts[..10].iter().sum::<usize>()), "{counts:?}");
        assert_eq!(counts[12..], [100; 2], "{counts:?}");
    }

    #[test]
    fn a_quiet_time_cools_it_and_half_the_rate_keeps_it_warm() {
        let warm = Warm::new(10 * MS, 1, Duration::ZERO, 10 * S);
        let_in(&warm, 1000, 1, 20);
        assert_eq!(let_in(&warm, 50, 21, 30), [50; 30]);
        assert!(let_in(&warm, 1000, 51, 1)[0] >= 97, "it is warm");
        assert!((33..=36).contains(&let_in(&warm, 1000, 70, 1)[0]), "it was idle for long");
    }

    #[test]
    fn a_burst_is_a_third_when_it_is_cold() {
        let at_once = |warm: &Warm, at| (0..1000).filter(|_| warm.take(at, None).is_ok()).count();
        let warm = Warm::new(10 * MS, 100, Duration::ZERO, 10 * S);
        assert_eq!(at_once(&warm, S), 34);
        let_in(&warm, 1000, 2, 20);
        assert!((95..=100).contains(&at_once(&warm, S * 23)), "a second without calls cools it by a tenth at most");
    }

    #[test]
    fn spread_out_each_has_its_moment_and_a_refusal_says_when_to_come_again() {
        let warm = Warm::new(10 * MS, 1, 40 * MS, 10 * S);
        let taken: Vec<_> = (0..3).map(|_| warm.take(S, None)).collect();
        assert_eq!(taken[0], Ok(S));
        let second = taken[1].unwrap() - S;
        assert!(second > 29 * MS && second < 30 * MS, "{second:?}");
        let again = taken[2].unwrap_err();
        assert!(again > 19 * MS && again < 20 * MS, "{again:?}");
        assert!(warm.take(S + again, None).is_ok());
        assert!(warm.take(S, Some(5 * MS)).is_err(), "the deadline bounds it too");
    }

    /// The same, in small steps: what a call takes out of the store is paid for bit by bit.
    struct Slow {
        between: f64,
        full: f64,
        next: f64,
        stored: f64,
    }

    impl Slow {
        fn ask(&mut self, at: f64, early: f64) -> Option<bool> {
            const BITS: u32 = 2000;
            if at > self.next {
                self.stored = (self.stored + (at - self.next) / self.between).min(self.full);
                self.next = at;
            }
            let over = self.next - early - at;
            // So close that the steps decide.
            if over.abs() < self.between * 0.01 && over != 0.0 {
                return None;
            }
            if over > 0.0 {
                return Some(false);
            }
            for _ in 0..BITS {
                let bit = 1.0 / f64::from(BITS);
                let cold = ((self.stored - bit / 2.0) / self.full * 2.0 - 1.0).clamp(0.0, 1.0);
                self.next += bit * self.between * (1.0 + cold * (COLD - 1.0));
                self.stored = (self.stored - bit).max(0.0);
            }
            Some(true)
        }
    }

    proptest! {
        /// Against a slow model.
        #[test]
        fn it_is_the_formula(
            (between, burst, time) in (1u64..40, 1u32..8, 50u64..2000),
            pauses in prop::collection::vec(0u64..80, 1..120),
        ) {
            let (gap, long) = (Duration::from_millis(between), Duration::from_millis(time));
            let warm = Warm::new(gap, burst, Duration::ZERO, long);
            let (between, time) = (gap.as_secs_f64(), long.as_secs_f64());
            let mut slow = Slow { between, full: time / between, next: 0.0, stored: time / between };
            let mut now = Duration::ZERO;
            for pause in pauses {
                now += Duration::from_millis(pause);
                let Some(expected) = slow.ask(now.as_secs_f64(), between * f64::from(burst - 1)) else { break };
                prop_assert_eq!(warm.take(now, None).is_ok(), expected);
            }
        }
    }
}
