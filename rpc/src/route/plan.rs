//! The rules of a client, made ready for the instances that there are: what each call may go to. Pure.
//!
//! Whatever does not depend on the call is done here, once per change of a rule or of the directory: whom a condition's
//! right side means, whether its left side is about this client at all. What is left for a call is a few looks at its
//! method and metadata, and sets of bits.

use super::{
    TAG,
    book::Rules,
    condition::{Clause, Condition},
    set::Set,
    subject::{Asked, Consumer, Seen},
    tag::Tags,
};
use mainstay_registry::Instance;
use std::{ops::Deref, sync::Arc};

/// What becomes of calls to certain instances.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    consumer: Arc<Consumer>,
    /// Those that are not switched off.
    on: Set,
    /// The rules that switch others off, by their places.
    off: Vec<(usize, Arc<str>)>,
    /// What weights are overridden with.
    weights: Option<Box<[u32]>>,
    tags: Option<(Option<Arc<str>>, Tags)>,
    conditions: Vec<Ready>,
    /// How many sets are ready.
    sets: usize,
}

/// A condition that is about calls of this client.
#[derive(Clone, Debug)]
struct Ready {
    /// The rule and the line.
    name: Arc<str>,
    force: bool,
    /// What is left to ask of each call.
    from: Clause,
    /// Where it sends them, of those that are not switched off.
    to: Vec<(Set, u32)>,
    /// The number of the first of these sets.
    first: usize,
}

/// Those that are left for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Those<'a> {
    /// A set that the plan has ready, and its number: mostly it is one.
    Ready(usize, &'a Set),
    /// What one rule leaves of what another does, or tags leave.
    Made(Set),
}

/// The number of the set of all that are not switched off.
const ON: usize = 0;

impl Deref for Those<'_> {
    type Target = Set;

    fn deref(&self) -> &Set {
        match self {
            Self::Ready(_, set) => set,
            Self::Made(set) => set,
        }
    }
}

/// Where a call may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routed<'a> {
    pub(crate) set: Those<'a>,
    /// What left nobody, where nobody is left: a rule, or tags that providers give themselves.
    pub(crate) by: Option<Arc<str>>,
}

/// Why an instance gets no calls of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// An override switches it off.
    Off(Arc<str>),
    /// It is for calls with another tag, or with any.
    Tag(Option<Arc<str>>),
    /// A condition sends all calls of this client elsewhere.
    Elsewhere(Arc<str>),
}

impl Rules {
    /// The plan for these instances, in their order; `None` when nothing is to be done to any call.
    pub(crate) fn plan<'a>(
        &self,
        consumer: &Arc<Consumer>,
        all: impl Iterator<Item = &'a Instance> + Clone,
    ) -> Option<Plan> {
        let silent = self.tag.is_none() && self.conditions.is_empty() && self.overrides.is_empty();
        if silent && !all.clone().any(|one| one.labels.contains_key(TAG)) {
            return None;
        }
        let mut seen: Vec<Seen<'_>> = all.map(Seen::new).collect();
        for (_, rule) in &self.overrides {
            rule.change(&mut seen, consumer);
        }
        let is_off = |one: &Seen<'_>| {
            let says = |name: &str, value: &str| one.over.get(name).is_some_and(|said| said == value);
            says("disabled", "true") || says("enabled", "false")
        };
        let on = Set::of(seen.len(), |place| !is_off(&seen[place]));
        let off = (0..seen.len()).filter(|place| !on.has(*place));
        let off = off.map(|place| (place, self.who_switches_off(&seen[place], consumer))).collect();
        let weight = |one: &Seen<'_>| one.over.get("weight").and_then(|weight| weight.parse().ok());
        let overridden = seen.iter().any(|one| weight(one).is_some());
        let weights = overridden.then(|| seen.iter().map(|one| weight(one).unwrap_or(one.instance.weight)).collect());
        let name = self.tag.as_ref().map(|(name, _)| name.clone());
        let tags = Tags::of(self.tag.as_ref().map(|(_, rule)| rule), &seen, consumer).map(|tags| (name, tags));
        let conditions = self.conditions.iter().flat_map(|(name, rule)| {
            rule.conditions.iter().filter_map(|one| Ready::of(name, rule.force, one, &seen, &on, consumer))
        });
        let mut conditions: Vec<Ready> = conditions.collect();
        let mut sets = ON + 1;
        for one in &mut conditions {
            one.first = sets;
            sets += one.to.len();
        }
        let plan = Plan { consumer: consumer.clone(), on, off, weights, tags, conditions, sets };
        let idle = plan.off.is_empty() && plan.weights.is_none() && plan.tags.is_none() && plan.conditions.is_empty();
        (!idle).then_some(plan)
    }

    fn who_switches_off(&self, seen: &Seen<'_>, consumer: &Consumer) -> Arc<str> {
        let found = self.overrides.iter().rev().find_map(|(name, rule)| {
            let line = rule.line_of(seen, consumer, "disabled").or_else(|| rule.line_of(seen, consumer, "enabled"))?;
            Some(at(name, line))
        });
        found.unwrap_or_else(|| "a configurator".into())
    }
}

/// A rule and a line of it, in words.
fn at(name: &str, line: usize) -> Arc<str> {
    format!("{name} line {line}").into()
}

impl Ready {
    /// `None` when it is about no call of this client.
    fn of(name: &str, force: bool, one: &Condition, all: &[Seen<'_>], on: &Set, consumer: &Consumer) -> Option<Self> {
        let from = one.from.of_calls(consumer)?;
        let place = |(clause, weight): &(Clause, u32)| {
            (Set::of(all.len(), |place| on.has(place) && clause.holds_of(&all[place], consumer)), *weight)
        };
        Some(Self { name: at(name, one.line), force, from, to: one.to.iter().map(place).collect(), first: ON })
    }

    /// What is left of `from`; `None` when the condition says nothing to this call.
    fn narrow<'a>(
        &'a self,
        call: Asked<'_>,
        consumer: &Consumer,
        from: &Those<'_>,
        random: u64,
        relaxed: bool,
    ) -> Option<Those<'a>> {
        if !self.from.holds_of_call(call, consumer) {
            return None;
        }
        let nobody = || Those::Made(from.without(from));
        if self.to.is_empty() {
            return Some(nobody());
        }
        let mut there = self.to.iter().enumerate().filter(|(_, (set, _))| from.meets(set));
        if (relaxed || there.clone().next().is_none()) && !self.force {
            return None;
        }
        let total: u64 = there.clone().map(|(_, (_, weight))| u64::from(*weight)).sum();
        let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
        let drawn = there.find(|(_, (_, weight))| match point.checked_sub(u64::from(*weight)) {
            None => true,
            Some(rest) => {
                point = rest;
                false
            }
        });
        // Where only those of the weight 0 are there, nobody is drawn.
        Some(drawn.map_or_else(nobody, |(place, (set, _))| match from {
            // Its own sets are of those.
            Those::Ready(ON, _) => Those::Ready(self.first + place, set),
            _ => Those::Made(from.and(set)),
        }))
    }

    /// Whom a call of which nothing is known may reach at all.
    fn reaches(&self, from: &Set) -> Option<Set> {
        if !self.from.is_empty() {
            return None;
        }
        let weighty = self.to.iter().filter(|(_, weight)| *weight > 0);
        let all = weighty.fold(from.without(from), |all, (set, _)| all.or(&from.and(set)));
        (!all.is_empty() || self.force || self.to.is_empty()).then_some(all)
    }
}

impl Plan {
    /// Where a call may go. `random` draws among places with weights. With `relaxed`, whatever is not forced is passed
    /// over: for a call that reaches nobody of those that it is for.
    pub(crate) fn route(&self, call: Asked<'_>, mut random: impl FnMut() -> u64, relaxed: bool) -> Routed<'_> {
        let mut set = Those::Ready(ON, &self.on);
        let nobody = |by: Option<&Arc<str>>, set| Routed { set, by: Some(by.cloned().unwrap_or_else(|| TAGS.into())) };
        if set.is_empty() {
            return nobody(self.off.first().map(|(_, by)| by), set);
        }
        if let Some((name, tags)) = &self.tags {
            set = Those::Made(tags.narrow(call, &self.consumer, &set, relaxed));
            if set.is_empty() {
                return nobody(name.as_ref(), set);
            }
        }
        for one in &self.conditions {
            if let Some(left) = one.narrow(call, &self.consumer, &set, random(), relaxed) {
                set = left;
                if set.is_empty() {
                    return nobody(Some(&one.name), set);
                }
            }
        }
        Routed { set, by: None }
    }

    /// How many sets it has ready, whose numbers are below this one.
    pub(crate) fn sets(&self) -> usize {
        self.sets
    }

    /// The weight of the instance at a place, where any is overridden.
    pub(crate) fn weights(&self) -> Option<&[u32]> {
        self.weights.as_deref()
    }

    /// Why the instance at a place gets no call of which nothing is known; `None` when it may get some.
    pub(crate) fn left(&self, place: usize) -> Option<Left> {
        if let Some((_, by)) = self.off.iter().find(|(off, _)| *off == place) {
            return Some(Left::Off(by.clone()));
        }
        let mut set = self.on.clone();
        if let Some((name, tags)) = &self.tags {
            set = tags.narrow(Asked::nothing(), &self.consumer, &set, false);
            if !set.has(place) {
                return Some(Left::Tag(name.clone()));
            }
        }
        for one in &self.conditions {
            set = one.reaches(&set).unwrap_or(set);
            if !set.has(place) {
                return Some(Left::Elsewhere(one.name.clone()));
            }
        }
        None
    }
}

/// What leaves nobody where no rule does.
const TAGS: &str = "the tags of the instances";

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
