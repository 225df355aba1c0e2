//! The better of two that were drawn by weight, "power of two choices". Pure.
//!
//! The better one is that with the lower cost: the latency that is usual there, times the calls it would stand in line
//! with, seen against its share. Comparing two is as good as comparing all, costs the same for ten as for ten thousand,
//! and sends no herd to the one that looks best. A difference that noise explains does not count, so that weights stay
//! shares between endpoints that are equally fast.

use super::{Candidates, Die, LoadBalance, draw};
use std::time::Duration;

/// How much cheaper the second must be to win over the first.
const CLEARLY: f32 = 1.25;

/// Picks the better of two.
#[derive(Debug)]
pub(crate) struct P2c;

impl LoadBalance for P2c {
    fn name(&self) -> &'static str {
        "p2c"
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize> {
        let first = draw(among, None, now, dice)?;
        if among.shares().len() == 1 {
            return Some(first);
        }
        let Some(second) = draw(among, Some(first), now, dice) else { return Some(first) };
        let latency = |index: usize| among.load(index).latency(now);
        let idle = |index: usize| among.load(index).in_flight() == 0;
        let (one, other) = match (latency(first), latency(second)) {
            (Some(one), Some(other)) => (one, other),
            // Of whom nothing is known, one call at a time will tell; else it is taken to be like the other.
            (None, Some(_)) if idle(first) => return Some(first),
            (Some(_), None) if idle(second) => return Some(second),
            _ => (1.0, 1.0),
        };
        let part = |index: usize| among.shares().relative(index) * among.share(index, now);
        let line = |index: usize| 1.0 + among.load(index).in_flight() as f32 / part(index);
        let second_wins = one * line(first) > other * line(second) * CLEARLY;
        Some(if second_wins { second } else { first })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_fast_one_is_preferred() {
        let few = Few::new(&[100, 100, 100]);
        for (load, latency) in few.loads.iter().zip([200 * MS, MS, MS]) {
            load.observe(latency, Duration::ZERO);
        }
        let counts = few.count(&P2c, 3000, 9);
        assert!(counts[0] == 0 && counts[1] > 1300 && counts[2] > 1300, "{counts:?}");
    }

    #[test]
    fn a_line_counts_as_much_as_latency() {
        let few = Few::new(&[100, 100]);
        (0..8).for_each(|_| few.loads[0].enter());
        assert_eq!(few.count(&P2c, 100, 2), [0, 100]);
        // Twenty times as fast makes up for a line of eight.
        few.loads[0].observe(MS, Duration::ZERO);
        few.loads[1].observe(20 * MS, Duration::ZERO);
        assert_eq!(few.count(&P2c, 100, 2), [100, 0]);
    }

    #[test]
    fn one_call_at_a_time_explores_the_unknown() {
        let few = Few::new(&[100, 100]);
        few.loads[0].observe(MS, Duration::ZERO);
        assert_eq!(few.count(&P2c, 20, 3), [0, 20]);
        few.loads[1].enter();
        assert_eq!(few.count(&P2c, 20, 3), [20, 0], "the second one stands in no line");
    }

    #[test]
    fn noise_does_not_count() {
        let few = Few::new(&[100, 100]);
        few.loads[0].observe(MS, Duration::ZERO);
        few.loads[1].observe(MS + MS / 10, Duration::ZERO);
        let counts = few.count(&P2c, 1000, 4);
        assert!(counts[1] > 430, "{counts:?}");
    }

    #[test]
    fn a_slow_one_is_tried_again_when_its_slowness_is_old() {
        let few = Few::new(&[100, 100]);
        few.loads[0].observe(200 * MS, Duration::ZERO);
        few.loads[1].observe(MS, Duration::ZERO);
        let mut dice = die(1);
        let mut tried = None;
        for second in 1..60 {
            let now = Duration::from_secs(second);
            few.loads[1].observe(MS, now);
            if (0..20).any(|_| P2c.pick(&few, now, &mut dice) == Some(0)) {
                tried = Some(second);
                break;
            }
        }
        assert!(tried.is_some_and(|second| (10..40).contains(&second)), "{tried:?}");
    }

    #[test]
    fn under_load_shares_are_kept_roughly() {
        // Twenty calls are always under way; the oldest ends when the next begins.
        let few = Few::new(&[100, 300]);
        let mut dice = die(11);
        let (mut line, mut counts) = (std::collections::VecDeque::new(), [0usize; 2]);
        for _ in 0..4000 {
            let index = P2c.pick(&few, Duration::ZERO, &mut dice).unwrap();
            counts[index] += 1;
            few.loads[index].enter();
            line.push_back(index);
            if line.len() > 20 {
                few.loads[line.pop_front().unwrap()].leave();
            }
        }
        assert!(counts[0].abs_diff(1000) < 250, "{counts:?}");
    }
}
