//! That a call was let in. Its owner says how the call ended; one that is dropped before says so itself: overdue when
//! the deadline has passed, else cancelled. So each call is heard of once, whatever becomes of it.

use super::{Ended, Outcome, Policy};
use crate::{call::Status, cluster::Dice, layer::settle::Settle};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// A policy, and the line before it.
#[derive(Debug)]
pub(super) struct Gate<P> {
    pub(super) policy: P,
    pub(super) dice: Dice,
    birth: Instant,
    /// Calls that stand in line.
    line: AtomicUsize,
    /// One of them may ask again.
    pub(super) released: Notify,
}

impl<P: Policy> Gate<P> {
    pub(super) fn new(policy: P) -> Self {
        Self {
            policy,
            dice: Dice::default(),
            birth: Instant::now(),
            line: AtomicUsize::new(0),
            released: Notify::new(),
        }
    }

    /// A moment as the policy counts it.
    pub(super) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.birth)
    }

    /// That moment on the clock; `None` when it never comes.
    pub(super) fn moment(&self, at: Duration) -> Option<Instant> {
        self.birth.checked_add(at)
    }

    pub(super) fn line(&self) -> usize {
        self.line.load(SeqCst)
    }

    fn settle(&self, ended: &Ended, now: Duration) {
        let free = self.policy.settle(ended, now);
        for _ in 0..free.min(self.line()) {
            self.released.notify_one();
        }
    }
}

/// A place in the line, until it is dropped.
pub(super) struct InLine<'a, P>(pub(super) &'a Gate<P>);

impl<'a, P> InLine<'a, P> {
    pub(super) fn new(gate: &'a Gate<P>) -> Self {
        gate.line.fetch_add(1, SeqCst);
        Self(gate)
    }
}

impl<P> Drop for InLine<'_, P> {
    fn drop(&mut self) {
        self.0.line.fetch_sub(1, SeqCst);
    }
}

/// A call that was let in.
#[derive(Debug)]
pub(super) struct Permit<P: Policy> {
    gate: Arc<Gate<P>>,
    began: Duration,
    deadline: Option<Instant>,
    heard: bool,
}

impl<P: Policy> Permit<P> {
    /// `began` is from when on it is let in.
    pub(super) fn new(gate: Arc<Gate<P>>, began: Duration, deadline: Option<Instant>) -> Self {
        Self { gate, began, deadline, heard: false }
    }

    /// The call has ended.
    pub(super) fn ended(mut self, outcome: Outcome, at: Instant) {
        self.hear(outcome, at);
    }

    fn hear(&mut self, outcome: Outcome, moment: Instant) {
        if !std::mem::replace(&mut self.heard, true) && self.gate.policy.hears() {
            let now = self.gate.at(moment);
            self.gate.settle(&Ended::new(outcome, now.saturating_sub(self.began)), now);
        }
    }
}

impl<P: Policy> Settle for Permit<P> {
    fn settle(&mut self, outcome: Result<(), &Status>, at: Instant) {
        self.hear(outcome.map_or_else(Outcome::of, |()| Outcome::Success), at);
    }
}

impl<P: Policy> Drop for Permit<P> {
    fn drop(&mut self) {
        if !self.heard {
            let now = Instant::now();
            let late = self.deadline.is_some_and(|deadline| deadline <= now);
            self.hear(if late { Outcome::Overdue } else { Outcome::Cancelled }, now);
        }
    }
}
