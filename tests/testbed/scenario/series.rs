//! Calls of one kind, and what is told of many of them: how many a tenth of a second, how many failed, how long they took.
//!
//! A call counts where it was due, not where it was answered: what kept it waiting is part of how long it took
//! (no coordinated omission).

use std::time::Duration;

use serde_json::{Value, json};

/// How long the calls are that are told of together.
pub(super) const SLICE: Duration = Duration::from_millis(100);

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was due.
    pub due: Duration,
    /// How long after that it ended.
    pub took: Duration,
    /// Whether it was answered.
    pub fine: bool,
}

/// What became of the calls that were due within a slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Calls that were answered.
    pub fine: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The time that 99 of a hundred did not exceed.
    pub p99: Duration,
}

/// Calls of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Which ones.
    pub what: String,
    /// From the beginning of the scenario on.
    pub slices: Vec<Slice>,
    /// The time that 99 of a hundred of all did not exceed.
    pub p99: Duration,
    /// When the last one that failed had ended.
    pub last_failed: Option<Duration>,
}

impl Series {
    /// What is told of these.
    pub fn of(what: &str, samples: impl IntoIterator<Item = Sample>) -> Series {
        let mut samples: Vec<Sample> = samples.into_iter().collect();
        samples.sort_unstable_by_key(|sample| sample.took);
        let count = samples.iter().map(|sample| slice(sample.due) + 1).max().unwrap_or(0);
        let mut took: Vec<Vec<Duration>> = vec![Vec::new(); count];
        let mut slices = vec![Slice::default(); count];
        for sample in &samples {
            let at = slice(sample.due);
            let of = &mut slices[at];
            *(if sample.fine { &mut of.fine } else { &mut of.failed }) += 1;
            took[at].push(sample.took);
        }
        slices.iter_mut().zip(&took).for_each(|(slice, took)| slice.p99 = p99(took));
        let all: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        let failed = samples.iter().filter(|sample| !sample.fine);
        let last_failed = failed.map(|sample| sample.due + sample.took).max();
        Series { what: what.to_owned(), slices, p99: p99(&all), last_failed }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.slices.iter().map(|slice| slice.fine + slice.failed).sum()
    }

    /// How many of them failed.
    pub fn failed(&self) -> u64 {
        self.slices.iter().map(|slice| slice.failed).sum()
    }

    pub(super) fn json(&self) -> Value {
        let slices = self.slices.iter().map(|s| json!([s.fine, s.failed, micros(s.p99)]));
        json!({
            "what": self.what, "calls": self.calls(), "failed": self.failed(), "p99_us": micros(self.p99),
            "last_failed_us": self.last_failed.map(micros), "slice_ms": SLICE.as_millis() as u64,
            "slices": slices.collect::<Vec<_>>(),
        })
    }

    pub(super) fn parse(value: &Value) -> Option<Series> {
        let slice = |one: &Value| {
            let number = |at: usize| one[at].as_u64();
            Some(Slice { fine: number(0)?, failed: number(1)?, p99: Duration::from_micros(number(2)?) })
        };
        Some(Series {
            what: value["what"].as_str()?.to_owned(),
            slices: value["slices"].as_array()?.iter().map(slice).collect::<Option<_>>()?,
            p99: Duration::from_micros(value["p99_us"].as_u64()?),
            last_failed: value["last_failed_us"].as_u64().map(Duration::from_micros),
        })
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn slice(due: Duration) -> usize {
    (due.as_nanos() / SLICE.as_nanos()) as usize
}

/// The time that 99 of a hundred of these, which are in order, did not exceed.
fn p99(took: &[Duration]) -> Duration {
    let at = (took.len() * 99).div_ceil(100).max(1) - 1;
    took.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(due: u64, took: u64, fine: bool) -> Sample {
        Sample { due: Duration::from_millis(due), took: Duration::from_millis(took), fine }
    }

    #[test]
    fn a_call_counts_where_it_was_due() {
        let series = Series::of("pages", [sample(20, 5, true), sample(90, 400, false), sample(210, 7, true)]);
        let ms = Duration::from_millis;
        let slices =
            [(1, 1, 400), (0, 0, 0), (1, 0, 7)].map(|(fine, failed, p99)| Slice { fine, failed, p99: ms(p99) });
        assert_eq!(series.slices, slices);
        assert_eq!((series.calls(), series.failed(), series.p99), (3, 1, ms(400)));
        assert_eq!(series.last_failed, Some(ms(490)));
    }

    #[test]
    fn a_hundredth_is_left_out_of_how_long_they_took() {
        let series = Series::of("pages", (0..200).map(|n| sample(n, if n < 2 { 900 } else { 3 }, true)));
        assert_eq!((series.p99, series.last_failed), (Duration::from_millis(3), None));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for series in [Series::of("pages", [sample(20, 5, true), sample(90, 4, false)]), Series::of("none", [])] {
            assert_eq!(Series::parse(&series.json()), Some(series));
        }
    }
}
