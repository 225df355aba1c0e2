//! How one of several endpoints is chosen. Pure: a balancer sees the candidates, the time and a die, and answers with an
//! index.
//!
//! | file | rule | cost of a pick |
//! |---|---|---|
//! | `p2c.rs` | the better of two that were drawn by weight (default) | flat |
//! | `random.rs` | drawn by weight | flat |
//! | `round_robin.rs` | in turn, smoothly by weight | grows with the endpoints |
//! | `least.rs` | the fewest calls under way, or the shortest expected answer | flat from 16 on |
//! | `ring.rs` | the same one for the same key | a search, nearly flat |
//! | `affinity.rs` | the same one for calls that say that they belong together | grows with the endpoints |
//! | `sticky.rs` | the last one again | flat |
//! | `first.rs` | the first that can be used | flat while all can |
//! | `shares.rs` | what a weight is worth among the others | |
//! | `ramp.rs` | what of its weight counts while it warms up | |

mod affinity;
mod first;
mod least;
mod p2c;
mod ramp;
mod random;
mod ring;
mod round_robin;
mod shares;
mod sticky;

pub(crate) use affinity::Affinity;
pub(crate) use first::First;
use least::Least;
use p2c::P2c;
pub(crate) use ramp::{Ages, millis, ramp};
use random::Random;
use ring::ConsistentHash;
pub(crate) use ring::{Ring, hash};
use round_robin::RoundRobin;
pub(crate) use shares::Shares;
pub(crate) use sticky::Sticky;

use super::load::Load;
use crate::client::Balance;
use std::{fmt, time::Duration};

/// What a balancer sees of the endpoints.
pub(crate) trait Candidates {
    /// What their weights are worth. Its length is their number.
    fn shares(&self) -> &Shares;

    /// Whether this one may be chosen now: connection state, routes and earlier tries have their say here.
    fn usable(&self, index: usize) -> bool;

    /// The load of this one.
    fn load(&self, index: usize) -> &Load;

    /// What of its weight counts at `now`, from 0 to 1.
    fn share(&self, index: usize, now: Duration) -> f32;

    /// The key of the call, and the ring of those rules that want one.
    fn key(&self) -> Option<u64>;
    fn ring(&self) -> Option<&Ring>;

    /// Who this one is, wherever it stands; never 0.
    fn identity(&self, index: usize) -> usize;

    /// Its host and port: who it is to all clients.
    fn name(&self, index: usize) -> (&str, u16);
}

impl dyn Candidates + '_ {
    /// The weight that counts at `now`, in thousandths: at least one where there is a weight at all.
    fn weight(&self, index: usize, now: Duration) -> u64 {
        let weight = self.shares().weight(index);
        match self.share(index, now) {
            1.0.. => weight * 1000,
            share => ((weight as f32 * share * 1000.0) as u64).max(u64::from(weight > 0)),
        }
    }
}

/// A die of 2^64 sides.
pub(crate) type Die<'a> = &'a mut dyn FnMut() -> u64;

/// A rule for choosing.
pub(crate) trait LoadBalance: Send + Sync + fmt::Debug {
    /// A word for people.
    fn name(&self) -> &'static str;

    /// It picks on a [`Ring`].
    fn wants_ring(&self) -> bool {
        false
    }

    /// Who gets all calls as long as that one can be used, by its [identity](Candidates::identity).
    fn stays_with(&self) -> Option<usize> {
        None
    }

    /// The index of a usable candidate that has a share; `None` when there is none.
    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize>;
}

/// The rule that a client asks for.
pub(crate) fn rule(balance: &Balance) -> Box<dyn LoadBalance> {
    match balance {
        Balance::P2c => Box::new(P2c),
        Balance::RoundRobin => Box::new(RoundRobin),
        Balance::Random => Box::new(Random),
        Balance::LeastActive => Box::new(Least::Active),
        Balance::ShortestResponse => Box::new(Least::Response),
        Balance::ConsistentHash => Box::new(ConsistentHash),
    }
}

/// Draws a usable candidate by weight, other than `but`.
fn draw(among: &dyn Candidates, but: Option<usize>, now: Duration, dice: Die<'_>) -> Option<usize> {
    /// Draws before everyone is looked at: mostly nearly all are usable, and the first draw fits.
    const DRAWS: usize = 8;
    let shares = among.shares();
    let usable = |index: usize| Some(index) != but && among.usable(index);
    for _ in 0..DRAWS {
        let index = shares.draw(dice())?;
        if usable(index) && accepts(among.share(index, now), dice) {
            return Some(index);
        }
    }
    let all = || (0..shares.len()).filter(|index| usable(*index)).map(|index| (index, among.weight(index, now)));
    let total: u64 = all().map(|(_, weight)| weight).sum();
    let mut point = dice().checked_rem(total)?;
    all().find_map(|(index, weight)| match point.checked_sub(weight) {
        None => Some(index),
        Some(rest) => {
            point = rest;
            None
        }
    })
}

/// Whether one of which this share counts is taken when it is drawn.
fn accepts(share: f32, dice: Die<'_>) -> bool {
    share >= 1.0 || (dice() >> 40) as f32 / ((1u64 << 24) as f32) < share
}

/// A number below `bound`. The high bits of a product choose without division, and without bias that matters for 2^64
/// sides.
fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Candidates of a test.
    pub(crate) struct Few {
        pub(crate) shares: Shares,
        pub(crate) usable: Vec<bool>,
        pub(crate) loads: Vec<Load>,
        pub(crate) warm: Vec<f32>,
        pub(crate) identities: Vec<usize>,
        pub(crate) key: Option<u64>,
        pub(crate) ring: Option<Ring>,
    }

    impl Few {
        pub(crate) fn new(weights: &[u32]) -> Self {
            Self {
                shares: Shares::new(weights.iter().copied()),
                usable: vec![true; weights.len()],
                loads: weights.iter().map(|_| Load::default()).collect(),
                warm: vec![1.0; weights.len()],
                identities: (1..=weights.len()).collect(),
                key: None,
                ring: None,
            }
        }

        /// How often each one is picked in `n` picks.
        pub(crate) fn count(&self, balance: &dyn LoadBalance, n: usize, seed: u64) -> Vec<usize> {
            let mut counts = vec![0; self.usable.len()];
            let mut dice = die(seed);
            for _ in 0..n {
                if let Some(index) = balance.pick(self, Duration::ZERO, &mut dice) {
                    counts[index] += 1;
                }
            }
            counts
        }
    }

    impl Candidates for Few {
        fn shares(&self) -> &Shares {
            &self.shares
        }

        fn usable(&self, index: usize) -> bool {
            self.usable[index]
        }

        fn load(&self, index: usize) -> &Load {
            &self.loads[index]
        }

        fn share(&self, index: usize, _: Duration) -> f32 {
            self.warm[index]
        }

        fn key(&self) -> Option<u64> {
            self.key
        }

        fn ring(&self) -> Option<&Ring> {
            self.ring.as_ref()
        }

        fn identity(&self, index: usize) -> usize {
            self.identities[index]
        }

        fn name(&self, index: usize) -> (&str, u16) {
            ("10.0.0.1", self.identities[index] as u16)
        }
    }

    /// A die that falls the same for the same seed.
    pub(crate) fn die(seed: u64) -> impl FnMut() -> u64 {
        let dice = crate::cluster::Dice::new(seed);
        move || dice.throw()
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::*, *};
    use proptest::prelude::*;

    /// Those that spread idle instances' calls by weight.
    fn rules() -> Vec<(&'static str, Box<dyn LoadBalance>)> {
        use Balance::*;
        let all = [P2c, Random, RoundRobin, LeastActive, ShortestResponse, ConsistentHash];
        all.iter().map(|balance| (rule(balance).name(), rule(balance))).collect()
    }

    #[test]
    fn who_warms_up_gets_a_part_of_its_share() {
        for (name, rule) in rules() {
            let mut few = Few::new(&[100, 100, 200]);
            few.warm = vec![1.0, 0.25, 0.5];
            let counts = few.count(&*rule, 9000, 5);
            for (count, expected) in counts.iter().zip([4000usize, 1000, 4000]) {
                assert!(count.abs_diff(expected) <= expected / 8, "{name}: {counts:?}");
            }
        }
        let mut all_cold = Few::new(&[100; 3]);
        all_cold.warm = vec![0.01; 3];
        for (name, rule) in rules() {
            assert!(all_cold.count(&*rule, 900, 5).iter().all(|count| *count > 230), "{name}");
        }
    }

    #[test]
    fn nobody_is_nobody() {
        for (name, rule) in rules() {
            let mut dice = die(1);
            assert_eq!(rule.pick(&Few::new(&[]), Duration::ZERO, &mut dice), None, "{name}");
            let mut few = Few::new(&[100, 100]);
            few.usable = vec![false, false];
            assert_eq!(rule.pick(&few, Duration::ZERO, &mut dice), None, "{name}");
        }
    }

    #[test]
    fn weights_are_shares() {
        for (name, rule) in rules() {
            let counts = Few::new(&[100, 200, 0, 300]).count(&*rule, 6000, 7);
            for (count, expected) in counts.iter().zip([1000usize, 2000, 0, 3000]) {
                assert!(count.abs_diff(expected) <= expected / 6, "{name}: {counts:?}");
            }
        }
    }

    #[test]
    fn the_shares_of_those_that_are_out_go_to_the_others() {
        for (name, rule) in rules() {
            let mut few = Few::new(&[100; 20]);
            few.usable.iter_mut().skip(2).for_each(|usable| *usable = false);
            let counts = few.count(&*rule, 1000, 3);
            assert!(counts[0] > 400 && counts[1] > 400, "{name}: {counts:?}");
        }
    }

    proptest! {
        #[test]
        fn only_who_is_usable_and_has_a_share_is_picked(
            weights in prop::collection::vec(0u32..4, 1..12),
            usable in prop::collection::vec(any::<bool>(), 12),
            busy in prop::collection::vec(0usize..5, 12),
            seed: u64,
        ) {
            let mut few = Few::new(&weights);
            few.usable = usable[..weights.len()].to_vec();
            for (load, n) in few.loads.iter().zip(&busy) {
                (0..*n).for_each(|_| load.enter());
            }
            // When nobody has a share, all have the same.
            let nobody = weights.iter().all(|weight| *weight == 0);
            let fits = |i: usize| few.usable[i] && (nobody || weights[i] > 0);
            for (name, rule) in rules() {
                let mut dice = die(seed);
                for _ in 0..20 {
                    match rule.pick(&few, Duration::ZERO, &mut dice) {
                        Some(i) => prop_assert!(fits(i), "{}: {}", name, i),
                        None => prop_assert!(!(0..weights.len()).any(fits), "{}: nobody", name),
                    }
                }
            }
        }
    }
}
