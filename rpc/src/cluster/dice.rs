//! Random numbers for picks and jitter: cheap, shared, and repeatable from a seed. Not for secrets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A die that threads may share: a counter in steps of the golden ratio, mixed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, of 2^64.
    pub(crate) fn throw(&self) -> u64 {
        let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Dice {
    /// A die of a random seed.
    fn default() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self::new(RandomState::new().hash_one(0u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_sides_come_up_evenly() {
        let (a, b) = (Dice::new(5), Dice::new(5));
        assert!((0..100).all(|_| a.throw() == b.throw()));
        let mut counts = [0; 8];
        (0..8000).for_each(|_| counts[(a.throw() >> 61) as usize] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
