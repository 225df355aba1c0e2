//! What a client knows of one instance, for people, probes and tests.

use super::{Common, Connectivity, Inner, directory::Snapshot, endpoint::Endpoint};
use crate::{
    layer::FaultPolicy,
    policy::{BreakerState, Concurrency},
    route::Left,
};
use mainstay_registry::InstanceId;
use std::{fmt, sync::Arc};

/// An instance that a client knows, and how its connections do. A picture of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointState {
    /// Which instance.
    pub instance: InstanceId,
    /// Where it is: `host:port`.
    pub address: String,
    /// How its connections do.
    pub connectivity: Connectivity,
    /// Connections that are open and take calls.
    pub connections: usize,
    /// Calls under way.
    pub calls: usize,
    /// How many there may be at once now, where that is bounded.
    pub limit: Option<usize>,
    /// Why it gets no calls now; `None` when it may get some.
    pub avoided: Option<Avoided>,
    /// The rule that says so, where one does, as `dubbo/stock.tag-router`.
    pub rule: Option<String>,
    /// The worst of its breakers.
    pub breaker: BreakerState,
    /// The breakers of methods here that are set, by the methods' names.
    pub method_breakers: Vec<(Arc<str>, BreakerState)>,
    /// Its share of the load relative to others.
    pub weight: u32,
    /// The zone that it is in.
    pub zone: Option<String>,
    /// Why the last attempt to connect that failed did so; kept while later ones succeed.
    pub last_error: Option<String>,
}

/// Why an instance gets no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Avoided {
    /// No connection is open.
    NotConnected,
    /// Its breaker is open.
    BreakerOpen,
    /// It does worse than the others, and is left out for a while.
    LeftOut,
    /// As many calls as may be at once are under way there.
    Full,
    /// Its weight is 0, and others have weight.
    NoWeight,
    /// It is of another zone, and the own zone is well.
    OtherZone,
    /// An operator's rule switches it off.
    Disabled,
    /// It has a tag: only calls that ask for that go there. For a client with a tag of its own: it has another one, or none.
    OtherTag,
    /// A rule sends all calls of this client elsewhere.
    RoutedAway,
    /// The client is sticky, and stays with another one.
    StaysElsewhere,
    /// Another one comes before it, and the client takes the first ([`FaultPolicy::Available`](crate::client::FaultPolicy::Available)).
    NotFirst,
}

impl Avoided {
    /// Every reason, for tables and tests.
    pub const ALL: &[Self] = &[
        Self::NotConnected,
        Self::BreakerOpen,
        Self::LeftOut,
        Self::Full,
        Self::NoWeight,
        Self::OtherZone,
        Self::Disabled,
        Self::OtherTag,
        Self::RoutedAway,
        Self::StaysElsewhere,
        Self::NotFirst,
    ];

    /// The stable code, as `LEFT_OUT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "NOT_CONNECTED",
            Self::BreakerOpen => "BREAKER_OPEN",
            Self::LeftOut => "LEFT_OUT",
            Self::Full => "FULL",
            Self::NoWeight => "NO_WEIGHT",
            Self::OtherZone => "OTHER_ZONE",
            Self::Disabled => "DISABLED",
            Self::OtherTag => "OTHER_TAG",
            Self::RoutedAway => "ROUTED_AWAY",
            Self::StaysElsewhere => "STAYS_ELSEWHERE",
            Self::NotFirst => "NOT_FIRST",
        }
    }
}

impl Inner {
    /// The one of these that gets all calls, and what that is to the others; `None` when several get some.
    pub(super) fn only(&self, all: &Snapshot) -> Option<(usize, Avoided)> {
        let policies = || self.common.settings.cares.policies();
        let left = |place| all.routes.as_ref().and_then(|routes| routes.left(place)).is_some();
        let usable = |place: &usize| !left(*place) && all.endpoints[*place].unusable(&self.common).is_none();
        if policies().all(|policy| *policy == FaultPolicy::Available) {
            let zones = all.zones.iter().flat_map(|zones| zones.near.places.iter().chain(&zones.far.places));
            let mut places = zones.map(|place| *place as usize).chain(0..all.endpoints.len());
            return Some((places.find(usable)?, Avoided::NotFirst));
        }
        let several = |policy: &FaultPolicy| {
            matches!(policy, FaultPolicy::Forking { .. } | FaultPolicy::Broadcast | FaultPolicy::Available)
        };
        let who = self.balance.stays_with().filter(|_| !policies().any(several))?;
        let is_it = |endpoint: &Arc<Endpoint>| endpoint.known().is_some_and(|live| live.identity() == who);
        let place = all.endpoints.iter().position(is_it).filter(usable)?;
        Some((place, Avoided::StaysElsewhere))
    }
}

impl Endpoint {
    /// Why it gets no calls now, whatever the others do.
    fn unusable(&self, common: &Common) -> Option<Avoided> {
        let now = common.now();
        if !self.is_ready() {
            return Some(Avoided::NotConnected);
        }
        let ailing = match self.ailing(now) {
            Some(health) if !health.may_ask(None, now) => Some(Avoided::BreakerOpen),
            Some(health) => common.leaves_out(health, now).then_some(Avoided::LeftOut),
            None => None,
        };
        ailing.or_else(|| self.is_full().then_some(Avoided::Full))
    }

    /// Why it gets no calls now, as one of these.
    fn avoided(&self, common: &Common, among: &Snapshot, place: usize) -> Option<Avoided> {
        let weightless = || among.weight(place) == 0 && (0..among.endpoints.len()).any(|other| among.weight(other) > 0);
        let elsewhere = || {
            let zones = among.zones.as_ref()?;
            let mut near = zones.near.places.iter().map(|place| &among.endpoints[*place as usize]);
            let well = |one: &Arc<Self>| one.instance.weight == 0 || one.unusable(common).is_none();
            let is_near = self.instance.zone.as_deref() == common.settings.zone.as_deref();
            (!is_near && near.all(well)).then_some(Avoided::OtherZone)
        };
        self.unusable(common).or_else(|| weightless().then_some(Avoided::NoWeight)).or_else(elsewhere)
    }

    /// How it does now, as one of these, of which one may get all calls.
    pub(super) fn state(
        &self,
        common: &Common,
        among: &Snapshot,
        place: usize,
        only: Option<(usize, Avoided)>,
    ) -> EndpointState {
        // Who stands before the first that can be used cannot be.
        let after = |one: usize, why| one < place || (one != place && why != Avoided::NotFirst);
        let other = || only.filter(|(one, why)| after(*one, *why)).map(|(_, why)| why);
        // Who was never wanted is not connected for that reason.
        let unwanted = || other().filter(|_| self.connectivity() == Connectivity::Idle);
        let own = self.own();
        let left = among.routes.as_ref().and_then(|routes| routes.left(place));
        let (by_rule, rule) = left.map(Left::told).unzip();
        let methods = common.settings.health.methods.iter().enumerate();
        let of_method = |lane| own.map_or(BreakerState::Closed, |own| own.health.of_method(lane));
        EndpointState {
            instance: self.instance.id.clone(),
            address: self.instance.address(),
            connectivity: self.connectivity(),
            connections: own.map_or(0, |own| own.pool.connections()),
            calls: self.known().map_or(0, |live| live.load.in_flight()),
            limit: self.known().and_then(|live| live.places()).map(Concurrency::limit),
            avoided: by_rule.or_else(unwanted).or_else(|| self.avoided(common, among, place)).or_else(other),
            rule: rule.flatten(),
            breaker: own.map_or(BreakerState::Closed, |own| own.health.breaker()),
            method_breakers: methods.map(|(lane, (name, _))| (name.clone(), of_method(lane))).collect(),
            weight: among.weight(place),
            zone: self.instance.zone.clone(),
            last_error: self.last_error().map(|error| error.as_ref().to_owned()),
        }
    }
}

/// As `127.0.0.1:7001 transient failure: connection refused`.
impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.connectivity)?;
        if let Some(avoided) = self.avoided.filter(|avoided| *avoided != Avoided::NotConnected) {
            write!(f, ", {}", avoided.as_str())?;
        }
        if let Some(rule) = &self.rule {
            write!(f, " by {rule}")?;
        }
        match &self.last_error {
            Some(error) if self.connectivity == Connectivity::TransientFailure => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Avoided;

    #[test]
    fn all_reasons_are_those_of_the_page() {
        let page = include_str!("../../REASONS.md");
        let (_, part) = page.split_once("## Why an instance gets no calls").unwrap();
        let rows = part.split("\n## ").next().unwrap().lines();
        let codes: Vec<_> = rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(Avoided::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(), codes);
    }
}
