//! The instance to which a call is drawn most, by what it has in common with others: rendezvous hashing, weighted. Pure.
//!
//! Each instance draws a number from the call's affinity and its own address, and the highest has it. So all clients agree with
//! nothing to keep; when one goes, the calls of that one move and no others; and one that comes takes its share from each. A
//! ring would be a search instead of a look at all, but only few clients have such calls, and all would pay for the ring.
//!
//! The score is that of C. Schindelhauer and G. Schomaker, "Weighted Distributed Hash Tables" (2005): the weight over the negative
//! logarithm of a draw between 0 and 1.

use super::{Candidates, Die, LoadBalance, ring::mix};
use std::time::Duration;

/// Picks for one call, which has this affinity.
#[derive(Debug)]
pub(crate) struct Affinity(pub(crate) u64);

impl Affinity {
    /// How much the call is drawn to an instance of this weight.
    fn score(&self, (host, port): (&str, u16), weight: u64) -> f64 {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let name = host.as_bytes().iter().chain(&port.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, step);
        // 53 bits, and a half more, so that it is neither 0 nor 1.
        let draw = ((mix(mix(name) ^ mix(self.0)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        weight as f64 / -draw.ln()
    }
}

impl LoadBalance for Affinity {
    fn name(&self) -> &'static str {
        "affinity"
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, _: Die<'_>) -> Option<usize> {
        let all = || (0..among.shares().len()).filter(|index| among.usable(*index));
        let nobody = all().all(|index| among.weight(index, now) == 0);
        let weight = |index| if nobody { 1 } else { among.weight(index, now) };
        let scored = all().map(|index| (index, weight(index))).filter(|(_, weight)| *weight > 0);
        let scored = scored.map(|(index, weight)| (index, self.score(among.name(index), weight)));
        scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use proptest::prelude::*;

    fn owners(few: &Few, calls: u64) -> Vec<Option<usize>> {
        (0..calls).map(|call| Affinity(call).pick(few, Duration::ZERO, &mut || 0)).collect()
    }

    #[test]
    fn calls_are_spread_by_weight_and_stay() {
        let few = Few::new(&[100, 100, 200, 0]);
        let owned = owners(&few, 8000);
        assert_eq!(owned, owners(&few, 8000));
        for (index, expected) in [(0, 2000usize), (1, 2000), (2, 4000), (3, 0)] {
            let count = owned.iter().filter(|owner| **owner == Some(index)).count();
            assert!(count.abs_diff(expected) <= expected / 10, "{index}: {count}");
        }
    }

    #[test]
    fn who_warms_up_takes_from_all_and_gives_nothing_back() {
        let mut few = Few::new(&[100; 4]);
        let mut before = owners(&few, 4000);
        few.warm[3] = 0.0;
        before = std::mem::replace(&mut before, owners(&few, 4000));
        let warm: Vec<f32> = vec![0.1, 0.5, 1.0];
        let mut last = owners(&few, 4000);
        for share in warm {
            few.warm[3] = share;
            let now = owners(&few, 4000);
            assert!(last.iter().zip(&now).all(|(last, now)| last == now || *now == Some(3)), "{share}");
            last = now;
        }
        assert_eq!(last, before);
    }

    proptest! {
        #[test]
        fn who_goes_takes_its_own_calls_along_and_no_others(
            weights in proptest::collection::vec(1..400u32, 2..12), gone in any::<proptest::sample::Index>()
        ) {
            let mut few = Few::new(&weights);
            let (before, gone) = (owners(&few, 300), gone.index(weights.len()));
            few.usable[gone] = false;
            for (before, after) in before.into_iter().zip(owners(&few, 300)) {
                assert!(if before == Some(gone) { after != before } else { after == before });
            }
        }

        #[test]
        fn somebody_is_found_whenever_somebody_can_be_used(usable in proptest::collection::vec(any::<bool>(), 0..9), weight in 0..2u32) {
            let mut few = Few::new(&vec![weight; usable.len()]);
            few.usable.clone_from(&usable);
            let found = Affinity(7).pick(&few, Duration::ZERO, &mut || 0);
            prop_assert_eq!(found.is_some(), usable.contains(&true));
            prop_assert!(found.is_none_or(|index| usable[index]));
        }
    }
}
