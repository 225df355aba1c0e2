//! Medians, what is left of disturbed measurements, and ratios taken round by round.

/// The median; NaN of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match sorted.get(low).zip(sorted.get(high)) {
        Some((a, b)) => (a + b) / 2.0,
        None => f64::NAN,
    }
}

/// The lowest tenth's highest: what something takes that nothing else disturbs, since whatever disturbs it makes it slower. NaN of
/// nothing.
pub fn undisturbed(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 10).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of the rounds.
pub fn ratio<T>(ours: &[T], theirs: &[T], of: impl Fn(&T) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(a, b)| of(a) / of(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn what_is_disturbed_does_not_count() {
        assert_eq!(undisturbed((0..30).rev().map(f64::from)), 2.0);
        assert_eq!(undisturbed([7.0].into_iter()), 7.0);
        assert!(undisturbed(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_slow_round_is_slow_for_both() {
        // The medians themselves would give 20/10; round by round it is 1.5.
        let (ours, theirs) = ([15.0, 150.0, 20.0], [10.0, 100.0, 10.0]);
        assert_eq!(ratio(&ours, &theirs, |x| *x), 1.5);
    }
}
