//! Gap and loss, from what the canary noted and what the new master has. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

/// A write that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    /// The number that was written.
    pub(super) number: u64,
    /// When the acknowledgement came, since the canary began.
    pub(super) at: Duration,
    /// Which server took it.
    pub(super) server: usize,
    /// As many replicas as wanted confirmed it.
    pub(super) confirmed: bool,
}

/// What a drill cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measured {
    /// Acknowledged writes.
    pub(super) acknowledged: usize,
    /// Milliseconds from the last acknowledgement of the old master to the first of the new one, if there was one.
    pub(super) gap_ms: Option<f64>,
    /// The longest time between two acknowledgements, in milliseconds.
    pub(super) longest_ms: f64,
    /// Acknowledged writes that the new master does not have; `None`: it could not be read.
    pub(super) lost: Option<usize>,
    /// Writes that replicas confirmed.
    pub(super) confirmed: usize,
    /// Those among them that are lost.
    pub(super) lost_confirmed: Option<usize>,
}

/// Compares the writes, in the order of their acknowledgements, with the numbers that are kept.
pub(super) fn measure(writes: &[Write], kept: Option<&BTreeSet<u64>>) -> Measured {
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let pairs = || writes.windows(2).map(|pair| (pair[0], pair[1]));
    let change = pairs().find(|(a, b)| a.server != b.server);
    let lost = |only: fn(&Write) -> bool| {
        kept.map(|kept| writes.iter().filter(|w| only(w) && !kept.contains(&w.number)).count())
    };
    Measured {
        acknowledged: writes.len(),
        gap_ms: change.map(|(a, b)| ms(b.at - a.at)),
        longest_ms: ms(pairs().map(|(a, b)| b.at - a.at).max().unwrap_or_default()),
        lost: lost(|_| true),
        confirmed: writes.iter().filter(|w| w.confirmed).count(),
        lost_confirmed: lost(|w| w.confirmed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(number: u64, at: u64, server: usize, confirmed: bool) -> Write {
        Write { number, at: Duration::from_millis(at), server, confirmed }
    }

    #[test]
    fn the_gap_is_between_the_two_masters_and_the_loss_is_what_is_not_kept() {
        let writes = [write(0, 1, 0, true), write(1, 41, 0, false), write(2, 60, 1, true), write(4, 62, 1, false)];
        let measured = measure(&writes, Some(&[0, 2, 3].into()));
        assert_eq!((measured.acknowledged, measured.gap_ms, measured.longest_ms), (4, Some(19.0), 40.0));
        assert_eq!((measured.lost, measured.confirmed, measured.lost_confirmed), (Some(2), 2, Some(0)));
    }

    #[test]
    fn without_a_change_there_is_no_gap_and_without_a_reader_no_loss_is_known() {
        let measured = measure(&[write(0, 1, 0, false)], None);
        assert_eq!((measured.gap_ms, measured.longest_ms, measured.lost), (None, 0.0, None));
        assert_eq!(measure(&[], Some(&BTreeSet::new())).lost, Some(0));
    }
}
