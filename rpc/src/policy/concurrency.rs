//! How many calls at once: a number, or what the latency says. Pure but for the counts that threads share.
//!
//! What comes on top stands in line, up to a bound, by its priority: a caller that says `x-mainstay-prio: 0` may use the
//! whole line, one that says nothing or 1 three quarters of it, and one that says 2 or more none. A line that does not
//! empty is cut (`codel.rs`): waiting helps against a burst, and against nothing else.

use super::{Admission, Decision, Ended, Outcome, Policy, Refusal, codel::Codel, gradient::Gradient};
use crate::call::{Invocation, Reason};
use std::{
    ops::RangeInclusive,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// The metadata in which a call says how much it matters: 0 is most. A business level may be followed by a dot and more.
const PRIORITY: &str = "x-mainstay-prio";

/// How many calls at once, and how many stand in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyOptions {
    range: RangeInclusive<usize>,
    line: Option<usize>,
}

impl ConcurrencyOptions {
    /// So many at once.
    pub fn fixed(limit: usize) -> Self {
        Self { range: limit.max(1)..=limit.max(1), line: None }
    }

    /// As many at once as the latency allows (Gradient2), from the first number on and up to the second one. Netflix
    /// recommends `20..=200`.
    pub fn adaptive(range: RangeInclusive<usize>) -> Self {
        let least = (*range.start()).max(1);
        Self { range: least..=(*range.end()).max(least), line: None }
    }

    /// How many may stand in line; 0 for none. Default: as many as may be under way at most.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    fn line_or_most(&self) -> usize {
        self.line.unwrap_or(*self.range.end())
    }

    /// How much of the line a call may use.
    pub(crate) fn share(&self, call: &Invocation) -> usize {
        share(call, self.line_or_most())
    }
}

/// The policy. See [`ConcurrencyOptions`].
#[derive(Debug)]
pub struct Concurrency {
    under_way: AtomicUsize,
    limit: AtomicUsize,
    line: usize,
    /// `None`: the limit is fixed.
    gradient: Option<Mutex<Gradient>>,
    codel: Mutex<Codel>,
    /// Somebody got in without waiting since the last look.
    at_once: AtomicBool,
}

impl Concurrency {
    /// A limit of its own.
    pub fn new(options: ConcurrencyOptions) -> Self {
        let (least, most) = (*options.range.start(), *options.range.end());
        Self {
            under_way: AtomicUsize::new(0),
            limit: AtomicUsize::new(least),
            line: options.line_or_most(),
            gradient: (least < most).then(|| Mutex::new(Gradient::new(options.range))),
            codel: Mutex::default(),
            at_once: AtomicBool::new(false),
        }
    }

    /// How many may be under way now.
    pub fn limit(&self) -> usize {
        self.limit.load(SeqCst)
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(SeqCst)
    }

    /// What it allows, in words.
    pub(crate) fn rule(&self) -> String {
        let by = if self.gradient.is_some() { "by latency" } else { "fixed" };
        format!("{by}, line {}", self.line)
    }

    fn free(&self) -> usize {
        self.limit().saturating_sub(self.under_way())
    }

    /// As many as may be are under way.
    pub(crate) fn is_full(&self) -> bool {
        self.free() == 0
    }

    /// Lets one in without a line, if it may be.
    pub(crate) fn take(&self) -> bool {
        let limit = self.limit();
        self.under_way.fetch_update(SeqCst, SeqCst, |under_way| (under_way < limit).then_some(under_way + 1)).is_ok()
    }

    fn sheds(&self, waited: Duration, now: Duration) -> bool {
        let mut codel = lock(&self.codel);
        if self.at_once.swap(false, SeqCst) {
            codel.sheds(Duration::ZERO, now);
        }
        codel.sheds(waited, now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of a line of `line` a call may use.
fn share(call: &Invocation, line: usize) -> usize {
    let said = call.metadata.get(PRIORITY).and_then(|text| text.to_str().ok());
    match said.and_then(|text| text.split('.').next()?.parse::<u32>().ok()) {
        Some(0) => line,
        None | Some(1) => line - line / 4,
        Some(_) => 0,
    }
}

fn refuse(reason: Reason, message: &'static str) -> Decision {
    Decision::Refuse(Refusal::new(reason, message))
}

impl Policy for Concurrency {
    fn name(&self) -> &'static str {
        "concurrency"
    }

    fn admit(&self, call: &Admission<'_>, now: Duration, _: u64) -> Decision {
        // Who comes does not pass by those that stand in line.
        let may_take = call.again || call.line == 0;
        if call.again && self.free() > 0 && self.sheds(call.waited, now) {
            return refuse(Reason::Shed, "the line does not empty, and the call has waited for too long");
        }
        if may_take && self.take() {
            if !call.again && !self.at_once.load(SeqCst) {
                self.at_once.store(true, SeqCst);
            }
            return Decision::Permit;
        }
        if call.again || call.line < share(call.call, self.line) {
            return Decision::OnRelease;
        }
        refuse(Reason::ConcurrencyLimited, "as many calls as may be are under way, and the line is full")
    }

    fn draws(&self) -> bool {
        false
    }

    fn settle(&self, ended: &Ended, now: Duration) -> usize {
        let at_once = self.under_way.fetch_sub(1, SeqCst);
        if let (Some(gradient), Outcome::Success | Outcome::Overdue) = (&self.gradient, ended.outcome) {
            let mut gradient = lock(gradient);
            gradient.sample(ended.took, at_once, now);
            self.limit.store(gradient.limit(), SeqCst);
        }
        self.free()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Kind, layer::testing::call};
    use proptest::prelude::*;

    fn one(priority: Option<&'static str>) -> Invocation {
        let mut call = call(Kind::Unary, false);
        if let Some(priority) = priority {
            call.metadata.insert(PRIORITY, priority.parse().unwrap());
        }
        call
    }

    fn ask(policy: &Concurrency, call: &Invocation, line: usize, again: bool) -> &'static str {
        match policy.admit(&Admission { line, again, ..Admission::new(call) }, Duration::ZERO, 0) {
            Decision::Permit => "in",
            Decision::OnRelease => "line",
            Decision::At(_) => "later",
            Decision::Refuse(refusal) => refusal.reason.as_str(),
        }
    }

    #[test]
    fn a_place_a_line_and_no_more() {
        let policy = Concurrency::new(ConcurrencyOptions::fixed(2).line(4));
        let usual = one(None);
        assert_eq!([0, 0, 0].map(|line| ask(&policy, &usual, line, false)), ["in", "in", "line"]);
        assert_eq!(ask(&policy, &usual, 3, false), "CONCURRENCY_LIMITED");
        assert_eq!(policy.settle(&Ended::new(Outcome::Success, Duration::ZERO), Duration::ZERO), 1);
        assert_eq!(ask(&policy, &usual, 1, false), "line", "who waits goes first");
        assert_eq!([ask(&policy, &usual, 0, true), ask(&policy, &usual, 0, true)], ["in", "line"]);
        assert_eq!(policy.under_way(), 2);
    }

    #[test]
    fn the_line_is_for_those_that_matter() {
        let policy = Concurrency::new(ConcurrencyOptions::fixed(1).line(8));
        assert_eq!(ask(&policy, &one(None), 0, false), "in");
        for (priority, places) in [(None, 6), (Some("0"), 8), (Some("1.77"), 6), (Some("2"), 0), (Some("x"), 6)] {
            let call = one(priority);
            let in_line = (0..20).filter(|line| ask(&policy, &call, *line, false) == "line").count();
            assert_eq!(in_line, places, "{priority:?}");
        }
    }

    #[test]
    fn a_line_that_does_not_empty_is_cut() {
        let policy = Concurrency::new(ConcurrencyOptions::fixed(1));
        let call = one(None);
        let mut shed = 0;
        assert_eq!(ask(&policy, &call, 0, false), "in");
        for turn in 1..40u32 {
            let now = Duration::from_millis(20) * turn;
            policy.settle(&Ended::new(Outcome::Success, Duration::ZERO), now);
            let admission = Admission { waited: Duration::from_millis(50), again: true, ..Admission::new(&call) };
            if matches!(policy.admit(&admission, now, 0), Decision::Refuse(Refusal { reason: Reason::Shed, .. })) {
                shed += 1;
                // The next one in line is younger.
                let younger = Admission { waited: Duration::from_millis(8), ..admission };
                assert_eq!(policy.admit(&younger, now, 0), Decision::Permit);
            }
        }
        assert!((20..36).contains(&shed), "{shed}");
    }

    proptest! {
        /// Never more than the limit, and each place comes back; against a count.
        #[test]
        fn places_are_counted(
            limit in 1usize..6,
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..3), 1..200),
        ) {
            let policy = Concurrency::new(ConcurrencyOptions::fixed(limit).line(2));
            let call = one(None);
            let mut inside = 0;
            for (begin, again, line) in steps {
                if begin {
                    let expected = inside < limit && (again || line == 0);
                    let seen = ask(&policy, &call, line, again);
                    prop_assert_eq!(seen == "in", expected);
                    prop_assert!(seen != "CONCURRENCY_LIMITED" || (!again && line >= 2));
                    inside += usize::from(expected);
                } else if inside > 0 {
                    inside -= 1;
                    let ended = Ended::new(Outcome::Cancelled, Duration::ZERO);
                    prop_assert_eq!(policy.settle(&ended, Duration::ZERO), limit - inside);
                }
                prop_assert_eq!(policy.under_way(), inside);
            }
        }
    }
}
