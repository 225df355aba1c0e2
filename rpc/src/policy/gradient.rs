//! How many calls at once a peer takes well, from the latency alone: Netflix's Gradient2. Pure.
//!
//! The latency of the last moments is held against that of a long while. When calls begin to stand in line somewhere, the
//! first one rises over the second one, and the limit falls with their ratio; else it grows by a few. Nothing has to be
//! known of the peer, and no moment of quiet is needed to measure it, as rules with a least latency want one.

use std::{ops::RangeInclusive, time::Duration};

/// What is added at each step when nothing stands in line.
const GROWTH: f64 = 4.0;
/// How far the latency may rise before it counts.
const TOLERANCE: f64 = 1.5;
/// How much of a step is taken at once.
const SMOOTHING: f64 = 0.2;
/// Steps that the long average remembers.
const LONG: f64 = 600.0;
/// Steps of which the long average is the plain one.
const FIRST: u32 = 10;
/// A step has at least so many samples, and lasts at least so long.
const SAMPLES: u32 = 10;
const STEP: Duration = Duration::from_millis(100);

/// The limit, and what it was learnt from.
#[derive(Debug)]
pub(super) struct Gradient {
    range: RangeInclusive<usize>,
    limit: f64,
    /// The long average in seconds, and the steps in it.
    long: f64,
    steps: u32,
    /// The step under way: its beginning, its samples, their sum in seconds, the most calls at once.
    began: Option<Duration>,
    samples: u32,
    sum: f64,
    busiest: usize,
}

impl Gradient {
    pub(super) fn new(range: RangeInclusive<usize>) -> Self {
        let least = (*range.start()).max(1);
        let range = least..=(*range.end()).max(least);
        Self { limit: least as f64, range, long: 0.0, steps: 0, began: None, samples: 0, sum: 0.0, busiest: 0 }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A call took `took`, while `at_once` calls were under way.
    pub(super) fn sample(&mut self, took: Duration, at_once: usize, now: Duration) {
        let began = *self.began.get_or_insert(now);
        self.samples += 1;
        self.sum += took.as_secs_f64();
        self.busiest = self.busiest.max(at_once);
        if self.samples >= SAMPLES && now.saturating_sub(began) >= STEP {
            self.step(self.sum / f64::from(self.samples));
            (self.began, self.samples, self.sum, self.busiest) = (Some(now), 0, 0.0, 0);
        }
    }

    fn step(&mut self, short: f64) {
        self.steps = self.steps.saturating_add(1);
        let weight = if self.steps <= FIRST { 1.0 / f64::from(self.steps) } else { 2.0 / (LONG + 1.0) };
        self.long += (short - self.long) * weight;
        if short <= 0.0 {
            return;
        }
        // After a time of trouble the long average would be high for long.
        if self.long / short > 2.0 {
            self.long *= 0.95;
        }
        // A limit that is not used says nothing of a higher one.
        if (self.busiest as f64) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * self.long / short).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + GROWTH;
        let next = self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING;
        self.limit = next.clamp(*self.range.start() as f64, *self.range.end() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A peer that takes `takes` calls at once in `base` each, and lets the others stand in line; as many calls come as the
    /// limit lets in.
    fn settle(gradient: &mut Gradient, takes: usize, base: Duration, steps: u32, now: &mut Duration) {
        for _ in 0..steps {
            let at_once = gradient.limit();
            let took = base.mul_f64((at_once as f64 / takes as f64).max(1.0));
            for _ in 0..SAMPLES {
                *now += STEP / SAMPLES;
                gradient.sample(took, at_once, *now);
            }
        }
    }

    #[test]
    fn it_grows_while_nothing_stands_in_line_and_falls_when_something_does() {
        let (mut gradient, mut now) = (Gradient::new(20..=200), Duration::ZERO);
        settle(&mut gradient, 1000, Duration::from_millis(10), 400, &mut now);
        assert_eq!(gradient.limit(), 200);
        // The peer gets slow: a tenth of it is left.
        settle(&mut gradient, 20, Duration::from_millis(10), 30, &mut now);
        assert!(gradient.limit() < 80, "{}", gradient.limit());
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let (mut gradient, mut now) = (Gradient::new(20..=200), Duration::ZERO);
        for _ in 0..10_000 {
            now += Duration::from_millis(10);
            gradient.sample(Duration::from_millis(10), 3, now);
        }
        assert_eq!(gradient.limit(), 20);
    }

    proptest! {
        #[test]
        fn it_stays_in_its_range(
            (least, more) in (0usize..50, 0usize..300),
            samples in prop::collection::vec((0u64..5_000_000, 0usize..400, 0u64..300), 0..400),
        ) {
            let mut gradient = Gradient::new(least..=least + more);
            let mut now = Duration::ZERO;
            for (micros, at_once, pause) in samples {
                now += Duration::from_millis(pause);
                gradient.sample(Duration::from_micros(micros), at_once, now);
                prop_assert!((least.max(1)..=(least + more).max(1)).contains(&gradient.limit()));
            }
        }
    }
}
