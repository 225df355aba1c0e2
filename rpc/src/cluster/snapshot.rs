//! The endpoints of a service at one moment, and how a change leads from one moment to the next. Pure.
//!
//! A snapshot never changes; a change makes a new one that shares every endpoint with the old one, so what is known of
//! an endpoint (its connections, its load) lives as long as the instance does, whatever else about it changes.

use super::balance::{Ages, Ring, Shares};
use mainstay_registry::{Change, DownCause, Instance, InstanceId};
use std::{collections::BTreeMap, sync::Arc};

/// An instance and what this process keeps of it.
#[derive(Debug)]
pub(crate) struct Endpoint<L> {
    /// As the registry has it.
    pub(crate) instance: Instance,
    /// What is kept as long as the instance lives.
    pub(crate) live: Arc<L>,
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
}

/// What a change did.
#[derive(Debug)]
pub(crate) struct Edit<L> {
    endpoints: Vec<Arc<Endpoint<L>>>,
    /// Instances that are new.
    pub(crate) up: Vec<InstanceId>,
    /// Endpoints that are not there any more, and why.
    pub(crate) down: Vec<(Arc<Endpoint<L>>, DownCause)>,
}

impl<L> Default for Snapshot<L> {
    fn default() -> Self {
        let (ages, shares) = (Ages::default(), Shares::default());
        Self { endpoints: Vec::new(), shares, ages, ring: None, zones: None, heard: false }
    }
}

impl<L> Snapshot<L> {
    /// Begins a change.
    pub(crate) fn edit(&self) -> Edit<L> {
        Edit { endpoints: self.endpoints.clone(), up: Vec::new(), down: Vec::new() }
    }
}

impl<L> Edit<L> {
    /// Applies a change; `live` makes what is kept of an instance that is new.
    pub(crate) fn apply(&mut self, change: Change, live: &mut dyn FnMut(&Instance) -> L) {
        match change {
            Change::Snapshot(all) => self.replace(all, live),
            Change::Up(instance) => self.put(instance, live),
            Change::Down(id, cause) => self.remove(&id, cause),
            // Steps of a later registry that this version does not know change nothing.
            _ => {}
        }
    }

    /// Nobody is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The snapshot after the change.
    pub(crate) fn finish(self, derive: &Derive) -> Snapshot<L> {
        let endpoints = self.endpoints;
        let ages = Ages::of(endpoints.iter().map(|endpoint| endpoint.instance.started_at));
        let zones = derive.zone.as_ref().and_then(|zone| zones(&endpoints, zone, derive.ring));
        let Group { shares, ring, .. } = Group::of(&endpoints, (0..endpoints.len() as u32).collect(), derive.ring);
        Snapshot { endpoints, shares, ages, ring, zones, heard: true }
    }

    fn replace(&mut self, all: Vec<Instance>, live: &mut dyn FnMut(&Instance) -> L) {
        // Of two entries of one id the last one counts.
        let all: BTreeMap<InstanceId, Instance> = all.into_iter().map(|one| (one.id.clone(), one)).collect();
        let ids = self.endpoints.iter().map(|endpoint| &endpoint.instance.id);
        let gone: Vec<InstanceId> = ids.filter(|id| !all.contains_key(*id)).cloned().collect();
        for instance in all.into_values() {
            self.put(instance, live);
        }
        for id in gone {
            self.remove(&id, DownCause::Unlisted);
        }
    }

    fn put(&mut self, instance: Instance, live: &mut dyn FnMut(&Instance) -> L) {
        let place = self.endpoints.binary_search_by(|endpoint| endpoint.instance.id.cmp(&instance.id));
        match place {
            Ok(place) => {
                let known = &self.endpoints[place];
                if known.instance == instance {
                    return;
                }
                let moved = (&known.instance.host, known.instance.port) != (&instance.host, instance.port);
                let kept = if moved { Arc::new(live(&instance)) } else { known.live.clone() };
                let new = Arc::new(Endpoint { instance, live: kept });
                let old = std::mem::replace(&mut self.endpoints[place], new);
                if moved {
                    self.down.push((old, DownCause::Unlisted));
                }
            }
            Err(place) => {
                self.up.push(instance.id.clone());
                let live = Arc::new(live(&instance));
                self.endpoints.insert(place, Arc::new(Endpoint { instance, live }));
            }
        }
    }

    fn remove(&mut self, id: &InstanceId, cause: DownCause) {
        if let Ok(place) = self.endpoints.binary_search_by(|endpoint| endpoint.instance.id.cmp(id)) {
            self.down.push((self.endpoints.remove(place), cause));
        }
    }
}

fn zones<L>(endpoints: &[Arc<Endpoint<L>>], zone: &str, ring: bool) -> Option<Zones> {
    let is_near = |place: &u32| endpoints[*place as usize].instance.zone.as_deref() == Some(zone);
    let (near, far): (Vec<u32>, Vec<u32>) = (0..endpoints.len() as u32).partition(is_near);
    let both = !near.is_empty() && !far.is_empty();
    both.then(|| Zones { near: Group::of(endpoints, near, ring), far: Group::of(endpoints, far, ring) })
}

impl Group {
    fn of<L>(endpoints: &[Arc<Endpoint<L>>], places: Vec<u32>, ring: bool) -> Self {
        let instances = places.iter().map(|place| &endpoints[*place as usize].instance);
        let shares = Shares::new(instances.clone().map(|instance| instance.weight));
        let ring = ring.then(|| {
            let addresses: Vec<String> = instances.clone().map(Instance::address).collect();
            let weights = instances.map(|instance| instance.weight);
            Arc::new(Ring::new(addresses.iter().map(String::as_str).zip(weights)))
        });
        Self { places, shares, ring }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instance(id: u8, port: u16, weight: u32) -> Instance {
        let mut instance = Instance::new("a", "h", port).with_id(InstanceId::new(id.to_string())).with_weight(weight);
        instance.started_at = 0;
        instance
    }

    fn step(from: &Snapshot<u32>, change: Change, serial: &mut u32) -> (Snapshot<u32>, usize) {
        let mut edit = from.edit();
        edit.apply(change, &mut |_| {
            *serial += 1;
            *serial
        });
        let down = edit.down.len();
        (edit.finish(&Derive { ring: true, zone: Some("a".into()) }), down)
    }

    #[test]
    fn a_changed_weight_keeps_what_is_known_and_a_new_address_does_not() {
        let mut serial = 0;
        let (first, _) = step(&Snapshot::default(), Change::Snapshot(vec![instance(1, 1, 100)]), &mut serial);
        let (heavier, down) = step(&first, Change::Up(instance(1, 1, 200)), &mut serial);
        assert!(Arc::ptr_eq(&first.endpoints[0].live, &heavier.endpoints[0].live) && down == 0);
        let (moved, down) = step(&heavier, Change::Up(instance(1, 2, 200)), &mut serial);
        assert!(!Arc::ptr_eq(&first.endpoints[0].live, &moved.endpoints[0].live) && down == 1);
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
        fn any_changes_lead_to_the_set_they_mean(changes in prop::collection::vec(change(), 0..30)) {
            let (mut model, mut snapshot, mut serial) = (BTreeMap::new(), Snapshot::default(), 0);
            for change in changes {
                match change.clone() {
                    Change::Snapshot(all) => model = all.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    Change::Up(one) => drop(model.insert(one.id.clone(), one)),
                    Change::Down(id, _) => drop(model.remove(&id)),
                    _ => {}
                }
                let before: BTreeMap<_, _> =
                    snapshot.endpoints.iter().map(|e: &Arc<Endpoint<u32>>| (e.instance.id.clone(), e.clone())).collect();
                snapshot = step(&snapshot, change, &mut serial).0;
                let seen: Vec<_> = snapshot.endpoints.iter().map(|e| e.instance.clone()).collect();
                prop_assert_eq!(&seen, &model.values().cloned().collect::<Vec<_>>());
                for endpoint in &snapshot.endpoints {
                    if let Some(old) = before.get(&endpoint.instance.id) {
                        let same_place = old.instance.port == endpoint.instance.port;
                        prop_assert_eq!(same_place, Arc::ptr_eq(&old.live, &endpoint.live));
                    }
                }
                prop_assert_eq!(snapshot.shares.len(), seen.len());
            }
        }
    }
}
