//! What a client does with calls that fail, as a program says it: of all its methods, and of each. Pure.

use super::Degrade;
use crate::call::{Kind, Method};
use std::{sync::Arc, time::Duration};

/// What becomes of a call that fails, in Dubbo's words.
///
/// Only [`Failover`](Self::Failover) sends a call again in time. What is not declared `idempotent`, and may have reached a
/// server, is sent again by none of them; streams are sent once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultPolicy {
    /// Tries another instance, as [`RetryOptions`](crate::layer::RetryOptions) allow.
    #[default]
    Failover,
    /// Fails at once.
    Failfast,
    /// Answers an empty message, or an empty stream: for calls that do not matter, such as notes for a log.
    Failsafe,
    /// Answers an empty message, and sends the call again later: for calls that must only arrive, such as notices. Calls
    /// that cannot be sent again fail.
    Failback(FailbackOptions),
    /// Asks several instances at once, and takes the first good answer; the others are cancelled. For reads in a hurry.
    Forking {
        /// How many, at least 1; of fewer all.
        forks: usize,
        /// Methods that are not declared `idempotent` too: each of several servers may carry them out.
        writes: bool,
    },
    /// Asks every instance, and fails when one does: for what all must hear, such as that a cache is out of date. The answer is
    /// that of the first in the order of their ids.
    Broadcast,
    /// Takes the first instance that can be used, in the order of their ids.
    Available,
}

/// How calls are sent again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailbackOptions {
    /// How long after a failure. Default 5 s.
    pub after: Duration,
    /// How often, at most. Default 3.
    pub times: u32,
    /// How many calls may wait; further ones fail. Default 100.
    pub waiting: usize,
}

impl Default for FailbackOptions {
    fn default() -> Self {
        Self { after: Duration::from_secs(5), times: 3, waiting: 100 }
    }
}

/// Whom a call goes to, where it is not one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// So many at once, of which the first counts.
    Fork(usize),
    /// Everybody.
    All,
    /// The first that can be used.
    First,
}

/// What is said of one method, or of all that nothing is said of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Care {
    pub(crate) policy: FaultPolicy,
    pub(crate) degrade: Option<Degrade>,
}

/// What is said of all methods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cares {
    pub(crate) all: Care,
    /// By their names on the wire, where more is said.
    pub(crate) methods: Vec<(Arc<str>, Care)>,
}

impl Cares {
    /// What is said of a method, to be said more of: it begins as that of all.
    pub(crate) fn entry(&mut self, method: Arc<str>) -> &mut Care {
        let place = self.methods.iter().position(|(name, _)| *name == method).unwrap_or_else(|| {
            self.methods.push((method, self.all.clone()));
            self.methods.len() - 1
        });
        &mut self.methods[place].1
    }

    /// Nothing is said that would change a call.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = |care: &Care| care.policy == FaultPolicy::Failover && care.degrade.is_none();
        plain(&self.all) && self.methods.iter().all(|(_, care)| plain(care))
    }

    /// What becomes of calls, of any method.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &FaultPolicy> {
        std::iter::once(&self.all).chain(self.methods.iter().map(|(_, care)| care)).map(|care| &care.policy)
    }

    /// What is said of this method.
    pub(crate) fn of(&self, method: &Method) -> &Care {
        let own = self.methods.iter().find(|(name, _)| **name == *method.name());
        own.map_or(&self.all, |(_, care)| care)
    }
}

impl Care {
    /// Whom a call of this method goes to; `None` for one of many.
    pub(crate) fn spread(&self, method: &Method) -> Option<Spread> {
        let unary = method.kind() == Kind::Unary;
        match self.policy {
            FaultPolicy::Forking { forks, writes } if unary && (writes || method.idempotent()) => {
                Some(Spread::Fork(forks.max(1)))
            }
            FaultPolicy::Broadcast if unary => Some(Spread::All),
            FaultPolicy::Available => Some(Spread::First),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(kind: Kind, idempotent: bool) -> Method {
        let method = Method::new("a.B", "C", kind).unwrap();
        if idempotent { method.made_idempotent() } else { method }
    }

    #[test]
    fn what_is_not_idempotent_is_asked_of_several_only_when_that_is_allowed_and_streams_never() {
        use FaultPolicy::*;
        for (policy, kind, idempotent, spread) in [
            (Forking { forks: 2, writes: false }, Kind::Unary, true, Some(Spread::Fork(2))),
            (Forking { forks: 2, writes: false }, Kind::Unary, false, None),
            (Forking { forks: 0, writes: true }, Kind::Unary, false, Some(Spread::Fork(1))),
            (Forking { forks: 2, writes: true }, Kind::ServerStreaming, true, None),
            (Broadcast, Kind::Unary, false, Some(Spread::All)),
            (Broadcast, Kind::ClientStreaming, true, None),
            (Available, Kind::BidiStreaming, false, Some(Spread::First)),
            (Failover, Kind::Unary, true, None),
        ] {
            let care = Care { policy: policy.clone(), degrade: None };
            assert_eq!(care.spread(&method(kind, idempotent)), spread, "{policy:?} {kind:?}");
        }
    }

    #[test]
    fn a_method_s_own_word_counts() {
        let mut cares = Cares::default();
        assert!(cares.is_plain());
        cares.entry("C".into()).policy = FaultPolicy::Failfast;
        assert!(!cares.is_plain());
        assert_eq!(cares.of(&method(Kind::Unary, true)).policy, FaultPolicy::Failfast);
        let other = Method::new("a.B", "D", Kind::Unary).unwrap();
        assert_eq!(cares.of(&other).policy, FaultPolicy::Failover);
    }
}
