//! Never act on emptiness: when to believe a registry that says instances are gone. Pure.
//!
//! A registry that is unwell (just back without its data, half connected, answering nothing) loses instances that live.
//! Believing it turns its trouble into an outage. So what it suspiciously lost is held back, but only while it is
//! unwell or settling, and never longer than a bound: a registry that is well is always believed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    instance::{Instance, InstanceId},
    port::DownCause,
    set::InstanceSet,
};

/// How far a registry is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protection {
    /// How long instances are held that an unwell registry does not list any more.
    pub expiry: Duration,
    /// How long a registry that came back counts as unwell still, while its providers register again.
    pub settle: Duration,
    /// How long the last good set is kept while there is no answer at all.
    pub stale: Duration,
}

impl Default for Protection {
    /// 5 minutes, 30 seconds, 24 hours.
    fn default() -> Self {
        Self {
            expiry: Duration::from_secs(300),
            settle: Duration::from_secs(30),
            stale: Duration::from_secs(24 * 3600),
        }
    }
}

impl Protection {
    /// The default, for registries whose `settle` is another.
    #[must_use]
    pub fn with_settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }
}

/// Whether a registry's answer comes from a registry that is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be.
    Well,
    /// It is not, or cannot be told.
    Unwell,
}

/// Why instances are held that the registry does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HoldReason {
    /// The registry does not answer.
    Silent,
    /// It answered with nothing while it is unwell.
    Empty,
    /// It answered with less than half of what there was while it is unwell.
    Shrunk,
}

impl HoldReason {
    /// Stable word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Empty => "empty",
            Self::Shrunk => "shrunk",
        }
    }
}

/// What is held back at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// How many instances.
    pub count: usize,
}

/// What to tell consumers after an answer, or after none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) set: Arc<InstanceSet>,
    pub(crate) causes: BTreeMap<InstanceId, DownCause>,
    pub(crate) hold: Option<Hold>,
}

/// The memory that the decision needs. Time is a `Duration` since a start of the caller's choice.
#[derive(Debug)]
pub(crate) struct Protector {
    protection: Protection,
    /// What consumers were told last.
    told: Arc<InstanceSet>,
    /// How many instances there were when the registry was last believed.
    believed: usize,
    /// Of those told, the ones not listed any more, with when that began.
    held: BTreeMap<InstanceId, Duration>,
    reason: Option<HoldReason>,
    unwell_until: Option<Until>,
    silent_since: Option<Duration>,
}

/// Until when a registry counts as unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    ItSaysWell,
    Settled(Duration),
}

impl Protector {
    pub(crate) fn new(protection: Protection) -> Self {
        Self {
            protection,
            told: Arc::default(),
            believed: 0,
            held: BTreeMap::new(),
            reason: None,
            unwell_until: None,
            silent_since: None,
        }
    }

    /// Starts from a set that was good once, such as one from disk.
    pub(crate) fn recall(&mut self, set: InstanceSet) -> Verdict {
        self.believed = set.len();
        self.told = Arc::new(set);
        self.unwell_until = Some(Until::ItSaysWell);
        self.reason = Some(HoldReason::Silent).filter(|_| !self.told.is_empty());
        self.verdict(BTreeMap::new())
    }

    /// The registry listed `set`.
    pub(crate) fn answered(&mut self, now: Duration, set: InstanceSet, health: Health) -> Verdict {
        self.silent_since = None;
        self.unwell_until = match (health, self.unwell_until) {
            (Health::Unwell, _) => Some(Until::ItSaysWell),
            (Health::Well, Some(Until::ItSaysWell)) => Some(Until::Settled(now + self.protection.settle)),
            (Health::Well, Some(Until::Settled(at))) if now < at => Some(Until::Settled(at)),
            (Health::Well, _) => None,
        };
        if let Some(Until::Settled(at)) = self.unwell_until
            && now >= at
        {
            self.unwell_until = None;
        }
        self.reason = match (self.unwell_until, set.len()) {
            (None, _) => None,
            (Some(_), 0) if self.believed > 0 => Some(HoldReason::Empty),
            (Some(_), listed) if listed * 2 < self.believed => Some(HoldReason::Shrunk),
            _ => None,
        };
        let missing: Vec<Arc<Instance>> = self.told.without(&set).cloned().collect();
        let mut causes = BTreeMap::new();
        if self.reason.is_none() {
            self.held.clear();
            self.believed = set.len();
            self.told = Arc::new(set);
            causes.extend(missing.iter().map(|gone| (gone.id.clone(), DownCause::Unlisted)));
            return self.verdict(causes);
        }
        self.held.retain(|id, _| !set.contains(id));
        let mut kept = Vec::new();
        for instance in missing {
            let since = *self.held.entry(instance.id.clone()).or_insert(now);
            if now - since < self.protection.expiry {
                kept.push(instance);
            } else {
                self.held.remove(&instance.id);
                causes.insert(instance.id.clone(), DownCause::Expired);
            }
        }
        let told = set.iter().cloned().chain(kept).collect();
        self.told = Arc::new(told);
        self.verdict(causes)
    }

    /// The registry did not answer.
    pub(crate) fn silent(&mut self, now: Duration) -> Verdict {
        let since = *self.silent_since.get_or_insert(now);
        self.unwell_until = Some(Until::ItSaysWell);
        let mut causes = BTreeMap::new();
        if now - since >= self.protection.stale {
            causes.extend(std::mem::take(&mut self.told).iter().map(|gone| (gone.id.clone(), DownCause::Expired)));
            self.held.clear();
            self.believed = 0;
        }
        self.reason = Some(HoldReason::Silent).filter(|_| !self.told.is_empty());
        self.verdict(causes)
    }

    fn verdict(&self, causes: BTreeMap<InstanceId, DownCause>) -> Verdict {
        let hold = self.reason.and_then(|reason| {
            let count = if reason == HoldReason::Silent { self.told.len() } else { self.held.len() };
            (count > 0).then_some(Hold { reason, count })
        });
        Verdict { set: self.told.clone(), causes, hold }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn set(ids: impl IntoIterator<Item = u8>) -> InstanceSet {
        ids.into_iter().map(|id| Instance::new("a", "h", 1).with_id(InstanceId::new(id.to_string()))).collect()
    }

    fn told(verdict: &Verdict) -> usize {
        verdict.set.len()
    }

    #[test]
    fn a_registry_that_is_well_is_believed_also_when_it_says_nothing_is_there() {
        let mut protector = Protector::new(Protection::default());
        assert_eq!(told(&protector.answered(SEC, set(0..4), Health::Well)), 4);
        let verdict = protector.answered(2 * SEC, set([]), Health::Well);
        assert_eq!((told(&verdict), verdict.hold), (0, None));
        assert!(verdict.causes.values().all(|cause| *cause == DownCause::Unlisted));
    }

    #[test]
    fn what_an_unwell_registry_suspiciously_lost_is_held_until_the_expiry() {
        for (left, reason) in [(0, HoldReason::Empty), (1, HoldReason::Shrunk)] {
            let mut protector = Protector::new(Protection::default());
            protector.answered(SEC, set(0..4), Health::Well);
            for (second, expected) in [(2, 4), (100, 4), (301, 4), (302, usize::from(left))] {
                let verdict = protector.answered(second * SEC, set(0..left), Health::Unwell);
                assert_eq!(told(&verdict), expected, "{left} left, second {second}");
                let hold = (expected == 4).then_some(Hold { reason, count: 4 - usize::from(left) });
                assert_eq!(verdict.hold, hold);
                if second == 302 {
                    assert_eq!(verdict.causes.values().next(), Some(&DownCause::Expired));
                }
            }
        }
    }

    #[test]
    fn a_small_loss_is_believed_also_from_an_unwell_registry() {
        let mut protector = Protector::new(Protection::default());
        protector.answered(SEC, set(0..4), Health::Well);
        let verdict = protector.answered(2 * SEC, set(0..3), Health::Unwell);
        assert_eq!((told(&verdict), verdict.hold), (3, None));
    }

    #[test]
    fn a_registry_that_came_back_empty_gets_time_to_fill() {
        let mut protector = Protector::new(Protection::default());
        protector.answered(SEC, set(0..4), Health::Well);
        assert_eq!(told(&protector.silent(10 * SEC)), 4);
        assert_eq!(told(&protector.answered(60 * SEC, set([]), Health::Well)), 4);
        assert_eq!(told(&protector.answered(70 * SEC, set([7]), Health::Well)), 5, "new ones are told at once");
        assert_eq!(told(&protector.answered(89 * SEC, set([7]), Health::Well)), 5);
        let verdict = protector.answered(90 * SEC, set([7]), Health::Well);
        assert_eq!((told(&verdict), verdict.hold), (1, None), "settled: it is believed");
    }

    #[test]
    fn silence_keeps_everything_for_a_day() {
        let mut protector = Protector::new(Protection::default());
        protector.answered(SEC, set(0..2), Health::Well);
        let day = 24 * 3600 * SEC;
        let verdict = protector.silent(2 * SEC);
        assert_eq!((told(&verdict), verdict.hold), (2, Some(Hold { reason: HoldReason::Silent, count: 2 })));
        assert_eq!(told(&protector.silent(day + SEC)), 2);
        let verdict = protector.silent(day + 2 * SEC);
        assert_eq!((told(&verdict), verdict.hold, verdict.causes.len()), (0, None, 2));
    }

    #[test]
    fn what_was_recalled_is_held_until_the_registry_is_believed() {
        let mut protector = Protector::new(Protection::default().with_settle(Duration::ZERO));
        assert_eq!(told(&protector.recall(set(0..3))), 3);
        assert_eq!(told(&protector.silent(SEC)), 3);
        assert_eq!(told(&protector.answered(2 * SEC, set([9]), Health::Well)), 1);
    }

    proptest! {
        #[test]
        fn what_is_listed_is_always_told_and_what_is_held_has_an_end(
            steps in prop::collection::vec((prop::option::of((prop::collection::btree_set(0u8..8, 0..8), any::<bool>())), 0u32..400), 1..40)
        ) {
            let mut protector = Protector::new(Protection::default());
            let mut now = Duration::ZERO;
            for (answer, wait) in steps {
                now += wait * SEC;
                let verdict = match answer {
                    Some((ids, well)) => {
                        let listed = set(ids);
                        let health = if well { Health::Well } else { Health::Unwell };
                        let verdict = protector.answered(now, listed.clone(), health);
                        prop_assert!(listed.iter().all(|one| verdict.set.contains(&one.id)));
                        verdict
                    }
                    None => protector.silent(now),
                };
                prop_assert!(verdict.causes.keys().all(|id| !verdict.set.contains(id)));
                prop_assert!(protector.held.values().all(|since| now - *since < Protection::default().stale));
                prop_assert!(verdict.hold.is_none_or(|hold| hold.count <= verdict.set.len()));
            }
            // Whatever it was, a registry that stays well is believed in the end.
            protector.answered(now, set([1]), Health::Well);
            let verdict = protector.answered(now + Protection::default().settle, set([1]), Health::Well);
            prop_assert_eq!(verdict.set.len(), 1);
        }
    }
}
