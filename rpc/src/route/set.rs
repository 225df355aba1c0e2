//! A set of instances, by their places in the directory. Pure.
//!
//! Each call to which a rule says something makes one or two. Most services have few instances, of which no set takes memory
//! of its own.

/// Places among a number that never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set {
    /// The first 64 places, and the others.
    first: u64,
    rest: Box<[u64]>,
    len: usize,
}

impl Set {
    /// None of `len`.
    pub(super) fn none(len: usize) -> Self {
        Self { first: 0, rest: vec![0; len.div_ceil(64).saturating_sub(1)].into(), len }
    }

    /// Those of `len` that fit.
    pub(super) fn of(len: usize, fits: impl Fn(usize) -> bool) -> Self {
        let mut set = Self::none(len);
        for place in (0..len).filter(|place| fits(*place)) {
            let bit = 1 << (place % 64);
            match place / 64 {
                0 => set.first |= bit,
                word => set.rest[word - 1] |= bit,
            }
        }
        set
    }

    pub(crate) fn has(&self, place: usize) -> bool {
        let word = match place / 64 {
            0 => Some(&self.first),
            word => self.rest.get(word - 1),
        };
        word.is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0 && self.rest.iter().all(|word| *word == 0)
    }

    /// Somebody is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.first & other.first != 0 || self.rest.iter().zip(&other.rest).any(|(a, b)| a & b != 0)
    }

    /// Every place, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len).filter(|place| self.has(*place))
    }

    /// Those in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// Those in this one and not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    /// Those in either.
    pub(super) fn or(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let rest = self.rest.iter().zip(&other.rest).map(|(a, b)| join(*a, *b)).collect();
        Self { first: join(self.first, other.first), rest, len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against the set of the standard library.
        #[test]
        fn it_is_a_set(len in 0usize..200, a in prop::collection::btree_set(0usize..200, 0..80), b in prop::collection::btree_set(0usize..200, 0..80)) {
            let keep = |set: &BTreeSet<usize>| set.iter().copied().filter(|place| *place < len).collect::<BTreeSet<_>>();
            let (a, b) = (keep(&a), keep(&b));
            let (one, other) = (Set::of(len, |place| a.contains(&place)), Set::of(len, |place| b.contains(&place)));
            let same = |set: Set, model: BTreeSet<usize>| set.places().collect::<BTreeSet<_>>() == model;
            prop_assert!(same(one.and(&other), &a & &b));
            prop_assert!(same(one.or(&other), &a | &b));
            prop_assert!(same(one.without(&other), &a - &b));
            prop_assert_eq!(one.is_empty(), a.is_empty());
            prop_assert_eq!(one.meets(&other), !a.is_disjoint(&b));
            prop_assert!((0..260).all(|place| one.has(place) == a.contains(&place)));
        }
    }
}
