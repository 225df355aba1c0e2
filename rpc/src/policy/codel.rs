//! Who has stood in line for too long: CoDel, as Facebook runs it before its servers. Pure.
//!
//! A line that empties now and then is a burst, and does good. One in which even the luckiest call of an interval waited
//! for longer than the target only makes everybody late: then those that waited for more than twice the target are let
//! go, at once, until somebody gets through quickly again.

use std::time::Duration;

/// How long even the luckiest call may wait.
pub(super) const TARGET: Duration = Duration::from_millis(5);
/// Over which time the luckiest one is looked for.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// The state of a line.
#[derive(Debug, Default)]
pub(crate) struct Codel {
    /// When the interval ends.
    end: Duration,
    /// The least wait of the interval.
    least: Duration,
    overloaded: bool,
}

impl Codel {
    /// A call is at the head of the line after `waited`: shall it be let go?
    pub(crate) fn sheds(&mut self, waited: Duration, now: Duration) -> bool {
        if now >= self.end {
            self.overloaded = self.least > TARGET;
            self.end = now + INTERVAL;
            // The first one of an interval is never let go: it measures.
            self.least = waited;
            return false;
        }
        self.least = self.least.min(waited);
        self.overloaded && waited > 2 * TARGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// Who is let go of those that come at `at` after `waited`, both in milliseconds.
    fn shed(calls: &[(u32, u32)]) -> Vec<bool> {
        let mut codel = Codel::default();
        calls.iter().map(|(at, waited)| codel.sheds(MS * *waited, MS * *at)).collect()
    }

    #[test]
    fn a_burst_is_served_and_a_standing_line_is_cut() {
        // One that got through quickly: a burst.
        assert_eq!(shed(&[(0, 0), (10, 50), (20, 90), (100, 99), (110, 99)]), [false; 5]);
        // Nobody did, for an interval.
        assert_eq!(shed(&[(0, 20), (10, 50), (20, 90), (100, 99), (110, 99)]), [false, false, false, false, true]);
        // And who waited for less than twice the target stays, and ends it.
        let calls = [(0, 20), (100, 99), (110, 9), (120, 11), (130, 2), (200, 50), (210, 50)];
        assert_eq!(shed(&calls), [false, false, false, true, false, false, false]);
    }

    proptest! {
        /// Against the rule over a list of all that happened.
        #[test]
        fn it_is_the_rule(calls in prop::collection::vec((0u32..40, 0u32..30), 1..200)) {
            let mut codel = Codel::default();
            let (mut now, mut intervals): (u32, Vec<(u32, Vec<u32>)>) = (0, Vec::new());
            for (pause, waited) in calls {
                now += pause;
                let first = intervals.last().is_none_or(|(began, _)| now >= began + 100);
                let before = intervals.len().checked_sub(2).map(|before| intervals[before].1.iter().min());
                let overloaded = before.flatten().is_some_and(|least| *least > 5);
                if first {
                    intervals.push((now, vec![waited]));
                } else if let Some((_, all)) = intervals.last_mut() {
                    all.push(waited);
                }
                prop_assert_eq!(codel.sheds(MS * waited, MS * now), !first && overloaded && waited > 10);
            }
        }
    }
}
