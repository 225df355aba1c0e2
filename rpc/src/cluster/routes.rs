//! What rules make of calls, at one moment of the directory. Pure.
//!
//! A plan says which set of instances a call may go to. There are few such sets, so what a balancer draws from is made once for
//! each, by the first call that comes to it, and kept beside the plan: a pick among ten of ten thousand costs what one among
//! ten does. Most are sets that the plan has ready, and found by their number; those that several rules make together are
//! looked for. Readers take no lock.

use super::snapshot::{Derive, Endpoint, Group, Zones};
use crate::route::{Asked, Left, Plan, Set, Those};
use arc_swap::ArcSwap;
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

/// The plan, and the parts of the directory that calls went to so far.
#[derive(Debug)]
pub(crate) struct Routes {
    plan: Plan,
    derive: Derive,
    /// Of the sets that the plan has ready, by their numbers.
    ready: Box<[OnceLock<Part>]>,
    /// Of others.
    parts: ArcSwap<Vec<(Set, Arc<Part>)>>,
}

/// The part for a call.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Ready(&'a Part),
    Kept(Arc<Part>),
}

impl Deref for Found<'_> {
    type Target = Part;

    fn deref(&self) -> &Part {
        match self {
            Self::Ready(part) => part,
            Self::Kept(part) => part,
        }
    }
}

/// A part of the directory.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) whole: Group,
    pub(crate) zones: Option<Zones>,
}

/// Nobody is left for a call, because of this rule.
#[derive(Debug)]
pub(crate) struct NoRoute(pub(crate) Arc<str>);

/// Parts that are kept; with more, all are made anew.
const KEPT: usize = 64;

impl Routes {
    pub(super) fn new(plan: Plan, derive: &Derive) -> Self {
        let derive = Derive { in_force: None, ..derive.clone() };
        let ready = (0..plan.sets()).map(|_| OnceLock::new()).collect();
        Self { plan, derive, ready, parts: ArcSwap::default() }
    }

    /// The part of the directory that a call may go to.
    pub(crate) fn part<L>(
        &self,
        endpoints: &[Arc<Endpoint<L>>],
        call: Asked<'_>,
        random: impl FnMut() -> u64,
        relaxed: bool,
    ) -> Result<Found<'_>, NoRoute> {
        let routed = self.plan.route(call, random, relaxed);
        if let Some(by) = routed.by {
            return Err(NoRoute(by));
        }
        Ok(match routed.set {
            Those::Ready(number, set) => Found::Ready(self.ready[number].get_or_init(|| self.make(endpoints, set))),
            Those::Made(set) => Found::Kept(self.kept(endpoints, set)),
        })
    }

    fn kept<L>(&self, endpoints: &[Arc<Endpoint<L>>], made: Set) -> Arc<Part> {
        let known = self.parts.load();
        if let Some((_, part)) = known.iter().find(|(set, _)| *set == made) {
            return part.clone();
        }
        let part = Arc::new(self.make(endpoints, &made));
        let mut parts = if known.len() < KEPT { known.to_vec() } else { Vec::new() };
        parts.push((made, part.clone()));
        // Of two at once one is lost, and made again when it is wanted.
        self.parts.store(Arc::new(parts));
        part
    }

    fn make<L>(&self, endpoints: &[Arc<Endpoint<L>>], set: &Set) -> Part {
        let (places, weights): (Vec<u32>, _) = (set.places().map(|place| place as u32).collect(), self.plan.weights());
        let zones = Zones::of(endpoints, places.iter().copied(), weights, &self.derive);
        Part { whole: Group::of(endpoints, places, weights, self.derive.ring), zones }
    }

    /// What the weight of the endpoint at a place is overridden with.
    pub(crate) fn weight(&self, place: usize) -> Option<u32> {
        Some(self.plan.weights()?[place])
    }

    /// Why the endpoint at a place gets no call of which nothing is known.
    pub(crate) fn left(&self, place: usize) -> Option<Left> {
        self.plan.left(place)
    }
}
