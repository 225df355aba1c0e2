//! What a request has taken of limits, until it ends: places among those under way, the word on how it went, or, when something
//! refuses it after all, what it gives back.

use super::{
    breaker::{Breaker, Let},
    gate::{Gate, Seat},
    hot::Hot,
    limits::Clock,
    meters,
    resource::lock,
    shared::Left,
    vitals::Vitals,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// What is taken. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Places {
    clock: Clock,
    pub(super) whole: Option<Arc<Mutex<Vitals>>>,
    /// When it was asked about.
    then: Duration,
    pub(super) hot: Vec<(Arc<Mutex<Hot>>, String)>,
    /// With the place in the counts of each.
    pub(super) gates: Vec<(Arc<Mutex<Gate>>, Seat)>,
    pub(super) breakers: Vec<(Arc<Mutex<Breaker>>, Let)>,
    /// What is left of a limit that gateways share.
    pub(super) left: Option<Left>,
    /// When it was let through, if it was.
    through: Option<Duration>,
    /// How long its answer took to begin.
    took: Option<Duration>,
}

impl Places {
    pub(super) fn new(clock: Clock) -> Self {
        let then = clock.now();
        let (hot, gates, breakers) = (Vec::new(), Vec::new(), Vec::new());
        Self { clock, whole: None, then, hot, gates, breakers, left: None, through: None, took: None }
    }

    /// Nothing can refuse it any more.
    pub(super) fn let_through(&mut self) {
        self.through = Some(self.clock.now());
    }

    /// Its answer begins.
    pub(super) fn answered(&mut self) {
        self.took = self.through.map(|then| self.clock.now().saturating_sub(then));
    }

    /// How it went. The first word counts.
    pub(super) fn went(&mut self, failed: bool) {
        let (now, took) = (self.clock.now(), self.took.unwrap_or_default());
        for (breaker, passed) in self.breakers.drain(..) {
            let mut breaker = lock(&breaker);
            if breaker.ended(passed, took, failed, now) {
                meters::opened(&breaker.rule.resource);
                tracing::warn!(resource = breaker.rule.resource, "a breaker opened");
            }
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Some(whole) = &self.whole {
            match self.took {
                Some(took) => lock(whole).done(took, self.clock.now()),
                None => lock(whole).gone(self.then),
            }
        }
        self.hot.drain(..).for_each(|(hot, value)| lock(&hot).ended(&value));
        for (gate, seat) in self.gates.drain(..) {
            match self.through {
                Some(_) => lock(&gate).ended(&seat),
                None => lock(&gate).take_back(&seat),
            }
        }
        self.breakers.drain(..).for_each(|(breaker, passed)| lock(&breaker).unheard(passed));
    }
}
