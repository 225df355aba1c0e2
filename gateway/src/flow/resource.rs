//! All rules of one resource, a route or a group of paths, in the order of Sentinel's slots: who may, limits of gateways and hot
//! parameters, flow, and at last whether it is given up for a while.

use super::{
    asks::Asks,
    breaker::Breaker,
    controller::Says,
    gate::{Comes, Counts, Gate, Rejected},
    hot::Hot,
    places::Places,
    refused::{Refused, Why},
    rule::{AuthorityRule, DegradeRule, FlowRule, ParamRule, Relation},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A resource's rules at work.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(super) name: String,
    pub(super) authority: Option<AuthorityRule>,
    pub(super) hot: Vec<Arc<Mutex<Hot>>>,
    pub(super) gate: Option<Arc<Mutex<Gate>>>,
    /// What its flow rules look at elsewhere, in their order; nothing where none does.
    related: Vec<Option<Arc<Mutex<Gate>>>>,
    pub(super) breakers: Vec<Arc<Mutex<Breaker>>>,
}

/// What rules say of one resource.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) authority: Option<AuthorityRule>,
    pub(super) hot: Vec<ParamRule>,
    pub(super) flow: Vec<FlowRule>,
    pub(super) degrade: Vec<DegradeRule>,
    /// Rules of others look at how many requests it has.
    pub(super) is_watched: bool,
}

impl Resource {
    /// Rules that are as they were keep what they have counted.
    pub(super) fn new(name: &str, said: Said, old: Option<&Self>) -> Self {
        let hot = |rule: ParamRule| {
            let kept = old.and_then(|old| old.hot.iter().find(|one| lock(one).rule == rule));
            kept.cloned().unwrap_or_else(|| Arc::new(Mutex::new(Hot::new(rule))))
        };
        let breaker = |rule: DegradeRule| {
            let kept = old.and_then(|old| old.breakers.iter().find(|one| lock(one).rule == rule));
            kept.cloned().unwrap_or_else(|| Arc::new(Mutex::new(Breaker::new(rule))))
        };
        let gate = (said.is_watched || !said.flow.is_empty()).then(|| {
            let kept = old.and_then(|old| old.gate.as_ref()).filter(|gate| lock(gate).rules().eq(&said.flow));
            kept.cloned().unwrap_or_else(|| Arc::new(Mutex::new(Gate::new(&said.flow))))
        });
        Self {
            name: name.to_owned(),
            authority: said.authority,
            hot: said.hot.into_iter().map(hot).collect(),
            gate,
            related: Vec::new(),
            breakers: said.degrade.into_iter().map(breaker).collect(),
        }
    }

    /// Lets its flow rules look at other resources.
    pub(super) fn relate(&mut self, gates: &HashMap<String, Arc<Mutex<Gate>>>) {
        let Some(own) = &self.gate else { return };
        let related = |rule: &FlowRule| match &rule.relation {
            Relation::Other(name) => gates.get(name).cloned(),
            Relation::Own | Relation::Entry(_) => None,
        };
        self.related = lock(own).rules().map(related).collect();
        if self.related.iter().all(Option::is_none) {
            self.related.clear();
        }
    }

    /// All but the breakers: how long a request waits, whose places it takes. `by` is the route that it comes by.
    ///
    /// # Errors
    /// Why it does not pass. What it took is in `places`, which gives it back.
    pub(super) fn enter(
        &self,
        by: &str,
        asks: &Asks<'_>,
        places: &mut Places,
        now: Duration,
    ) -> Result<Duration, Refused> {
        if self.authority.as_ref().is_some_and(|rule| !rule.allows(asks.origin)) {
            return Err(self.refuse(Why::Origin, None, None));
        }
        let mut wait = Duration::ZERO;
        for hot in &self.hot {
            wait = wait.max(self.asked_of(hot, asks, places, now)?);
        }
        if let Some(gate) = &self.gate {
            // Looked at one after the other: two gates that are locked at once might be so in either order.
            let counts = |gate: &Option<Arc<Mutex<Gate>>>| gate.as_ref().map(|gate| lock(gate).whole());
            let related: Vec<Counts> = self.related.iter().map(|gate| counts(gate).unwrap_or_default()).collect();
            let asked = lock(gate).ask(now, Comes { caller: asks.origin, by }, &related);
            let (longer, seat) = asked
                .map_err(|Rejected { limit, retry_after }| self.refuse(Why::Rate, Some(limit), Some(retry_after)))?;
            places.gates.push((gate.clone(), seat));
            wait = wait.max(longer);
        }
        Ok(wait)
    }

    fn asked_of(
        &self,
        hot: &Arc<Mutex<Hot>>,
        asks: &Asks<'_>,
        places: &mut Places,
        now: Duration,
    ) -> Result<Duration, Refused> {
        let mut open = lock(hot);
        // What a request does not have, or what is not meant, is not limited.
        let Some(value) = asks.pick(&open.rule.pick) else { return Ok(Duration::ZERO) };
        if open.rule.pattern.as_ref().is_some_and(|pattern| !pattern.matches(&value)) {
            return Ok(Duration::ZERO);
        }
        let wait = match open.ask(&value, now) {
            Says::Pass => Duration::ZERO,
            Says::Wait(wait) => wait,
            Says::Reject(retry_after) => {
                let why = if open.rule.of_gateway { Why::Gateway } else { Why::Param };
                return Err(self.refuse(why, Some(open.limit(&value) as f64), Some(retry_after)));
            }
        };
        places.hot.push((hot.clone(), value.into_owned()));
        Ok(wait)
    }

    /// The breakers, when nothing else can refuse any more.
    ///
    /// # Errors
    /// One of them is open.
    pub(super) fn last(&self, places: &mut Places, now: Duration) -> Result<(), Refused> {
        for breaker in &self.breakers {
            let asked = lock(breaker).ask(now);
            let passed = asked.map_err(|after| self.refuse(Why::Breaker, None, Some(after)))?;
            places.breakers.push((breaker.clone(), passed));
        }
        Ok(())
    }

    fn refuse(&self, why: Why, limit: Option<f64>, retry_after: Option<Duration>) -> Refused {
        Refused { resource: self.name.clone(), why, limit, retry_after, reset: None }
    }
}

/// What is kept is whole after each statement: a panic of another holder does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
