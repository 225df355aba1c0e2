//! The better of two that were drawn by weight, "power of two choices". Pure.
//!
//! The better one is that with the lower cost: the latency that is usual there, times the calls it would stand in line
//! with, seen against its share. Comparing two is as good as comparing all, costs the same for ten as for ten thousand,
//! and sends no herd to the one that looks best. A difference that noise explains does not count, so that weights stay
//! shares between endpoints that are equally fast.
//!
//! One that was slow once is not asked, so nothing is heard that would speak for it, and an average wears down slowly: one
//! that answers in 1 ms and had a single answer of 300 ms, as a cold one may, would wait for half a minute. So one that
//! loses is asked anyway, a call at a time, when it was not heard of for long: see [`is_due`].

use super::{Candidates, Die, LoadBalance, draw};
use crate::cluster::load::Heard;
use std::time::Duration;

/// How much cheaper the second must be to win over the first.
const CLEARLY: f32 = 1.25;

/// How long one that loses is not asked at least, in microseconds.
const REST: f32 = 1_000_000.0;
/// How many times its latency it is not asked: what is spent on asking it is at most such a part of the time.
const SPENT: f32 = 20.0;
/// How many times as long as the winner it is not heard of: of seldom calls, at most such a part asks it.
const SELDOM: f32 = 50.0;

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
        let heard = |index: usize| among.load(index).heard(now);
        let idle = |index: usize| among.load(index).in_flight() == 0;
        let (one, other) = match (heard(first), heard(second)) {
            (Some(one), Some(other)) => (one, other),
            // Of whom nothing is known, one call at a time will tell; else it is taken to be like the other.
            (None, Some(_)) if idle(first) => return Some(first),
            (Some(_), None) if idle(second) => return Some(second),
            _ => (ALIKE, ALIKE),
        };
        let part = |index: usize| among.shares().relative(index) * among.share(index, now);
        let line = |index: usize| 1.0 + among.load(index).in_flight() as f32 / part(index);
        let second_wins = one.latency * line(first) > other.latency * line(second) * CLEARLY;
        let ((winner, best), (loser, worse)) =
            if second_wins { ((second, other), (first, one)) } else { ((first, one), (second, other)) };
        Some(if is_due(worse, best) && idle(loser) { loser } else { winner })
    }
}

/// What two are taken for of whom nothing is known.
const ALIKE: Heard = Heard { latency: 1.0, was: 1.0, ago: 0.0 };

/// Whether it is time to ask the one that lost. It may be as slow as ever: so it rests between two calls, the longer the
/// slower it was, and the longer the fewer calls there are.
fn is_due(loser: Heard, winner: Heard) -> bool {
    loser.ago >= REST && loser.ago >= loser.was * SPENT && loser.ago >= winner.ago * SELDOM
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

    /// How many milliseconds pass until the first one is asked, that had one answer of `slow`, while the second answers in
    /// 1 ms to a call every so often.
    fn tried_after(slow: Duration, every: Duration) -> u128 {
        let few = Few::new(&[100, 100]);
        let (mut dice, mut now) = (die(1), Duration::ZERO);
        few.loads[0].observe(slow, now);
        few.loads[1].observe(MS, now);
        while P2c.pick(&few, now, &mut dice) == Some(1) {
            few.loads[1].observe(MS, now + MS);
            now += every;
        }
        now.as_millis()
    }

    #[test]
    fn a_slow_one_is_tried_again_the_later_the_slower_it_was() {
        assert_eq!(tried_after(20 * MS, 2 * MS), 1000, "a single slow answer costs it a second");
        assert_eq!(tried_after(300 * MS, 2 * MS), 6000, "asking it takes a twentieth of the time");
        // A call in two seconds: asking a slow one often would make many of them slow; its average has worn down before.
        let seldom = tried_after(200 * MS, 2000 * MS);
        assert!((20_000..40_000).contains(&seldom), "{seldom}");
    }

    #[test]
    fn one_call_at_a_time_asks_the_slow_one() {
        let few = Few::new(&[100, 100]);
        few.loads[0].observe(50 * MS, Duration::ZERO);
        few.loads[1].observe(MS, Duration::from_secs(2));
        let pick = |dice: &mut dyn FnMut() -> u64| P2c.pick(&few, Duration::from_secs(2), dice);
        let mut dice = die(5);
        assert_eq!(pick(&mut dice), Some(0));
        few.loads[0].enter();
        assert!((0..20).all(|_| pick(&mut dice) == Some(1)), "it is being asked");
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
