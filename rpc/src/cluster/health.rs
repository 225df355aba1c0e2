//! How an instance does, by the calls that it was given: its breakers, and whether it is left out for a while.
//!
//! A call costs a look at one word before, and two additions after. All instances are judged together once a second, by
//! the call that comes then; where nothing was bad, that is a look at a flag.

use super::{
    Common,
    balance::ramp,
    directory::Snapshot,
    endpoint::Endpoint,
    live::{Live, Own},
};
use crate::{
    call::Method,
    layer::names::{BREAKER_TURNS, EJECTIONS, REASON},
    policy::{Breaker, BreakerOptions, BreakerState, Ended, OutlierOptions, Seen, Turn, Verdict, Window, judge},
};
use mainstay_registry::Instance;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What the health of a client's endpoints is watched with.
#[derive(Clone, Debug)]
pub(crate) struct HealthSettings {
    /// The breaker of each instance.
    pub(crate) breaker: Option<BreakerOptions>,
    /// Breakers of methods, at each instance, by their names on the wire.
    pub(crate) methods: Vec<(Arc<str>, BreakerOptions)>,
    /// How those that do worse are left out.
    pub(crate) outliers: Option<OutlierOptions>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        let (breaker, outliers) = (Some(BreakerOptions::default()), Some(OutlierOptions::default()));
        Self { breaker, methods: Vec::new(), outliers }
    }
}

impl HealthSettings {
    /// Which of the methods' breakers is this one's.
    pub(crate) fn lane(&self, method: &Method) -> Option<usize> {
        if self.methods.is_empty() {
            return None;
        }
        self.methods.iter().position(|(name, _)| **name == *method.name())
    }
}

/// The health of one instance.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Option<Breaker>,
    methods: Box<[Breaker]>,
    /// The last calls; `None` when nobody is left out ever.
    last: Option<Window>,
    in_a_row: AtomicU32,
    /// Until when it is left out, in microseconds; 0 for never so far.
    out_until: AtomicU64,
    /// How often it was left out, less what was forgiven.
    times: AtomicU32,
}

impl Health {
    pub(crate) fn new(settings: &HealthSettings) -> Self {
        Self {
            breaker: settings.breaker.clone().map(Breaker::new),
            methods: settings.methods.iter().map(|(_, options)| Breaker::new(options.clone())).collect(),
            last: settings.outliers.as_ref().map(|options| Window::time(options.interval * 2)),
            in_a_row: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            times: AtomicU32::new(0),
        }
    }

    /// It is left out.
    pub(crate) fn is_out(&self, now: Duration) -> bool {
        let until = self.out_until.load(Relaxed);
        until != 0 && u128::from(until) > now.as_micros()
    }

    /// It takes all calls, and none of its breakers need be asked.
    pub(crate) fn is_well(&self, now: Duration) -> bool {
        !self.is_out(now) && self.breaker.iter().chain(&self.methods).all(Breaker::is_closed)
    }

    /// What share of its weight it gets after it was left out.
    pub(crate) fn recovered(&self, now: Duration, slow_start: Duration) -> f32 {
        match self.out_until.load(Relaxed) {
            0 => 1.0,
            until => ramp(now.saturating_sub(Duration::from_micros(until)), slow_start),
        }
    }

    /// Its breakers may let a call through.
    pub(crate) fn may_ask(&self, lane: Option<usize>, now: Duration) -> bool {
        self.breakers(lane).all(|breaker| breaker.may_ask(now))
    }

    /// Its breakers let a call through, which is then [`hear`](Self::hear)d of.
    pub(crate) fn lets_through(&self, lane: Option<usize>, now: Duration) -> bool {
        let Some(breaker) = lane.and_then(|lane| self.methods.get(lane)) else {
            return self.breaker.as_ref().is_none_or(|breaker| breaker.lets_through(now));
        };
        if !breaker.lets_through(now) {
            return false;
        }
        let through = self.breaker.as_ref().is_none_or(|breaker| breaker.lets_through(now));
        if !through {
            breaker.hear(&Ended::cancelled(), now);
        }
        through
    }

    /// The worst of its breakers.
    pub(crate) fn breaker(&self) -> BreakerState {
        let all = self.breaker.iter().chain(&self.methods).map(Breaker::state);
        all.max_by_key(|state| match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        })
        .unwrap_or(BreakerState::Closed)
    }

    /// Where the breaker of a method is.
    pub(crate) fn of_method(&self, lane: usize) -> BreakerState {
        self.methods.get(lane).map_or(BreakerState::Closed, Breaker::state)
    }

    fn breakers(&self, lane: Option<usize>) -> impl Iterator<Item = &Breaker> {
        self.breaker.iter().chain(lane.and_then(|lane| self.methods.get(lane)))
    }

    /// Leaves it out from now on.
    fn leave_out(&self, now: Duration, options: &OutlierOptions) -> Duration {
        let was = Duration::from_micros(self.out_until.load(Relaxed));
        let forgiven = now.saturating_sub(was).as_nanos() / options.ejection.as_nanos().max(1);
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        let times = self.times.load(Relaxed).saturating_sub(forgiven).saturating_add(1);
        self.times.store(times, Relaxed);
        let lasts = options.lasts(times);
        if !options.observe {
            self.out_until.store((now + lasts).as_micros() as u64, Relaxed);
        }
        self.in_a_row.store(0, Relaxed);
        self.last.iter().for_each(Window::clear);
        lasts
    }
}

impl Live {
    /// A call on it has ended.
    pub(super) fn hear(&self, ended: &Ended, lane: Option<usize>, now: Duration, outliers: &Outliers) {
        let Some(own @ Own { health, .. }) = self.known() else { return };
        for breaker in health.breakers(lane) {
            if let Some(turn) = breaker.hear(ended, now) {
                self.turned(turn, &own.instance);
            }
        }
        let (Some(options), Some(last)) = (&outliers.options, &health.last) else { return };
        if !ended.outcome.says() || health.is_out(now) {
            return;
        }
        let bad = ended.outcome.is_bad();
        last.add(bad, now);
        if !bad {
            if health.in_a_row.load(Relaxed) != 0 {
                health.in_a_row.store(0, Relaxed);
            }
            return;
        }
        outliers.trouble.store(true, Relaxed);
        let row = health.in_a_row.fetch_add(1, Relaxed) + 1;
        if options.in_a_row > 0 && row.is_multiple_of(options.in_a_row) {
            // Not at the next second, but at the next call.
            outliers.next.store(0, Relaxed);
        }
    }

    #[cold]
    fn turned(&self, turn: Turn, instance: &Instance) {
        let (id, address) = (&instance.id, instance.address());
        match turn {
            Turn::Opened => {
                self.raise();
                tracing::warn!(instance = %id, address, "too many calls fail: the breaker is open");
            }
            Turn::Closed => tracing::info!(instance = %id, address, "calls succeed again: the breaker is closed"),
        }
        metrics::counter!(BREAKER_TURNS, REASON => turn.as_str()).increment(1);
    }
}

/// Leaves instances out that do worse than the others. See [`crate::policy::OutlierOptions`].
#[derive(Debug)]
pub(crate) struct Outliers {
    options: Option<OutlierOptions>,
    /// When all are judged again, in microseconds.
    next: AtomicU64,
    /// Something was bad since they were judged.
    trouble: AtomicBool,
    /// Somebody was left out when they were judged.
    some_out: AtomicBool,
    /// Too few are well.
    panic: AtomicBool,
    /// Until when somebody was out last, in microseconds; 0 for never.
    last_out: AtomicU64,
}

impl Outliers {
    pub(crate) fn new(options: Option<OutlierOptions>) -> Self {
        Self {
            next: AtomicU64::new(if options.is_some() { 0 } else { u64::MAX }),
            options,
            trouble: AtomicBool::new(false),
            some_out: AtomicBool::new(false),
            panic: AtomicBool::new(false),
            last_out: AtomicU64::new(0),
        }
    }

    /// Nobody is left out now: too few are well.
    pub(crate) fn panics(&self) -> bool {
        self.panic.load(Relaxed)
    }

    /// Somebody is out, or is growing again since.
    pub(crate) fn recovering(&self, now: Duration, slow_start: Duration) -> bool {
        let last = self.last_out.load(Relaxed);
        last != 0 && now < Duration::from_micros(last) + slow_start
    }

    /// Judges all, when it is time to.
    pub(crate) fn watch(&self, now: Duration, snapshot: impl FnOnce() -> arc_swap::Guard<Arc<Snapshot>>) {
        let (next, micros) = (self.next.load(Relaxed), now.as_micros() as u64);
        let Some(options) = self.options.as_ref().filter(|_| next <= micros) else { return };
        let then = micros.saturating_add(options.interval.as_micros() as u64);
        if self.next.compare_exchange(next, then, Relaxed, Relaxed).is_err() {
            return;
        }
        if self.trouble.swap(false, Relaxed) | self.some_out.load(Relaxed) {
            self.judge(now, options, &snapshot());
        }
    }

    #[cold]
    fn judge(&self, now: Duration, options: &OutlierOptions, snapshot: &Snapshot) {
        let see = |endpoint: &Arc<Endpoint>| {
            let reachable = endpoint.is_reachable(now);
            // Who was never called has done nothing wrong.
            let Some(Own { health, .. }) = endpoint.own() else {
                return Seen { reachable, ..Seen::default() };
            };
            let counts = health.last.as_ref().map(|last| last.counts(now)).unwrap_or_default();
            Seen {
                reachable: reachable && health.may_ask(None, now),
                out: health.is_out(now),
                calls: counts.calls,
                bad: counts.bad,
                in_a_row: health.in_a_row.load(Relaxed),
            }
        };
        let seen: Vec<Seen> = snapshot.endpoints.iter().map(see).collect();
        let Verdict { out, panic } = judge(&seen, options);
        for (index, why) in &out {
            let Some((live, own)) = snapshot.endpoints[*index].known().and_then(|live| Some((live, live.known()?)))
            else {
                continue;
            };
            let lasts = own.health.leave_out(now, options);
            live.raise();
            let (id, address, reason) = (&own.instance.id, own.instance.address(), why.as_str());
            let observe = options.observe;
            tracing::warn!(instance = %id, address, reason, ?lasts, observe, "it does worse than the others: left out");
            self.last_out.fetch_max((now + lasts).as_micros() as u64, Relaxed);
            metrics::counter!(EJECTIONS, REASON => reason).increment(1);
        }
        let some_out = seen.iter().any(|one| one.out) || (!out.is_empty() && !options.observe);
        self.some_out.store(some_out, Relaxed);
        self.panic.store(panic && !options.observe, Relaxed);
    }
}

impl Common {
    /// Whether one of this health is left out now.
    pub(crate) fn leaves_out(&self, health: &Health, now: Duration) -> bool {
        health.is_out(now) && !self.outliers.panics()
    }
}
