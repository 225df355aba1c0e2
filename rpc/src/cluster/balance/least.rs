//! The one with the least: calls under way, or the time that one more call is expected to take. Pure.
//!
//! Of few instances all are looked at, of many those that are drawn: the best of sixteen is nearly the best of all, and
//! costs the same for a hundred as for ten thousand. Among equals the weight decides.

use super::{Candidates, Die, LoadBalance, below, draw};
use std::time::Duration;

/// How many are looked at.
const LOOKS: usize = 16;

/// What there should be the least of.
#[derive(Debug)]
pub(crate) enum Least {
    /// Calls under way.
    Active,
    /// The usual latency, for each call that one would stand in line with.
    Response,
}

impl Least {
    fn cost(&self, among: &dyn Candidates, index: usize, now: Duration) -> f32 {
        let load = among.load(index);
        let active = load.in_flight() as f32;
        match self {
            Self::Active => active,
            // Of whom nothing is known, a call will tell: but one at a time.
            Self::Response => load.latency(now).unwrap_or(if active > 0.0 { f32::MAX } else { 0.0 }) * (active + 1.0),
        }
    }
}

impl LoadBalance for Least {
    fn name(&self) -> &'static str {
        match self {
            Self::Active => "least_active",
            Self::Response => "shortest_response",
        }
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize> {
        let len = among.shares().len();
        let mut best = Best::default();
        if len <= LOOKS {
            for index in (0..len).filter(|index| among.usable(*index)) {
                let weight = among.weight(index, now);
                best.look(index, self.cost(among, index, now), weight, dice);
            }
        } else {
            for _ in 0..LOOKS {
                let index = draw(among, None, now, dice)?;
                // The draw was by weight already.
                best.look(index, self.cost(among, index, now), 1, dice);
            }
        }
        best.index
    }
}

/// The best so far; among equals each has had its chance by weight.
#[derive(Default)]
struct Best {
    index: Option<usize>,
    cost: f32,
    weights: u64,
}

impl Best {
    fn look(&mut self, index: usize, cost: f32, weight: u64, dice: Die<'_>) {
        if weight == 0 || (self.index.is_some() && cost > self.cost) {
            return;
        }
        if self.index.is_none() || cost < self.cost {
            (self.cost, self.weights) = (cost, 0);
        }
        self.weights += weight;
        if self.weights == weight || below(dice(), self.weights) < weight {
            self.index = Some(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_least_wins_and_the_weight_decides_among_equals() {
        let few = Few::new(&[100, 100, 300]);
        few.loads[0].enter();
        let counts = few.count(&Least::Active, 4000, 3);
        assert!(counts[0] == 0 && counts[1].abs_diff(1000) < 120 && counts[2].abs_diff(3000) < 120, "{counts:?}");
        for (load, latency) in few.loads.iter().zip([MS, 3 * MS, 3 * MS]) {
            load.observe(latency, Duration::ZERO);
        }
        assert_eq!(few.count(&Least::Response, 100, 3), [100, 0, 0], "2 ms for one in line beat 3 ms for none");
        few.loads[0].enter();
        few.loads[0].enter();
        assert_eq!(few.count(&Least::Response, 100, 3)[0], 0);
    }

    #[test]
    fn of_many_it_is_nearly_the_least() {
        let few = Few::new(&[100; 400]);
        few.loads.iter().take(360).for_each(|load| (0..5).for_each(|_| load.enter()));
        let good: usize = few.count(&Least::Active, 1000, 9)[360..].iter().sum();
        assert!(good > 750, "{good}");
    }
}
