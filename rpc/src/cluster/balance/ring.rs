//! The same instance for the same key: a ring of points, of which each instance has 160, as Dubbo's has. Pure.
//!
//! A call goes to the instance of the first point at or after its key; when that one cannot be used, on to the next. So an
//! instance that comes or goes moves the calls of its own part and no others. Points are made of the address, so that all
//! clients agree.

use super::{Candidates, Die, LoadBalance, P2c};
use std::{collections::HashSet, time::Duration};

/// Points of an instance of the usual weight, while there are few instances.
const POINTS: u64 = 160;
/// Points of the whole ring: of thousands of instances each has fewer.
const ALL: u64 = 160_000;
/// The usual weight.
const WEIGHT: u64 = 100;

/// The points in order, each with the index of its instance.
#[derive(Debug, Default)]
pub(crate) struct Ring(Box<[(u64, u32)]>);

impl Ring {
    /// The ring of these addresses and weights.
    pub(crate) fn new<'a>(instances: impl ExactSizeIterator<Item = (&'a str, u32)> + Clone) -> Self {
        let nobody = instances.clone().all(|(_, weight)| weight == 0);
        let each = (ALL / (instances.len() as u64).max(1)).clamp(1, POINTS);
        let mut points = Vec::new();
        for (index, (address, weight)) in instances.enumerate() {
            let count = match (weight, nobody) {
                (0, false) => 0,
                (0, true) => each,
                (weight, _) => (each * u64::from(weight) / WEIGHT).clamp(1, 4 * each),
            };
            let seed = hash(address.as_bytes());
            points.extend((0..count).map(|point| (mix(seed.wrapping_add(mix(point))), index as u32)));
        }
        points.sort_unstable();
        Self(points.into())
    }

    /// The instances from `key` on, round the ring; each may come more than once.
    fn from(&self, key: u64) -> impl Iterator<Item = usize> {
        let first = self.0.partition_point(|(point, _)| *point < key);
        self.0[first..].iter().chain(&self.0[..first]).map(|(_, index)| *index as usize)
    }
}

/// FNV-1a, with its bits mixed: the same in every process and every build.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

pub(super) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Picks by the key of the call; a call without one is balanced as P2C does.
#[derive(Debug)]
pub(crate) struct ConsistentHash;

impl LoadBalance for ConsistentHash {
    fn name(&self) -> &'static str {
        "consistent_hash"
    }

    fn wants_ring(&self) -> bool {
        true
    }

    fn pick(&self, among: &dyn Candidates, now: Duration, dice: Die<'_>) -> Option<usize> {
        let (Some(key), Some(ring)) = (among.key(), among.ring()) else { return P2c.pick(among, now, dice) };
        let mut refused = HashSet::new();
        ring.from(mix(key)).find(|index| !refused.contains(index) && (among.usable(*index) || !refused.insert(*index)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use proptest::prelude::*;

    fn ring(weights: &[u32]) -> Few {
        let addresses: Vec<String> = (0..weights.len()).map(|index| format!("10.0.0.{index}:7001")).collect();
        let mut few = Few::new(weights);
        few.ring = Some(Ring::new(addresses.iter().map(String::as_str).zip(weights.iter().copied())));
        few
    }

    fn owners(few: &mut Few, keys: u64) -> Vec<usize> {
        (0..keys)
            .map(|key| {
                few.key = Some(hash(&key.to_le_bytes()));
                ConsistentHash.pick(few, Duration::ZERO, &mut || 0).unwrap()
            })
            .collect()
    }

    #[test]
    fn keys_are_spread_by_weight_and_stay() {
        let mut few = ring(&[100, 100, 200, 0]);
        let owners_now = owners(&mut few, 8000);
        assert_eq!(owners_now, owners(&mut few, 8000));
        for (index, expected) in [(0, 2000usize), (1, 2000), (2, 4000), (3, 0)] {
            let count = owners_now.iter().filter(|owner| **owner == index).count();
            assert!(count.abs_diff(expected) <= expected / 4, "{index}: {count}");
        }
    }

    #[test]
    fn who_goes_takes_its_own_keys_along_and_no_others() {
        let mut few = ring(&[100; 10]);
        let before = owners(&mut few, 4000);
        few.usable[3] = false;
        for (before, after) in before.into_iter().zip(owners(&mut few, 4000)) {
            assert!(if before == 3 { after != 3 } else { after == before });
        }
    }

    #[test]
    fn a_call_without_a_key_is_balanced() {
        let few = ring(&[100, 100]);
        assert!(few.count(&ConsistentHash, 1000, 3).iter().all(|count| *count > 400));
    }

    proptest! {
        #[test]
        fn it_ends_when_nobody_can_be_used(usable in prop::collection::vec(any::<bool>(), 1..6), key: u64) {
            let mut few = ring(&vec![100; usable.len()]);
            few.usable = usable.clone();
            few.key = Some(key);
            let picked = ConsistentHash.pick(&few, Duration::ZERO, &mut || 0);
            prop_assert_eq!(picked.is_some(), usable.contains(&true));
            prop_assert!(picked.is_none_or(|index| usable[index]));
        }
    }
}
