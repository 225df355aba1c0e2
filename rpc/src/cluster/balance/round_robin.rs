//! In turn, smoothly by weight. Pure but for the credit that each endpoint carries.
//!
//! Each turn gives everyone credit by weight and takes a whole round's credit from who is chosen: the one with the most
//! credit. So 3:1 comes out as a-a-b-a and not as a-a-a-b. Two pickers at once may choose the same one; credit is never
//! lost by that, so the shares stay.

use super::{Candidates, Die, LoadBalance};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// Picks in turn.
#[derive(Debug)]
pub(crate) struct RoundRobin;

impl LoadBalance for RoundRobin {
    fn name(&self) -> &'static str {
        "round_robin"
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, _: Die<'_>) -> Option<usize> {
        let shares = among.shares();
        let mut round = 0;
        let mut best: Option<(i64, usize)> = None;
        for index in (0..shares.len()).filter(|index| among.usable(*index)) {
            let weight = among.weight(index, now) as i64;
            if weight == 0 {
                continue;
            }
            round += weight;
            let credit = among.load(index).credit().fetch_add(weight, Relaxed) + weight;
            if best.is_none_or(|(most, _)| credit > most) {
                best = Some((credit, index));
            }
        }
        let (_, index) = best?;
        among.load(index).credit().fetch_sub(round, Relaxed);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use proptest::prelude::*;

    fn turns(few: &Few, n: usize) -> Vec<usize> {
        let mut dice = || 0;
        (0..n).filter_map(|_| RoundRobin.pick(few, Duration::ZERO, &mut dice)).collect()
    }

    #[test]
    fn turns_are_smooth() {
        assert_eq!(turns(&Few::new(&[1, 1, 1]), 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&Few::new(&[5, 1, 1]), 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_round_is_exact(weights in prop::collection::vec(0u32..6, 1..6)) {
            prop_assume!(weights.iter().any(|weight| *weight != weights[0]));
            let round: u32 = weights.iter().sum();
            let few = Few::new(&weights);
            for _ in 0..3 {
                let mut counts = vec![0; weights.len()];
                turns(&few, round as usize).into_iter().for_each(|index| counts[index] += 1);
                prop_assert_eq!(&counts, &weights);
            }
        }
    }
}
