//! Which of several instances are left out because they do worse than the others. Pure.
//!
//! Three signs: bad calls in a row, a share of bad calls, and a share of good ones far below the mean (gRPC's A50, after
//! Envoy). None of them counts when the others do no better, as when what all of them stand on is away: leaving out mends
//! nothing then. However many there are, one can be left out, and the last one that is well cannot. When too few are left,
//! nobody is left out at all.

use std::time::Duration;

/// When instances are left out, and for how long.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutlierOptions {
    /// Bad calls in a row; 0 switches this sign off. Default 5.
    pub in_a_row: u32,
    /// Percent of the last calls above which an instance is bad, when it is also more than twice that of the others; 100
    /// switches this sign off. Default 40.
    pub failure_percent: u32,
    /// How many standard deviations below the mean a share of good calls is bad, in thousandths; wants five instances
    /// with a hundred calls each. 0 switches this sign off. Default 1900.
    pub stdev_factor: u32,
    /// Calls that an instance must have had for a share to count. Default 10.
    pub volume: u64,
    /// How often shares are looked at; they are those of twice this time. Default 1 s.
    pub interval: Duration,
    /// How long an instance is left out the first time. Each further time it is so much longer; each such time in which
    /// it did well forgives one. Default 5 s.
    pub ejection: Duration,
    /// The longest. Default 300 s.
    pub ejection_at_most: Duration,
    /// Percent of the instances that may be left out: no further one when so many are out already. Default 30.
    pub max_percent: u32,
    /// Percent of the instances that must be well, else nobody is left out. Default 50.
    pub panic_percent: u32,
    /// Leaves nobody out: only tells what it would have done, in its metrics and its log.
    pub observe: bool,
}

impl Default for OutlierOptions {
    fn default() -> Self {
        Self {
            in_a_row: 5,
            failure_percent: 40,
            stdev_factor: 1900,
            volume: 10,
            interval: Duration::from_secs(1),
            ejection: Duration::from_secs(5),
            ejection_at_most: Duration::from_secs(300),
            max_percent: 30,
            panic_percent: 50,
            observe: false,
        }
    }
}

impl OutlierOptions {
    /// How long the `times`th time lasts.
    pub(crate) fn lasts(&self, times: u32) -> Duration {
        self.ejection.saturating_mul(times).min(self.ejection_at_most.max(self.ejection))
    }
}

/// What is seen of an instance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// It can be connected to, or is.
    pub(crate) reachable: bool,
    /// It is left out already.
    pub(crate) out: bool,
    /// The last calls, and the bad ones among them.
    pub(crate) calls: u64,
    pub(crate) bad: u64,
    /// Bad calls since the last good one.
    pub(crate) in_a_row: u32,
}

/// Why an instance is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    InARow,
    FailureShare,
    FarBelowMean,
}

impl Why {
    /// Stable word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InARow => "FAILURES_IN_A_ROW",
            Self::FailureShare => "FAILURE_SHARE",
            Self::FarBelowMean => "FAR_BELOW_MEAN",
        }
    }
}

/// What follows from what is seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Who is to be left out now.
    pub(crate) out: Vec<(usize, Why)>,
    /// Too few are well: nobody is left out.
    pub(crate) panic: bool,
}

/// Calls and instances that the mean wants.
const MEAN_VOLUME: u64 = 100;
const MEAN_OF: usize = 5;

/// Judges all instances together.
pub(crate) fn judge(seen: &[Seen], options: &OutlierOptions) -> Verdict {
    let crowd = Crowd::of(seen, options);
    let suspect = |index: usize| crowd.sign(&seen[index], options).map(|why| (index, why));
    let mut suspects: Vec<_> = (0..seen.len()).filter_map(suspect).collect();
    suspects.sort_by(|(a, _), (b, _)| seen[*b].worse().total_cmp(&seen[*a].worse()).then(a.cmp(b)));
    let mut out = seen.iter().filter(|one| one.out).count();
    let mut well = seen.iter().filter(|one| one.reachable && !one.out).count();
    let mut verdict = Verdict::default();
    for (index, why) in suspects {
        let room = out == 0 || out * 100 < options.max_percent as usize * seen.len();
        let others = well - usize::from(seen[index].reachable);
        if room && others > 0 {
            verdict.out.push((index, why));
            (out, well) = (out + 1, others);
        }
    }
    verdict.panic = out > 0 && well * 100 < options.panic_percent as usize * seen.len();
    verdict
}

impl Seen {
    fn share(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.bad as f64 / self.calls as f64 }
    }

    /// The order in which the worst come first.
    fn worse(&self) -> f64 {
        self.share() + f64::from(self.in_a_row)
    }
}

/// What one instance is held against.
#[derive(Debug)]
struct Crowd {
    calls: u64,
    bad: u64,
    /// Those that are in and have no such row of bad calls.
    steady: usize,
    /// A share of good calls below this is far below the mean.
    floor: f64,
}

impl Crowd {
    fn of(seen: &[Seen], options: &OutlierOptions) -> Self {
        let inside = || seen.iter().filter(|one| !one.out);
        let steady = inside().filter(|one| one.reachable && one.in_a_row < options.in_a_row).count();
        let (calls, bad) = inside().fold((0, 0), |(calls, bad), one| (calls + one.calls, bad + one.bad));
        let good: Vec<f64> = inside().filter(|one| one.calls >= MEAN_VOLUME).map(|one| 1.0 - one.share()).collect();
        let floor = if good.len() < MEAN_OF || options.stdev_factor == 0 {
            f64::NEG_INFINITY
        } else {
            let mean = good.iter().sum::<f64>() / good.len() as f64;
            let variance = good.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / good.len() as f64;
            mean - variance.sqrt() * f64::from(options.stdev_factor) / 1000.0
        };
        Self { calls, bad, steady, floor }
    }

    /// A sign that this one, which is in the crowd, does worse.
    fn sign(&self, one: &Seen, options: &OutlierOptions) -> Option<Why> {
        if one.out {
            return None;
        }
        if options.in_a_row > 0 && one.in_a_row >= options.in_a_row && self.steady > 0 {
            return Some(Why::InARow);
        }
        let (calls, bad) = (self.calls - one.calls, self.bad - one.bad);
        // bad / calls of this one more than twice that of the others, which have been called.
        let stands_out = calls > 0 && one.bad * calls > 2 * bad * one.calls;
        if one.calls >= options.volume && one.bad * 100 > one.calls * u64::from(options.failure_percent) && stands_out {
            return Some(Why::FailureShare);
        }
        let far = one.calls >= MEAN_VOLUME.max(options.volume) && 1.0 - one.share() < self.floor;
        (far && stands_out).then_some(Why::FarBelowMean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn had(calls: u64, bad: u64) -> Seen {
        Seen { reachable: true, calls, bad, ..Seen::default() }
    }

    fn row(in_a_row: u32) -> Seen {
        Seen { in_a_row, ..had(20, 0) }
    }

    fn out() -> Seen {
        Seen { out: true, ..had(0, 0) }
    }

    fn gone() -> Seen {
        Seen { reachable: false, ..had(0, 0) }
    }

    #[test]
    fn who_does_worse_than_the_others_is_left_out() {
        use Why::*;
        let well = had(100, 1);
        for (seen, expected) in [
            (vec![well, well, row(5)], vec![(2, InARow)]),
            (vec![well, well, row(4)], vec![]),
            (vec![well, well, had(10, 5)], vec![(2, FailureShare)]),
            (vec![well, well, had(9, 9)], vec![]),
            (vec![well, well, had(10, 4)], vec![]),
            (vec![had(100, 30), had(100, 30), had(10, 6)], vec![]),
            (vec![had(100, 90), had(100, 90), had(100, 90)], vec![]),
            (vec![row(9), row(9), row(9)], vec![]),
            (vec![row(5)], vec![]),
            (vec![had(50, 50), gone(), gone()], vec![]),
            // One of two, however small the percentage is; and of many no more than that.
            (vec![row(5), well], vec![(0, InARow)]),
            (vec![row(5), row(7), well, well], vec![(1, InARow), (0, InARow)]),
            (vec![row(5), well, out()], vec![]),
            // Far below the mean, though far from the share that is bad by itself.
            ([vec![well; 9], vec![had(100, 20)]].concat(), vec![(9, FarBelowMean)]),
        ] {
            assert_eq!(judge(&seen, &OutlierOptions::default()).out, expected, "{seen:?}");
        }
    }

    #[test]
    fn nobody_is_left_out_when_too_few_are_well() {
        let panics = |seen: &[Seen]| judge(seen, &OutlierOptions::default()).panic;
        assert!(!panics(&[had(9, 0), had(9, 0), out()]) && !panics(&[had(9, 0), out()]));
        assert!(panics(&[had(9, 0), gone(), out()]) && !panics(&[had(9, 0), gone(), gone()]));
    }

    #[test]
    fn each_time_is_longer() {
        let options = OutlierOptions::default();
        assert_eq!([1, 2, 60, 61, u32::MAX].map(|times| options.lasts(times).as_secs()), [5, 10, 300, 300, 300]);
    }

    prop_compose! {
        fn instance()(reachable: bool, out: bool, calls in 0u64..300, share in 0u64..=100, in_a_row in 0u32..9) -> Seen {
            Seen { reachable, out, calls, bad: calls * share / 100, in_a_row }
        }
    }

    proptest! {
        /// What must hold whatever the signs are.
        #[test]
        fn one_can_be_left_out_and_the_last_one_that_is_well_cannot(
            seen in prop::collection::vec(instance(), 0..12),
            max_percent in 0u32..100,
        ) {
            let options = OutlierOptions { max_percent, ..OutlierOptions::default() };
            let verdict = judge(&seen, &options);
            let mut after = seen.clone();
            for (index, _) in &verdict.out {
                prop_assert!(!after[*index].out);
                after[*index].out = true;
            }
            let well = |seen: &[Seen]| seen.iter().filter(|one| one.reachable && !one.out).count();
            prop_assert!(verdict.out.is_empty() || well(&after) > 0);
            let before = seen.iter().filter(|one| one.out).count();
            let most = (max_percent as usize * seen.len()).div_ceil(100).max(1);
            prop_assert!(verdict.out.is_empty() || before + verdict.out.len() <= most.max(before + 1));
            // Somebody who stands out by a row is found, when nobody is out and another is well.
            let stands_out = |i: usize| seen[i].in_a_row >= 5 && seen.iter().enumerate().any(|(j, one)| {
                j != i && one.reachable && one.in_a_row < 5
            });
            if before == 0 && (0..seen.len()).any(stands_out) {
                prop_assert!(!verdict.out.is_empty());
            }
        }
    }
}
