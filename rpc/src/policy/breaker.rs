//! A breaker: after too many bad calls it lets none through for a while, then a few to see. Pure but for the words that
//! threads share.
//!
//! `Closed` → (too many were bad) → `Open` → (its time is over, and a call asks) → `HalfOpen` → all probes good:
//! `Closed`; one bad: `Open` again, for longer. A call costs a look at one word before and an addition after; the lock is
//! for those that are asked while it is not closed.

use super::{Admission, Decision, Ended, Outcome, Policy, Refusal, window::Window};
use crate::call::Reason;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// When a breaker opens, and for how long.
///
/// The default opens when nine of ten calls are bad, of at least 20 in ten seconds: what mostly answers is never taken
/// away, also when it is all there is. It is open for a second, which doubles up to 30.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerOptions {
    window: Over,
    least: u64,
    ratio: Option<f64>,
    count: Option<u64>,
    slow: Option<(Duration, f64)>,
    open: Duration,
    open_at_most: Duration,
    probes: u32,
    observe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Time(Duration),
    Calls(u32),
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            window: Over::Time(Duration::from_secs(10)),
            least: 20,
            ratio: Some(0.9),
            count: None,
            slow: None,
            open: Duration::from_secs(1),
            open_at_most: Duration::from_secs(30),
            probes: 3,
            observe: false,
        }
    }
}

impl BreakerOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the calls of this time, in ten steps.
    #[must_use]
    pub fn over(mut self, time: Duration) -> Self {
        self.window = Over::Time(time);
        self
    }

    /// Looks at so many calls.
    #[must_use]
    pub fn over_calls(mut self, calls: u32) -> Self {
        self.window = Over::Calls(calls.max(1));
        self
    }

    /// Says nothing before it has seen so many calls; at most as many as it looks at.
    #[must_use]
    pub fn at_least(mut self, calls: u32) -> Self {
        self.least = calls.into();
        self
    }

    /// Opens when this share of the calls was bad, from 0 to 1; above 1 never.
    #[must_use]
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.ratio = (ratio <= 1.0).then_some(ratio.max(0.0));
        self
    }

    /// Opens when so many calls were bad, whatever their share.
    #[must_use]
    pub fn failure_count(mut self, count: u32) -> Self {
        self.count = Some(count.max(1).into());
        self
    }

    /// Opens when this share of the calls took longer than `than`.
    #[must_use]
    pub fn slow_ratio(mut self, than: Duration, ratio: f64) -> Self {
        self.slow = Some((than, ratio.clamp(0.0, 1.0)));
        self
    }

    /// Is open for so long at first, which doubles each time it opens again without having closed, up to the second.
    #[must_use]
    pub fn open_for(mut self, first: Duration, at_most: Duration) -> Self {
        (self.open, self.open_at_most) = (first, at_most.max(first));
        self
    }

    /// Lets so many calls through to see, and closes when all of them were good.
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
    }

    /// Refuses nothing: only tells what it would have done, in its metrics and its log.
    #[must_use]
    pub fn observe(mut self) -> Self {
        self.observe = true;
        self
    }
}

/// Where a breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All calls go through.
    Closed,
    /// None goes through.
    Open,
    /// A few go through, to see.
    HalfOpen,
}

/// What became of a breaker by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    Opened,
    Closed,
}

impl Turn {
    /// Stable word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "OPENED",
            Self::Closed => "CLOSED",
        }
    }
}

/// The policy. See [`BreakerOptions`].
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    bad: Window,
    slow: Option<Window>,
    /// From when on a call may ask, in microseconds: 0 while closed, `NEVER` while all probes are out.
    gate: AtomicU64,
    machine: Mutex<Machine>,
}

const NEVER: u64 = u64::MAX;

#[derive(Debug, Default)]
struct Machine {
    stage: Stage,
    /// How often it has opened since it was closed.
    opened: u32,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        since: Duration,
        /// When those that are out are given up: a stream may last for days.
        until: Duration,
        left: u32,
        good: u32,
    },
}

impl Breaker {
    /// A breaker that is closed.
    pub fn new(options: BreakerOptions) -> Self {
        let window = || match options.window {
            Over::Time(time) => Window::time(time),
            Over::Calls(calls) => Window::calls(calls),
        };
        let slow = options.slow.map(|_| window());
        Self { bad: window(), slow, options, gate: AtomicU64::new(0), machine: Mutex::default() }
    }

    /// Where it is now.
    pub fn state(&self) -> BreakerState {
        match self.lock().stage {
            Stage::Closed => BreakerState::Closed,
            Stage::Open { .. } => BreakerState::Open,
            Stage::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call may ask. Takes no lock.
    pub(crate) fn may_ask(&self, now: Duration) -> bool {
        let gate = self.gate.load(Relaxed);
        gate == 0 || self.options.observe || gate <= micros(now)
    }

    /// It is closed: it lets all through, and need not be asked.
    pub(crate) fn is_closed(&self) -> bool {
        self.gate.load(Relaxed) == 0
    }

    /// Lets a call through or not. Each that is let through is [`hear`](Self::hear)d of.
    pub(crate) fn lets_through(&self, now: Duration) -> bool {
        if self.gate.load(Relaxed) == 0 {
            return true;
        }
        let mut machine = self.lock();
        let through = machine.ask(now, &self.options);
        self.show(&machine);
        through || self.options.observe
    }

    /// A call has ended.
    pub(crate) fn hear(&self, ended: &Ended, now: Duration) -> Option<Turn> {
        if self.gate.load(Relaxed) != 0 {
            return self.hear_probe(ended, now);
        }
        let bad = match ended.outcome {
            Outcome::Cancelled => return None,
            outcome => outcome.is_bad(),
        };
        self.bad.add(bad, now);
        let slow = self.is_slow(ended);
        if let Some(window) = &self.slow {
            window.add(slow, now);
        }
        // A good call never makes it worse.
        if (!bad && !slow) || !self.trips(now) {
            return None;
        }
        self.turn(|machine, options| machine.trip(now, options))
    }

    #[cold]
    fn hear_probe(&self, ended: &Ended, now: Duration) -> Option<Turn> {
        let began = now.saturating_sub(ended.took);
        let slow = self.is_slow(ended);
        self.turn(|machine, options| machine.hear(ended.outcome, slow, began, now, options))
    }

    fn turn(&self, change: impl FnOnce(&mut Machine, &BreakerOptions) -> Option<Turn>) -> Option<Turn> {
        let mut machine = self.lock();
        let turn = change(&mut machine, &self.options);
        if turn.is_some() {
            self.bad.clear();
            self.slow.iter().for_each(Window::clear);
        }
        self.show(&machine);
        turn
    }

    fn is_slow(&self, ended: &Ended) -> bool {
        self.options.slow.is_some_and(|(than, _)| ended.took > than)
    }

    /// Too many of the window were bad, or slow.
    fn trips(&self, now: Duration) -> bool {
        let least = match self.options.window {
            Over::Time(_) => self.options.least,
            Over::Calls(calls) => self.options.least.min(calls.into()),
        };
        let over = |window: &Window, ratio: f64| {
            let counts = window.counts(now);
            counts.calls >= least.max(1) && counts.bad as f64 >= ratio * counts.calls as f64
        };
        let counted = self.options.count.is_some_and(|count| self.bad.counts(now).bad >= count);
        let failed = self.options.ratio.is_some_and(|ratio| over(&self.bad, ratio));
        let slow = self.slow.iter().zip(self.options.slow).any(|(window, (_, ratio))| over(window, ratio));
        counted || failed || slow
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets readers see what the machine says.
    fn show(&self, machine: &Machine) {
        let gate = match machine.stage {
            Stage::Closed => 0,
            Stage::Open { until } | Stage::HalfOpen { left: 0, until, .. } => micros(until).clamp(1, NEVER),
            Stage::HalfOpen { .. } => 1,
        };
        self.gate.store(gate, Relaxed);
    }
}

/// Rounded up: whoever asks before its time is refused.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(NEVER)
}

impl Machine {
    /// A call asks to be let through.
    fn ask(&mut self, now: Duration, options: &BreakerOptions) -> bool {
        match &mut self.stage {
            Stage::Closed => true,
            Stage::HalfOpen { left: left @ 1.., .. } => {
                *left -= 1;
                true
            }
            Stage::Open { until } | Stage::HalfOpen { until, .. } if now >= *until => {
                let until = now + options.open;
                self.stage = Stage::HalfOpen { since: now, until, left: options.probes - 1, good: 0 };
                true
            }
            _ => false,
        }
    }

    fn trip(&mut self, now: Duration, options: &BreakerOptions) -> Option<Turn> {
        if !matches!(self.stage, Stage::Closed) {
            return None;
        }
        Some(self.open(now, options))
    }

    fn open(&mut self, now: Duration, options: &BreakerOptions) -> Turn {
        let doubled = options.open.saturating_mul(1 << self.opened.min(20));
        self.opened = self.opened.saturating_add(1);
        self.stage = Stage::Open { until: now + doubled.min(options.open_at_most) };
        Turn::Opened
    }

    /// A call that began at `began` has ended. What began before the probes says nothing of now.
    fn hear(
        &mut self,
        outcome: Outcome,
        slow: bool,
        began: Duration,
        now: Duration,
        options: &BreakerOptions,
    ) -> Option<Turn> {
        let Stage::HalfOpen { since, left, good, .. } = &mut self.stage else { return None };
        if began < *since {
            return None;
        }
        if outcome == Outcome::Cancelled {
            *left = (*left + 1).min(options.probes - *good);
            return None;
        }
        if outcome.is_bad() || slow {
            return Some(self.open(now, options));
        }
        *good += 1;
        if *good < options.probes {
            return None;
        }
        *self = Self::default();
        Some(Turn::Closed)
    }
}

impl Policy for Breaker {
    fn name(&self) -> &'static str {
        "breaker"
    }

    fn admit(&self, _: &Admission<'_>, now: Duration, _: u64) -> Decision {
        if self.may_ask(now) && self.lets_through(now) {
            return Decision::Permit;
        }
        Decision::Refuse(Refusal::new(Reason::BreakerOpen, "the breaker is open"))
    }

    fn draws(&self) -> bool {
        false
    }

    fn settle(&self, ended: &Ended, now: Duration) -> usize {
        self.hear(ended, now);
        0
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
