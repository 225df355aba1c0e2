//! What was counted for one key of late: a sliding window, cut into slices. Pure: the time is an argument.
//!
//! A window of ten minutes is twelve slices of fifty seconds, and holds the running one and the eleven before it: so it looks back
//! for eleven slices at least and twelve at most. What is counted costs no more memory for being counted more often.

use std::{collections::HashMap, time::Duration};

/// Slices of a window.
pub(super) const SLICES: u64 = 12;
/// Different values that are told apart within a window; of more the oldest are forgotten.
pub(super) const MAX_DISTINCT: usize = 1024;

/// Which slice a moment is in.
pub(super) fn slice(window: Duration, at: Duration) -> u64 {
    let length = (window.as_nanos() / u128::from(SLICES)).max(1);
    u64::try_from(at.as_nanos() / length).unwrap_or(u64::MAX)
}

/// How much.
#[derive(Clone, Debug, Default)]
pub(super) struct Amounts {
    /// By slice, modulo their number: which slice it is of, and how much.
    slices: [(u64, f64); SLICES as usize],
}

impl Amounts {
    pub(super) fn add(&mut self, slice: u64, amount: f64) {
        let kept = &mut self.slices[(slice % SLICES) as usize];
        // One that is older than what stands there is of a clock that went back: it counts where it is.
        match kept.0 {
            own if own == slice => kept.1 += amount,
            own if own < slice => *kept = (slice, amount),
            _ => {}
        }
    }

    pub(super) fn total(&self, slice: u64) -> f64 {
        self.slices.iter().filter(|(own, _)| counts(*own, slice)).map(|(_, amount)| amount).sum()
    }
}

/// Which values, each with the slice in which it was seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(HashMap<u64, u64>);

impl Values {
    pub(super) fn add(&mut self, slice: u64, value: u64) {
        if !self.0.contains_key(&value) && self.0.len() >= MAX_DISTINCT {
            self.0.retain(|_, seen| counts(*seen, slice));
            if self.0.len() >= MAX_DISTINCT
                && let Some(oldest) =
                    self.0.iter().min_by_key(|(value, seen)| (**seen, **value)).map(|(value, _)| *value)
            {
                self.0.remove(&oldest);
            }
        }
        let seen = self.0.entry(value).or_insert(slice);
        *seen = slice.max(*seen);
    }

    pub(super) fn total(&self, slice: u64) -> usize {
        self.0.values().filter(|seen| counts(**seen, slice)).count()
    }
}

/// Whether a slice is in the window that ends with another.
fn counts(own: u64, now: u64) -> bool {
    own <= now && own + SLICES > now
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(12);

    proptest! {
        /// As a list of all that ever happened; and between eleven and twelve slices are looked back for.
        #[test]
        fn a_window_holds_what_happened_of_late(
            events in prop::collection::vec((0u64..3000, 0u64..5, 1u32..4), 1..60),
            later in 0u64..20_000,
        ) {
            let (mut amounts, mut values, mut all, mut now) = (Amounts::default(), Values::default(), Vec::new(), 50_000);
            for (pause, value, amount) in events {
                now += pause;
                let at = slice(WINDOW, Duration::from_millis(now));
                amounts.add(at, f64::from(amount));
                values.add(at, value);
                all.push((now, value, f64::from(amount)));
            }
            for now in [now, now + later] {
                let end = slice(WINDOW, Duration::from_millis(now));
                let live: Vec<_> = all.iter().filter(|(at, ..)| at / 1000 + 12 > now / 1000).collect();
                let total: f64 = live.iter().map(|(.., amount)| amount).sum();
                let distinct: std::collections::BTreeSet<_> = live.iter().map(|(_, value, _)| value).collect();
                prop_assert_eq!((amounts.total(end), values.total(end)), (total, distinct.len()));
                let surely = all.iter().filter(|(at, ..)| at + 11_000 > now).map(|(.., amount)| amount).sum::<f64>();
                let perhaps = all.iter().filter(|(at, ..)| at + 12_000 > now).map(|(.., amount)| amount).sum::<f64>();
                prop_assert!(surely <= total && total <= perhaps);
            }
        }
    }

    #[test]
    fn of_more_values_than_are_told_apart_the_oldest_are_forgotten() {
        let mut values = Values::default();
        (0..MAX_DISTINCT as u64 + 10).for_each(|value| values.add(value / 200, value));
        assert_eq!(values.total(5), MAX_DISTINCT);
        assert!(!values.0.contains_key(&0) && values.0.contains_key(&(MAX_DISTINCT as u64 + 9)));
        values.add(20, 7);
        assert_eq!((values.total(20), values.0.len()), (1, 1));
    }
}
