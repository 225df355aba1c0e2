//! A seed that a failing test shows, and that `MAINSTAY_SEED` brings back.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that fixes the seed.
pub const SEED: &str = "MAINSTAY_SEED";
/// The variable that `cargo suite --long` sets.
pub const LONG: &str = "MAINSTAY_LONG";
/// The variable of how many seeds a simulation runs with; `cargo suite --seeds` sets it.
pub const SEEDS: &str = "MAINSTAY_SEEDS";
/// All of them.
pub(crate) const VARIABLES: [&str; 3] = [SEED, LONG, SEEDS];

/// A source of numbers that can be had again. It prints itself when it is made: the harness shows that line with the
/// test that failed.
#[derive(Clone)]
pub struct Seed {
    start: u64,
    state: u64,
}

impl Seed {
    /// The seed of `MAINSTAY_SEED`, or a new one.
    ///
    /// # Panics
    /// When `MAINSTAY_SEED` is no number.
    pub fn new(what: &str) -> Seed {
        let start = match std::env::var(SEED) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number from 0 to 2^64-1")),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos() as u64),
        };
        println!("{what}: {SEED}={start} repeats this run");
        Seed::of(start)
    }

    /// The seed of this number.
    pub fn of(start: u64) -> Seed {
        Seed { start, state: start }
    }

    /// The number that started it.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next number (splitmix64: good enough to shuffle faults with, and ten lines).
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SEED}={}", self.start)
    }
}

/// How many rounds a test of many seeds should run: `long` under `cargo suite --long`, else `usual`.
pub fn rounds(usual: u32, long: u32) -> u32 {
    if std::env::var_os(LONG).is_some() { long } else { usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b, mut c) = (Seed::of(7), Seed::of(7), Seed::of(8));
        let first: Vec<u64> = (0..8).map(|_| a.next_u64()).collect();
        assert_eq!(first, (0..8).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(first, (0..8).map(|_| c.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_below_a_bound_cover_it() {
        let mut seed = Seed::of(1);
        let mut seen = [false; 6];
        (0..200).for_each(|_| seen[seed.below(6) as usize] = true);
        assert_eq!(seen, [true; 6]);
    }

    #[test]
    fn a_seed_says_how_to_have_it_again() {
        assert_eq!(format!("{:?}", Seed::of(42)), "MAINSTAY_SEED=42");
    }
}
