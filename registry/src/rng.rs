//! Numbers from a seed: the jitter of controllers, and the chance of simulations. Pure. Not for secrets.

use std::{ops::Range, time::Duration};

/// Equal seeds give equal numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time within a range, in whole microseconds.
    pub fn time(&mut self, within: Range<Duration>) -> Duration {
        let span = within.end.saturating_sub(within.start);
        within.start + Duration::from_micros(self.below(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Scatters the bits of a word.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_one_does_not() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            (0..8).map(|_| rng.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn a_time_is_within_its_range() {
        let (mut rng, range) = (Rng::new(1), Duration::from_secs(1)..Duration::from_secs(2));
        assert!((0..100).all(|_| range.contains(&rng.time(range.clone()))));
        assert_eq!(rng.time(Duration::ZERO..Duration::ZERO), Duration::ZERO);
    }
}
