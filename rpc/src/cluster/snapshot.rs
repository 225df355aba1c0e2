//! The endpoints of a service at one moment, and how a change leads from one moment to the next. Pure.
//!
//! A snapshot never changes; a change makes a new one that shares every endpoint with the old one, so what is known of
//! an endpoint (its connections, its load) lives as long as the instance does, whatever else about it changes.

use super::{
    balance::{Ages, Ring, Shares},
    routes::Routes,
};
use crate::route::{Consumer, Rules};
use mainstay_registry::{Change, DownCause, Instance, InstanceId, InstanceSet};
use std::sync::{Arc, OnceLock};

/// An instance and what this process keeps of it.
#[derive(Debug)]
pub(crate) struct Endpoint<L> {
    /// As the registry has it, which shares it with all who look it up.
    pub(crate) instance: Arc<Instance>,
    /// What is kept as long as the instance lives, from when somebody first wanted it.
    live: OnceLock<Arc<L>>,
}

impl<L> Endpoint<L> {
    fn new(instance: Arc<Instance>) -> Self {
        Self { instance, live: OnceLock::new() }
    }

    /// The same one, of which the registry says something else now. A call that is the first to want it, and takes it from
    /// the snapshot before, makes what is kept of it for itself alone: that ends with the call.
    fn changed(&self, instance: Arc<Instance>) -> Self {
        Self { instance, live: self.live.clone() }
    }

    /// What is kept of it; made now, if nobody has wanted it so far.
    pub(crate) fn kept(&self, make: impl FnOnce() -> L) -> &Arc<L> {
        self.live.get_or_init(|| Arc::new(make()))
    }

    /// What is kept of it, if somebody has wanted it.
    pub(crate) fn known(&self) -> Option<&Arc<L>> {
        self.live.get()
    }
}

/// All endpoints, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Snapshot<L> {
    pub(crate) endpoints: Vec<Arc<Endpoint<L>>>,
    pub(crate) shares: Shares,
    /// When they began to serve.
    pub(crate) ages: Ages,
    /// The ring, of clients whose balancer wants one.
    pub(crate) ring: Option<Arc<Ring>>,
    /// Those of the client's zone and the others; `None` when it has no zone, or only one of the two is there.
    pub(crate) zones: Option<Zones>,
    /// What rules make of calls; `None` when they make nothing of any.
    pub(crate) routes: Option<Box<Routes>>,
    /// The registry has said what there is: an empty list is then a fact.
    pub(crate) heard: bool,
}

/// The endpoints of the client's zone, and the others.
#[derive(Debug)]
pub(crate) struct Zones {
    pub(crate) near: Group,
    pub(crate) far: Group,
}

/// Some of the endpoints.
#[derive(Debug)]
pub(crate) struct Group {
    /// Where they stand among all.
    pub(crate) places: Vec<u32>,
    pub(crate) shares: Shares,
    pub(crate) ring: Option<Arc<Ring>>,
}

/// What is made of the endpoints beside the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derive {
    /// A ring.
    pub(crate) ring: bool,
    /// The client's zone.
    pub(crate) zone: Option<Arc<str>>,
    /// What routes calls.
    pub(crate) in_force: Option<InForce>,
}

/// The rules in force, and whom they are for.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) rules: Rules,
    pub(crate) consumer: Arc<Consumer>,
}

/// What a change did.
#[derive(Debug)]
pub(crate) struct Edit<L> {
    endpoints: Vec<Arc<Endpoint<L>>>,
    /// Instances that are new.
    pub(crate) up: Vec<Arc<Instance>>,
    /// Endpoints that are not there any more, and why.
    pub(crate) down: Vec<(Arc<Endpoint<L>>, DownCause)>,
}

impl<L> Default for Snapshot<L> {
    fn default() -> Self {
        let (ages, shares) = (Ages::default(), Shares::default());
        Self { endpoints: Vec::new(), shares, ages, ring: None, zones: None, routes: None, heard: false }
    }
}

impl<L> Snapshot<L> {
    /// The weight that counts of the endpoint at a place.
    pub(crate) fn weight(&self, place: usize) -> u32 {
        let overridden = self.routes.as_ref().and_then(|routes| routes.weight(place));
        overridden.unwrap_or_else(|| self.endpoints[place].instance.weight)
    }

    /// Begins a change.
    pub(crate) fn edit(&self) -> Edit<L> {
        Edit { endpoints: self.endpoints.clone(), up: Vec::new(), down: Vec::new() }
    }
}

impl<L> Edit<L> {
    /// Applies a change.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Snapshot(all) => self.replace(all),
            Change::Up(instance) => self.put(instance),
            Change::Down(id, cause) => self.remove(&id, cause),
            // Steps of a later registry that this version does not know change nothing.
            _ => {}
        }
    }

    /// Nobody is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Those that are there.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &InstanceId> {
        self.endpoints.iter().map(|endpoint| &endpoint.instance.id)
    }

    /// One with this id is there.
    pub(crate) fn has(&self, id: &InstanceId) -> bool {
        self.place(id).is_ok()
    }

    /// Puts one back that was there before, unless its id is there.
    pub(crate) fn restore(&mut self, endpoint: Arc<Endpoint<L>>) {
        if let Err(place) = self.place(&endpoint.instance.id) {
            self.endpoints.insert(place, endpoint);
        }
    }

    /// Takes one out that is not told of as down.
    pub(crate) fn take(&mut self, id: &InstanceId) {
        if let Ok(place) = self.place(id) {
            self.endpoints.remove(place);
        }
    }

    fn place(&self, id: &InstanceId) -> Result<usize, usize> {
        self.endpoints.binary_search_by(|endpoint| endpoint.instance.id.cmp(id))
    }

    /// The snapshot after the change.
    pub(crate) fn finish(self, derive: &Derive) -> Snapshot<L> {
        let endpoints = self.endpoints;
        let ages = Ages::of(endpoints.iter().map(|endpoint| endpoint.instance.started_at));
        let zones = Zones::of(&endpoints, 0..endpoints.len() as u32, None, derive);
        let all = endpoints.iter().map(|endpoint| (&*endpoint.instance, endpoint.instance.weight));
        let (shares, ring) = draw_from(all, derive.ring);
        let instances = endpoints.iter().map(|endpoint| &*endpoint.instance);
        let plan = derive.in_force.as_ref().and_then(|in_force| in_force.rules.plan(&in_force.consumer, instances));
        let routes = plan.map(|plan| Box::new(Routes::new(plan, derive)));
        Snapshot { endpoints, shares, ages, ring, zones, routes, heard: true }
    }

    fn replace(&mut self, all: Vec<Arc<Instance>>) {
        // Of two entries of one id the last one counts.
        let all: InstanceSet = all.into_iter().collect();
        let ids = self.endpoints.iter().map(|endpoint| &endpoint.instance.id);
        let gone: Vec<InstanceId> = ids.filter(|id| !all.contains(id)).cloned().collect();
        self.endpoints.reserve_exact(all.len().saturating_sub(self.endpoints.len()));
        for instance in &all {
            self.put(instance.clone());
        }
        for id in gone {
            self.remove(&id, DownCause::Unlisted);
        }
    }

    fn put(&mut self, instance: Arc<Instance>) {
        match self.place(&instance.id) {
            Ok(place) => {
                let known = &self.endpoints[place];
                if known.instance == instance {
                    return;
                }
                let moved = (&known.instance.host, known.instance.port) != (&instance.host, instance.port);
                let new = if moved { Endpoint::new(instance) } else { known.changed(instance) };
                let old = std::mem::replace(&mut self.endpoints[place], Arc::new(new));
                if moved {
                    self.down.push((old, DownCause::Unlisted));
                }
            }
            Err(place) => {
                self.up.push(instance.clone());
                self.endpoints.insert(place, Arc::new(Endpoint::new(instance)));
            }
        }
    }

    fn remove(&mut self, id: &InstanceId, cause: DownCause) {
        if let Ok(place) = self.place(id) {
            self.down.push((self.endpoints.remove(place), cause));
        }
    }
}

impl Zones {
    /// Those of these places; `weights` are overridden ones, of all.
    pub(super) fn of<L>(
        endpoints: &[Arc<Endpoint<L>>],
        places: impl Iterator<Item = u32>,
        weights: Option<&[u32]>,
        derive: &Derive,
    ) -> Option<Self> {
        let zone = derive.zone.as_deref()?;
        let is_near = |place: &u32| endpoints[*place as usize].instance.zone.as_deref() == Some(zone);
        let (near, far): (Vec<u32>, Vec<u32>) = places.partition(is_near);
        let group = |places| Group::of(endpoints, places, weights, derive.ring);
        let both = !near.is_empty() && !far.is_empty();
        both.then(|| Self { near: group(near), far: group(far) })
    }
}

impl Group {
    /// Those of these places; `weights` are overridden ones, of all.
    pub(super) fn of<L>(endpoints: &[Arc<Endpoint<L>>], places: Vec<u32>, weights: Option<&[u32]>, ring: bool) -> Self {
        let weighed = places.iter().map(|place| {
            let (place, instance) = (*place as usize, &*endpoints[*place as usize].instance);
            (instance, weights.map_or(instance.weight, |weights| weights[place]))
        });
        let (shares, ring) = draw_from(weighed, ring);
        Self { places, shares, ring }
    }
}

/// What a balancer draws from, of instances and the weights that count; with a ring, where it wants one.
fn draw_from<'a>(
    weighed: impl ExactSizeIterator<Item = (&'a Instance, u32)> + Clone,
    ring: bool,
) -> (Shares, Option<Arc<Ring>>) {
    let weights = weighed.clone().map(|(_, weight)| weight);
    let ring = ring.then(|| {
        let addresses: Vec<String> = weighed.map(|(instance, _)| instance.address()).collect();
        Arc::new(Ring::new(addresses.iter().map(String::as_str).zip(weights.clone())))
    });
    (Shares::new(weights), ring)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn instance(id: u8, port: u16, weight: u32) -> Arc<Instance> {
        let mut instance = Instance::new("a", "h", port).with_id(InstanceId::new(id.to_string())).with_weight(weight);
        instance.started_at = 0;
        Arc::new(instance)
    }

    fn step(from: &Snapshot<u32>, change: Change) -> (Snapshot<u32>, usize) {
        let mut edit = from.edit();
        edit.apply(change);
        let down = edit.down.len();
        (edit.finish(&Derive { ring: true, zone: Some("a".into()), in_force: None }), down)
    }

    /// What is kept of one, which was made now or before.
    fn kept(endpoint: &Endpoint<u32>, serial: &mut u32) -> u32 {
        *serial += 1;
        **endpoint.kept(|| *serial)
    }

    #[test]
    fn a_changed_weight_keeps_what_is_known_and_a_new_address_does_not() {
        let mut serial = 0;
        let (first, _) = step(&Snapshot::default(), Change::Snapshot(vec![instance(1, 1, 100)]));
        assert!(first.endpoints[0].known().is_none(), "nobody has wanted it");
        assert_eq!(kept(&first.endpoints[0], &mut serial), 1);
        let (heavier, down) = step(&first, Change::Up(instance(1, 1, 200)));
        assert_eq!((kept(&heavier.endpoints[0], &mut serial), down), (1, 0));
        let (moved, down) = step(&heavier, Change::Up(instance(1, 2, 200)));
        assert_eq!((kept(&moved.endpoints[0], &mut serial), down), (3, 1));
        assert!(moved.heard && !Snapshot::<u32>::default().heard);
    }

    fn change() -> impl Strategy<Value = Change> {
        let one = || (0u8..6, 1u16..3, 0u32..3).prop_map(|(id, port, weight)| instance(id, port, weight));
        prop_oneof![
            one().prop_map(Change::Up),
            (0u8..6).prop_map(|id| Change::Down(InstanceId::new(id.to_string()), DownCause::Died)),
            prop::collection::vec(one(), 0..5).prop_map(Change::Snapshot),
        ]
    }

    proptest! {
        /// Against a plain map.
        #[test]
        fn any_changes_lead_to_the_set_they_mean(changes in prop::collection::vec((change(), 0usize..4), 0..30)) {
            let (mut model, mut snapshot, mut serial) = (BTreeMap::new(), Snapshot::<u32>::default(), 0);
            for (change, wanted) in changes {
                match change.clone() {
                    Change::Snapshot(all) => model = all.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    Change::Up(one) => drop(model.insert(one.id.clone(), one)),
                    Change::Down(id, _) => drop(model.remove(&id)),
                    _ => {}
                }
                let before: BTreeMap<_, _> =
                    snapshot.endpoints.iter().map(|e| (e.instance.id.clone(), e.clone())).collect();
                snapshot = step(&snapshot, change).0;
                let seen: Vec<_> = snapshot.endpoints.iter().map(|e| e.instance.clone()).collect();
                prop_assert_eq!(&seen, &model.values().cloned().collect::<Vec<_>>());
                for endpoint in &snapshot.endpoints {
                    if let Some(old) = before.get(&endpoint.instance.id) {
                        let same_place = old.instance.port == endpoint.instance.port;
                        let stayed = old.known().zip(endpoint.known()).is_some_and(|(old, new)| Arc::ptr_eq(old, new));
                        prop_assert_eq!(same_place && old.known().is_some(), stayed);
                        // A change of others costs this one a pointer.
                        prop_assert_eq!(old.instance == endpoint.instance, Arc::ptr_eq(old, endpoint));
                    }
                }
                prop_assert_eq!(snapshot.shares.len(), seen.len());
                snapshot.endpoints.iter().take(wanted).for_each(|one| {
                    kept(one, &mut serial);
                });
            }
        }
    }
}
