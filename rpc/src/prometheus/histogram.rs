//! Counts by bucket: a fixed row of numbers, written without a lock.

use metrics::{GaugeFn, HistogramFn};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Buckets that a histogram has at most.
const MAX_BUCKETS: usize = 64;

/// A histogram with upper bounds.
pub(super) struct Histogram {
    bounds: Arc<[f64]>,
    /// One for each bound, and one for what is above all of them.
    counts: Box<[AtomicU64]>,
    /// The bits of the sum.
    sum: AtomicU64,
}

/// Bounds in order, each once, without what is no number.
pub(super) fn bounds(said: impl IntoIterator<Item = f64>) -> Arc<[f64]> {
    let mut bounds: Vec<f64> = said.into_iter().filter(|bound| bound.is_finite()).take(MAX_BUCKETS).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds.into()
}

impl Histogram {
    /// A histogram of nothing.
    pub(super) fn new(bounds: Arc<[f64]>) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// The sum of all values.
    pub(super) fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Relaxed))
    }

    /// Each bound with how many values were not above it; the last is infinity.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().scan(0, |so_far, count| {
            *so_far += count.load(Relaxed);
            Some(*so_far)
        });
        bounds.zip(counts)
    }
}

impl HistogramFn for Histogram {
    fn record(&self, value: f64) {
        // What is no number would spoil the sum for ever.
        if value.is_finite() {
            let bucket = self.bounds.partition_point(|bound| *bound < value);
            self.counts[bucket].fetch_add(1, Relaxed);
            GaugeFn::increment(&self.sum, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_value_is_in_the_buckets_that_hold_it(
            said in prop::collection::vec(-5.0..5.0f64, 0..20),
            values in prop::collection::vec(-9.0..9.0f64, 0..50),
        ) {
            let histogram = Histogram::new(bounds(said));
            values.iter().for_each(|value| histogram.record(*value));
            histogram.record(f64::NAN);
            for (bound, count) in histogram.cumulated() {
                prop_assert_eq!(count, values.iter().filter(|value| **value <= bound).count() as u64);
            }
            prop_assert!((histogram.sum() - values.iter().sum::<f64>()).abs() < 1e-9);
        }
    }
}
