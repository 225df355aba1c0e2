//! Which endpoint gets a call: what connection state, earlier tries and the balancer make of a snapshot.
//!
//! Only connected endpoints are used. One that is not, and may be tried, takes part in the draw all the same: when it
//! wins, it is dialled in the background, and the call goes to another that is connected. So an endpoint that answers
//! no connection costs no call anything, and a new one is connected by the load that it is going to take.
//!
//! Who is left out because it does worse than the others is taken all the same when nobody else is there. Whose breaker
//! is open is not: that one does badly whatever the others do.

use super::{
    Common, Connectivity, Dice,
    balance::{Candidates, LoadBalance, Ring, Shares},
    directory::Snapshot,
    endpoint::Endpoint,
    health::Health,
    line::May,
    live::{Live, Own},
    load::Load,
    place::{Full, Place},
    pool::Pooled,
    routes::Part,
    snapshot::Group,
};
use crate::{
    call::{Invocation, Payload},
    route::Asked,
};
use mainstay_registry::InstanceId;
use std::{sync::Arc, time::Duration};

/// A choice among the endpoints of a snapshot.
pub(crate) struct Pick<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What rules leave of it for the call; `None` where there are none.
    pub(crate) part: Option<&'a Part>,
    pub(crate) balance: &'a dyn LoadBalance,
    pub(crate) sought: Sought<'a>,
    pub(crate) now: Duration,
    pub(crate) common: &'a Arc<Common>,
    pub(crate) dice: &'a Dice,
}

/// What a call looks for.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    /// What rules see of it.
    pub(crate) asked: Asked<'a>,
    /// Instances that failed it before.
    pub(crate) tried: &'a [InstanceId],
    /// The request is a stream: it can be sent once only.
    pub(crate) once: bool,
    /// The first that can be used, whatever the balancer says.
    pub(crate) first: bool,
    /// Which of the methods' breakers has a say.
    pub(crate) lane: Option<usize>,
    /// What the call is told apart by, where the balancer asks for it.
    pub(crate) key: Option<u64>,
    /// What it has in common with others that one instance should have.
    pub(crate) affinity: Option<u64>,
}

impl<'a> Sought<'a> {
    pub(crate) fn of(call: &'a Invocation, lane: Option<usize>, key: Option<u64>) -> Self {
        let (asked, once) = (Asked::of(call), matches!(call.payload, Payload::Stream(_)));
        Self { asked, tried: &call.tried, once, first: false, lane, key, affinity: call.affinity }
    }
}

/// Who may be drawn.
#[derive(Clone, Copy)]
enum Whom {
    /// The connected, and those that may be dialled.
    Reachable,
    /// And those that are being dialled.
    Hoped,
    /// The connected.
    Ready,
    /// The connected, also those that are left out.
    Anybody,
}

struct View<'a, 'b> {
    pick: &'b Pick<'a>,
    whom: Whom,
    tried_too: bool,
    /// Somebody's share is not its whole weight now.
    ramps: bool,
    /// Somebody may be full.
    bounded: bool,
    /// A part of the endpoints, by their places among all.
    group: Option<&'b Group>,
}

impl View<'_, '_> {
    fn endpoint(&self, index: usize) -> &Arc<Endpoint> {
        &self.pick.snapshot.endpoints[self.place(index)]
    }

    fn live(&self, index: usize) -> &Arc<Live> {
        self.endpoint(index).live(self.pick.common)
    }

    /// Where this one stands among all.
    fn place(&self, index: usize) -> usize {
        self.group.map_or(index, |group| group.places[index] as usize)
    }
}

impl Candidates for View<'_, '_> {
    fn shares(&self) -> &Shares {
        self.group.map_or(&self.pick.snapshot.shares, |group| &group.shares)
    }

    fn usable(&self, index: usize) -> bool {
        let (endpoint, now) = (self.endpoint(index), self.pick.now);
        let reachable = match self.whom {
            Whom::Ready | Whom::Anybody => endpoint.is_ready(),
            Whom::Reachable => endpoint.is_reachable(now),
            Whom::Hoped => endpoint.is_reachable(now) || endpoint.connectivity() == Connectivity::Connecting,
        };
        let left_out =
            |health: &Health| !matches!(self.whom, Whom::Anybody) && self.pick.common.leaves_out(health, now);
        let takes = |health: &Health| health.may_ask(self.pick.sought.lane, now) && !left_out(health);
        let full = || self.bounded && endpoint.is_full();
        let tried = || !self.tried_too && self.pick.was_tried(endpoint);
        reachable && endpoint.ailing(now).is_none_or(takes) && !full() && !tried()
    }

    fn load(&self, index: usize) -> &Load {
        &self.live(index).load
    }

    fn share(&self, index: usize, now: Duration) -> f32 {
        if !self.ramps {
            return 1.0;
        }
        let (endpoint, common) = (self.endpoint(index), self.pick.common);
        let began = endpoint.instance.started_at;
        let warm = self.pick.snapshot.ages.share(began, common.unix(now), common.settings.warm_up);
        let recovered = |own: &Own| own.health.recovered(now, common.settings.slow_start);
        warm * endpoint.own().map_or(1.0, recovered)
    }

    fn key(&self) -> Option<u64> {
        self.pick.sought.key
    }

    fn ring(&self) -> Option<&Ring> {
        let ring = self.group.map_or(&self.pick.snapshot.ring, |group| &group.ring);
        ring.as_deref()
    }

    fn identity(&self, index: usize) -> usize {
        self.live(index).identity()
    }

    fn name(&self, index: usize) -> (&str, u16) {
        let instance = &self.endpoint(index).instance;
        (&instance.host, instance.port)
    }
}

impl Pick<'_> {
    /// A place at an endpoint, and a connection of that; `None` when nobody is connected (yet), or all are full. With
    /// `tried_too`, one that failed this call before will do.
    pub(crate) fn choose(&self, tried_too: bool) -> Option<(Place, Arc<Pooled>)> {
        /// A connection may be lost between the look and the grasp; not often.
        const LOOKS: usize = 3;
        // Others have no part in what calls of one affinity belong to: these wait for their own a moment, and then take others too.
        let waits = self.sought.affinity.is_some() && !tried_too;
        for _ in 0..LOOKS {
            let Some(first) = self.draw(if waits { Whom::Hoped } else { Whom::Reachable }, tried_too) else { break };
            if let Some(found) = self.grasp(first) {
                return Some(found);
            }
            let endpoint = &self.snapshot.endpoints[first];
            endpoint.live(self.common).own(&endpoint.instance).pool.dial(false, self.now);
            if waits {
                return None;
            }
            let Some(ready) = self.draw(Whom::Ready, tried_too) else { break };
            if let Some(found) = self.grasp(ready) {
                return Some(found);
            }
        }
        // A place at one that is well comes free sooner than one that is left out comes back.
        if self.full(tried_too).is_some() {
            return None;
        }
        self.draw(Whom::Anybody, tried_too).and_then(|index| self.grasp(index))
    }

    /// Those that the call may go to and that are well have as many calls as they may; `None` when that is not so of anybody.
    pub(crate) fn full(&self, tried_too: bool) -> Option<Full> {
        self.common.settings.concurrency.as_ref()?;
        let fits = |endpoint: &Arc<Endpoint>| tried_too || !self.was_tried(endpoint);
        let takes = |health: &Health| self.takes(health) && !self.common.leaves_out(health, self.now);
        let well = |endpoint: &Arc<Endpoint>| endpoint.is_ready() && endpoint.ailing(self.now).is_none_or(takes);
        let all = || self.endpoints().filter(|endpoint| fits(endpoint));
        let count = all().filter(|endpoint| well(endpoint) && endpoint.is_full()).count();
        let anybody = self.part.is_none() && (tried_too || self.sought.tried.is_empty());
        let these = || all().filter_map(|endpoint| endpoint.known()).map(Live::identity);
        let may = if anybody { May::All } else { May::These(these().collect()) };
        (count > 0).then_some(Full { count, may })
    }

    /// A connection for a call that was given a place.
    pub(crate) fn take_up(&self, place: Place) -> Option<(Place, Arc<Pooled>)> {
        let pooled = place.live.known()?.pool.take(self.sought.once, self.now)?;
        self.is_let_through(&place.live).then_some((place, pooled))
    }

    /// Somebody is connected, nobody else will be soon, and no breaker lets the call through.
    pub(crate) fn broken(&self) -> bool {
        let (mut ready, mut hope) = (false, false);
        for endpoint in self.endpoints() {
            let is_ready = endpoint.is_ready();
            ready |= is_ready;
            hope |= match is_ready {
                true => self.may_ask(endpoint),
                false => endpoint.connectivity() != Connectivity::TransientFailure,
            };
        }
        ready && !hope
    }

    /// Whether an endpoint that did not fail this call is being connected, or may be.
    pub(crate) fn hope(&self) -> bool {
        let hope = |endpoint: &Arc<Endpoint>| {
            let state = endpoint.connectivity();
            !self.was_tried(endpoint) && state != Connectivity::TransientFailure && self.may_ask(endpoint)
        };
        self.endpoints().any(hope)
    }

    /// Those that the call may go to.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        let all = &self.snapshot.endpoints;
        let few = self.part.map(|part| part.whole.places.iter().map(|place| &all[*place as usize]));
        let all = few.is_none().then(|| all.iter());
        few.into_iter().flatten().chain(all.into_iter().flatten())
    }

    fn was_tried(&self, endpoint: &Endpoint) -> bool {
        !self.sought.tried.is_empty() && self.sought.tried.contains(&endpoint.instance.id)
    }

    /// What the balancer draws.
    #[cfg(feature = "bench")]
    pub(super) fn drawn(&self) -> Option<usize> {
        self.draw(Whom::Reachable, false)
    }

    fn may_ask(&self, endpoint: &Endpoint) -> bool {
        endpoint.ailing(self.now).is_none_or(|health| self.takes(health))
    }

    fn takes(&self, health: &Health) -> bool {
        health.may_ask(self.sought.lane, self.now)
    }

    fn draw(&self, whom: Whom, tried_too: bool) -> Option<usize> {
        let ramps = self.common.ramps(self.snapshot, self.now);
        let mut dice = || self.dice.throw();
        let bounded = self.common.settings.concurrency.is_some();
        let group = self.part.map(|part| &part.whole);
        let mut view = View { pick: self, whom, tried_too, ramps, bounded, group };
        let zones = self.part.map_or(self.snapshot.zones.as_ref(), |part| part.zones.as_ref());
        let Some(zones) = zones else {
            let index = self.balance.pick(&view, self.now, &mut dice)?;
            return Some(view.place(index));
        };
        // Two of the own zone are drawn: where half of it cannot be used, a quarter of the calls goes elsewhere.
        view.group = Some(&zones.near);
        let near = (0..2).any(|_| zones.near.shares.draw(dice()).is_some_and(|index| view.usable(index)));
        let [first, second] = if near { [&zones.near, &zones.far] } else { [&zones.far, &zones.near] };
        [first, second].into_iter().find_map(|group| {
            view.group = Some(group);
            let index = self.balance.pick(&view, self.now, &mut dice)?;
            Some(view.place(index))
        })
    }

    fn grasp(&self, index: usize) -> Option<(Place, Arc<Pooled>)> {
        let endpoint = &self.snapshot.endpoints[index];
        let live = endpoint.live(self.common);
        let pooled = live.own(&endpoint.instance).pool.take(self.sought.once, self.now)?;
        let place = Place::at(live)?;
        self.is_let_through(live).then_some((place, pooled))
    }

    /// A probe may have been taken by another since the look.
    fn is_let_through(&self, live: &Live) -> bool {
        live.ailing(self.now).is_none_or(|health| health.lets_through(self.sought.lane, self.now))
    }
}
