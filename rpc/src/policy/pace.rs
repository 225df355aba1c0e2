//! Calls spread out evenly: each gets its own moment. Pure.
//!
//! A moment is kept for who was told it; a call that is given up while it waits leaves it empty.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

/// When the next one may go.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two calls, in nanoseconds.
    between: u64,
    /// How long one may wait.
    at_most: Duration,
    /// The moment of the next call, in nanoseconds.
    next: AtomicU64,
}

impl Pace {
    pub(super) fn new(between: Duration, at_most: Duration) -> Self {
        Self { between: nanos(between), at_most, next: AtomicU64::new(0) }
    }

    /// When the call may go.
    ///
    /// # Errors
    /// When that is later than it may wait: when it is worth to ask again.
    pub(super) fn take(&self, now: Duration, left: Option<Duration>) -> Result<Duration, Duration> {
        let patience = left.map_or(self.at_most, |left| left.min(self.at_most));
        let taken = self.next.fetch_update(SeqCst, SeqCst, |next| {
            let moment = next.max(nanos(now));
            (moment - nanos(now) <= nanos(patience)).then(|| moment.saturating_add(self.between))
        });
        let at = |next: u64| Duration::from_nanos(next.max(nanos(now)));
        taken.map(at).map_err(|next| (at(next) - now).saturating_sub(patience))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_has_its_moment_and_nobody_waits_for_long() {
        let pace = Pace::new(10 * MS, 25 * MS);
        let now = 100 * MS;
        let taken: Vec<_> = (0..4).map(|_| pace.take(now, None)).collect();
        assert_eq!(taken, [Ok(now), Ok(110 * MS), Ok(120 * MS), Err(5 * MS)]);
        assert_eq!(pace.take(now + 5 * MS, None), Ok(130 * MS));
        assert_eq!(pace.take(now + 5 * MS, Some(30 * MS)), Err(10 * MS));
        assert_eq!(pace.take(now + 30 * MS, Some(5 * MS)), Err(5 * MS), "the deadline bounds it too");
        assert_eq!(pace.take(300 * MS, None), Ok(300 * MS), "what was not used is not made up for");
    }

    proptest! {
        /// Against a list of the moments.
        #[test]
        fn moments_are_never_closer(steps in prop::collection::vec((0u64..30, prop::option::of(0u64..40)), 1..100)) {
            let pace = Pace::new(10 * MS, 25 * MS);
            let (mut now, mut moments) = (0, Vec::<u64>::new());
            for (pause, left) in steps {
                now += pause;
                let free = moments.last().map_or(now, |last| now.max(last + 10));
                let patience = left.unwrap_or(25).min(25);
                let expected = if free - now <= patience { Ok(free) } else { Err(free - now - patience) };
                let seen = pace.take(Duration::from_millis(now), left.map(Duration::from_millis));
                let millis = |time: Duration| time.as_millis() as u64;
                prop_assert_eq!(seen.map(millis).map_err(millis), expected);
                moments.extend(expected);
            }
        }
    }
}
