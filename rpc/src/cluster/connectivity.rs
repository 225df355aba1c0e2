//! Whether an endpoint is connected, and when to connect again. Pure: the shell dials, and reports here.
//!
//! `Idle` → (a call wants it) → `Connecting` → `Ready` → (the last connection is lost) → `Idle`. A failed attempt leads
//! to `TransientFailure` with a wait that doubles; so does a connection that was lost as soon as it was there, else a
//! peer that accepts and hangs up would be dialled as fast as the network goes.

use mainstay_registry::Backoff;
use std::{fmt, ops::RangeInclusive, time::Duration};

/// The state of the connections to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Connectivity {
    /// Not connected, and nobody has asked.
    Idle,
    /// The first connection is being opened.
    Connecting,
    /// At least one connection is open.
    Ready,
    /// The last attempt failed. The next one waits for its time, and for a call.
    TransientFailure,
}

impl fmt::Display for Connectivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::TransientFailure => "transient failure",
        })
    }
}

/// A connection that lived at least this long was a good one.
const STEADY: Duration = Duration::from_secs(1);

/// The state behind it. Times count from any fixed moment.
#[derive(Debug)]
pub(crate) struct Machine {
    range: RangeInclusive<usize>,
    backoff: Backoff,
    dialing: usize,
    open: usize,
    failures: u32,
    /// No attempt before this time.
    until: Option<Duration>,
    /// The registry has withdrawn the endpoint.
    gone: bool,
}

impl Machine {
    /// Keeps as many connections as `range` says: its start while in use, up to its end when busy.
    pub(crate) fn new(range: RangeInclusive<usize>) -> Self {
        let min = (*range.start()).max(1);
        let mut backoff = Backoff::default();
        (backoff.first, backoff.max) = (Duration::from_millis(50), Duration::from_secs(5));
        let range = min..=(*range.end()).max(min);
        Self { range, backoff, dialing: 0, open: 0, failures: 0, until: None, gone: false }
    }

    /// A call wants the endpoint, and found its connections `busy` or not: how many to dial now. They count as begun.
    pub(crate) fn wanted(&mut self, busy: bool, now: Duration) -> usize {
        if self.gone || self.dialing > 0 || self.until.is_some_and(|until| now < until) {
            return 0;
        }
        let missing = self.range.start().saturating_sub(self.open);
        let more = usize::from(busy && self.open < *self.range.end());
        self.dialing = missing.max(more);
        self.dialing
    }

    /// A connection opened. `false`: nobody wants it any more.
    pub(crate) fn opened(&mut self) -> bool {
        self.dialing -= 1;
        if self.gone {
            return false;
        }
        self.open += 1;
        self.until = None;
        true
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, now: Duration, random: u64) {
        self.dialing -= 1;
        self.back_off(now, random);
    }

    /// A connection that lived for `lived` is lost, or was given up.
    pub(crate) fn closed(&mut self, lived: Duration, now: Duration, random: u64) {
        self.open -= 1;
        if lived >= STEADY {
            self.failures = 0;
        } else if self.open == 0 {
            self.back_off(now, random);
        }
    }

    /// A connection may go because it is not needed.
    pub(crate) fn spare(&self) -> bool {
        self.open > *self.range.start()
    }

    /// The endpoint is withdrawn: nothing is dialled any more.
    pub(crate) fn withdraw(&mut self) {
        self.gone = true;
    }

    pub(crate) fn state(&self) -> Connectivity {
        match self {
            Self { open: 1.., .. } => Connectivity::Ready,
            Self { dialing: 1.., .. } => Connectivity::Connecting,
            Self { until: Some(_), .. } => Connectivity::TransientFailure,
            _ => Connectivity::Idle,
        }
    }

    /// Before this time no attempt is made.
    pub(crate) fn until(&self) -> Duration {
        self.until.unwrap_or_default()
    }

    fn back_off(&mut self, now: Duration, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + self.backoff.delay(self.failures, random));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_usual_way() {
        let mut machine = Machine::new(1..=2);
        assert_eq!(machine.state(), Connectivity::Idle);
        assert_eq!(machine.wanted(false, S), 1);
        assert_eq!((machine.state(), machine.wanted(false, S)), (Connectivity::Connecting, 0));
        assert!(machine.opened());
        assert_eq!((machine.state(), machine.wanted(false, S)), (Connectivity::Ready, 0));
        assert_eq!(machine.wanted(true, S), 1, "grown by demand");
        assert!(machine.opened() && machine.spare());
        assert_eq!(machine.wanted(true, S), 0, "up to the bound");
        machine.closed(2 * S, 3 * S, 0);
        machine.closed(2 * S, 3 * S, 0);
        assert_eq!((machine.state(), machine.wanted(false, 3 * S)), (Connectivity::Idle, 1));
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_steady_connection_forgives_them() {
        let mut machine = Machine::new(1..=1);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let now = machine.until();
            assert_eq!(machine.wanted(false, now), 1);
            machine.failed(now, u64::MAX);
            assert_eq!((machine.state(), machine.wanted(true, now)), (Connectivity::TransientFailure, 0));
            waits.push((machine.until() - now).as_millis().div_ceil(10) * 10);
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let now = machine.until();
        machine.wanted(false, now);
        machine.opened();
        machine.closed(S, now + S, 0);
        assert_eq!((machine.state(), machine.failures), (Connectivity::Idle, 0));
    }

    #[test]
    fn a_peer_that_hangs_up_at_once_is_not_dialled_at_once() {
        let mut machine = Machine::new(1..=1);
        machine.wanted(false, S);
        machine.opened();
        machine.closed(Duration::ZERO, S, 0);
        assert_eq!((machine.state(), machine.wanted(false, S)), (Connectivity::TransientFailure, 0));
    }

    #[test]
    fn nothing_is_dialled_for_who_is_gone() {
        let mut machine = Machine::new(2..=4);
        assert_eq!(machine.wanted(false, S), 2);
        machine.withdraw();
        assert!(!machine.opened());
        machine.failed(S, 0);
        assert_eq!(machine.wanted(true, 100 * S), 0);
    }

    proptest! {
        #[test]
        fn bounds_hold_in_any_history(min in 0usize..3, extra in 0usize..3, steps in prop::collection::vec(0u8..5, 0..80)) {
            let mut machine = Machine::new(min..=min + extra);
            let most = (min + extra).max(1);
            let mut now = Duration::ZERO;
            for step in steps {
                now += Duration::from_millis(30);
                match step {
                    0 => drop(machine.wanted(false, now)),
                    1 => drop(machine.wanted(true, now)),
                    2 if machine.dialing > 0 => assert!(machine.opened()),
                    3 if machine.dialing > 0 => machine.failed(now, 1),
                    4 if machine.open > 0 => machine.closed(Duration::from_millis(30), now, 1),
                    _ => {}
                }
                prop_assert!(machine.open + machine.dialing <= most);
                prop_assert_eq!(machine.open > 0, machine.state() == Connectivity::Ready);
            }
        }
    }
}
