//! What the check found, as one line of JSON. Pure.

use std::time::Duration;

/// What was counted while the faults happened.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) took: Vec<Duration>,
    pub(crate) failed: usize,
    /// Tries of calls before the one that was answered.
    pub(crate) retried: u64,
    /// From kill(2) to the Down in the site's directory, in microseconds.
    pub(crate) detect_micros: Option<u64>,
}

impl Report {
    /// The line; times in milliseconds.
    pub(crate) fn json(&self) -> String {
        let millis = |micros: u128| format!("{}.{:03}", micros / 1000, micros % 1000);
        let detect = self.detect_micros.map_or("null".to_owned(), |micros| millis(micros.into()));
        let p99 = percentile(&self.took, 99).map_or("null".to_owned(), |p99| millis(p99.as_micros()));
        let (calls, failed, retried) = (self.took.len() + self.failed, self.failed, self.retried);
        format!(
            "{{\"calls\":{calls},\"failed\":{failed},\"retried\":{retried},\"detect_ms\":{detect},\"p99_ms\":{p99}}}"
        )
    }
}

/// The least time that `percent` of all did not exceed.
fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = (times.len() * percent).div_ceil(100).checked_sub(1)?;
    times.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_json_with_times_in_milliseconds() {
        let took = (1..=200).map(Duration::from_millis).collect();
        let report = Report { took, failed: 1, retried: 2, detect_micros: Some(1042) };
        assert_eq!(report.json(), r#"{"calls":201,"failed":1,"retried":2,"detect_ms":1.042,"p99_ms":198.000}"#);
        assert_eq!(Report::default().json(), r#"{"calls":0,"failed":0,"retried":0,"detect_ms":null,"p99_ms":null}"#);
    }
}
