//! What a weight is worth among the others. Pure, made once per directory snapshot: a draw by weight is a binary search,
//! or no search at all where all weights are equal, as they mostly are.
//!
//! A weight of 0 takes nothing. When all are 0, nobody has said anything about shares, and all get the same.

use super::below;

/// The shares of a list of endpoints.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    len: usize,
    /// Sums of the weights up to and with each; `None` when all are equal.
    sums: Option<Box<[u64]>>,
}

impl Shares {
    pub(crate) fn new(weights: impl ExactSizeIterator<Item = u32> + Clone) -> Self {
        let len = weights.len();
        let first = weights.clone().next();
        if weights.clone().all(|weight| Some(weight) == first) {
            return Self { len, sums: None };
        }
        let mut sum = 0;
        let sums = weights.map(|weight| {
            sum += u64::from(weight);
            sum
        });
        Self { len, sums: Some(sums.collect()) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The weight, or 1 where all are equal.
    pub(crate) fn weight(&self, index: usize) -> u64 {
        match &self.sums {
            None => 1,
            Some(sums) => sums[index] - index.checked_sub(1).map_or(0, |before| sums[before]),
        }
    }

    /// How much more than the average this one takes: 1 is the average.
    pub(crate) fn relative(&self, index: usize) -> f32 {
        match &self.sums {
            None => 1.0,
            Some(sums) => self.weight(index) as f32 * self.len as f32 / sums[self.len - 1] as f32,
        }
    }

    /// One by weight; `None` when there is nobody.
    pub(crate) fn draw(&self, random: u64) -> Option<usize> {
        match &self.sums {
            None => (self.len > 0).then(|| below(random, self.len as u64) as usize),
            Some(sums) => {
                let point = below(random, *sums.last()?);
                Some(sums.partition_point(|sum| *sum <= point))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_weights_need_no_sums() {
        for weights in [&[][..], &[0, 0], &[100, 100, 100]] {
            let shares = Shares::new(weights.iter().copied());
            assert!(shares.sums.is_none() && shares.len() == weights.len());
            assert!((0..weights.len()).all(|i| shares.weight(i) == 1 && shares.relative(i) == 1.0));
        }
        assert_eq!(Shares::new([1, 3].into_iter()).relative(1), 1.5);
    }

    proptest! {
        #[test]
        fn a_draw_is_the_one_whose_weight_the_point_falls_into(
            weights in prop::collection::vec(0u32..10, 1..20),
            random: u64,
        ) {
            let shares = Shares::new(weights.iter().copied());
            let drawn = shares.draw(random).unwrap();
            let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
            prop_assert!(total == 0 || weights[drawn] > 0);
            let slots: Vec<usize> = match shares.sums {
                None => (0..weights.len()).collect(),
                Some(_) => (0..weights.len()).flat_map(|i| vec![i; weights[i] as usize]).collect(),
            };
            prop_assert_eq!(drawn, slots[((random as u128 * slots.len() as u128) >> 64) as usize]);
        }
    }
}
