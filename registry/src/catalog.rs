//! Who offers what: the records of all owners, indexed by service key. Pure.
//!
//! An owner is whatever a registry keeps one record for: a file, a lease. Each change answers the keys it touched, so
//! that only their consumers are looked at: the cost follows the change and not the size.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    feed::Feed,
    instance::{Instance, InstanceId, Registration},
    key::ServiceKey,
    port::{DownCause, Lookup},
    set::InstanceSet,
};

/// Instances of one key: per id, every record that has it, newest generation last.
type Offers<O> = BTreeMap<InstanceId, BTreeMap<(u64, O), Arc<Instance>>>;

/// The records of all owners.
#[derive(Debug)]
pub(crate) struct Catalog<O> {
    records: BTreeMap<O, (u64, Vec<Arc<Registration>>)>,
    by_key: BTreeMap<ServiceKey, Offers<O>>,
}

impl<O> Default for Catalog<O> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), by_key: BTreeMap::new() }
    }
}

impl<O: Ord + Clone> Catalog<O> {
    /// Sets the record of `owner`. Where two owners have the same instance, the higher generation is right.
    pub(crate) fn put(
        &mut self,
        owner: &O,
        generation: u64,
        registrations: Vec<Arc<Registration>>,
    ) -> BTreeSet<ServiceKey> {
        let mut touched = self.remove(owner);
        for registration in &registrations {
            let instance = Arc::new(registration.instance.clone());
            for key in &registration.keys {
                let offers = self.by_key.entry(key.clone()).or_default();
                offers.entry(instance.id.clone()).or_default().insert((generation, owner.clone()), instance.clone());
                touched.insert(key.clone());
            }
        }
        self.records.insert(owner.clone(), (generation, registrations));
        touched
    }

    /// Removes the record of `owner`.
    pub(crate) fn remove(&mut self, owner: &O) -> BTreeSet<ServiceKey> {
        let mut touched = BTreeSet::new();
        let Some((generation, registrations)) = self.records.remove(owner) else { return touched };
        for registration in registrations {
            for key in &registration.keys {
                if let Some(offers) = self.by_key.get_mut(key) {
                    if let Some(copies) = offers.get_mut(&registration.instance.id) {
                        copies.remove(&(generation, owner.clone()));
                        if copies.is_empty() {
                            offers.remove(&registration.instance.id);
                        }
                    }
                    if offers.is_empty() {
                        self.by_key.remove(key);
                    }
                }
                touched.insert(key.clone());
            }
        }
        touched
    }

    /// Everyone who has a record.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &O> {
        self.records.keys()
    }

    /// Every registration.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.records.values().flat_map(|(_, registrations)| registrations)
    }

    /// The registrations of `owner`.
    pub(crate) fn registrations(&self, owner: &O) -> &[Arc<Registration>] {
        self.records.get(owner).map_or(&[], |(_, registrations)| registrations)
    }

    /// The instances that `lookup` means.
    pub(crate) fn find(&self, lookup: &Lookup) -> InstanceSet {
        let newest = |copies: &BTreeMap<(u64, O), Arc<Instance>>| copies.values().next_back().cloned();
        self.of_interface(&lookup.key.interface)
            .filter(|(key, _)| lookup.key.matches(key))
            .flat_map(|(key, offers)| offers.values().filter_map(newest).map(move |instance| (key, instance)))
            .filter(|(key, instance)| lookup.takes(key, instance))
            .map(|(_, instance)| instance)
            .collect()
    }

    /// Each key of `interface` with the number of its instances.
    pub(crate) fn survey(&self, interface: &str) -> Vec<(ServiceKey, usize)> {
        self.of_interface(interface).map(|(key, offers)| (key.clone(), offers.len())).collect()
    }

    fn of_interface<'a>(&'a self, interface: &'a str) -> impl Iterator<Item = (&'a ServiceKey, &'a Offers<O>)> {
        self.by_key.range(ServiceKey::new(interface)..).take_while(move |(key, _)| key.interface == interface)
    }
}

/// The feeds of all lookups over one catalog.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    feeds: BTreeMap<Lookup, Feed>,
}

impl Feeds {
    /// The feed of `lookup`, made when there is none; feeds that nobody listens to any more are dropped.
    pub(crate) fn of(&mut self, lookup: &Lookup) -> &Feed {
        self.feeds.retain(|_, feed| feed.is_watched());
        self.feeds.entry(lookup.clone()).or_default()
    }

    /// Tells the consumers of the `touched` keys.
    pub(crate) fn publish<O: Ord + Clone>(
        &self,
        catalog: &Catalog<O>,
        touched: &BTreeSet<ServiceKey>,
        causes: &BTreeMap<InstanceId, DownCause>,
    ) {
        for (lookup, feed) in &self.feeds {
            if touched.iter().any(|key| lookup.key.matches(key)) {
                feed.publish(catalog.find(lookup), causes);
            }
        }
    }
}

impl Feeds {
    /// Tells everyone, whatever was touched.
    #[cfg(feature = "file")]
    pub(crate) fn publish_all<O: Ord + Clone>(&self, catalog: &Catalog<O>) {
        for (lookup, feed) in &self.feeds {
            feed.publish(catalog.find(lookup), &BTreeMap::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registration(id: &str, weight: u32, keys: &[&str]) -> Arc<Registration> {
        let instance = Instance::new("stock", "h", 1).with_id(InstanceId::new(id)).with_weight(weight);
        Arc::new(Registration::new(instance, keys.iter().map(|key| key.parse().unwrap())))
    }

    fn found(catalog: &Catalog<u8>, key: &str) -> Vec<(String, u32)> {
        let set = catalog.find(&Lookup::new(key.parse().unwrap()));
        set.iter().map(|instance| (instance.id.to_string(), instance.weight)).collect()
    }

    #[test]
    fn one_instance_is_found_under_each_of_its_keys() {
        let mut catalog = Catalog::default();
        let touched = catalog.put(&1u8, 0, vec![registration("x", 1, &["a.B:1", "a.C"])]);
        assert_eq!(touched.len(), 2);
        assert_eq!(found(&catalog, "a.B:1"), [("x".to_owned(), 1)]);
        assert_eq!(found(&catalog, "a.C"), [("x".to_owned(), 1)]);
        assert_eq!(found(&catalog, "a.B"), []);
        assert_eq!(found(&catalog, "*/a.B:*"), [("x".to_owned(), 1)]);
        assert_eq!(catalog.survey("a.B"), [("a.B:1".parse().unwrap(), 1)]);
    }

    #[test]
    fn the_newer_record_of_an_instance_wins_while_both_are_there() {
        let mut catalog = Catalog::default();
        catalog.put(&1u8, 1, vec![registration("x", 10, &["a.B"])]);
        catalog.put(&2u8, 2, vec![registration("x", 20, &["a.B"])]);
        assert_eq!(found(&catalog, "a.B"), [("x".to_owned(), 20)]);
        catalog.remove(&1);
        assert_eq!(found(&catalog, "a.B"), [("x".to_owned(), 20)]);
        catalog.remove(&2);
        assert_eq!(found(&catalog, "a.B"), []);
        assert!(catalog.by_key.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_feed_hears_of_its_own_keys_only() {
        let mut catalog = Catalog::default();
        let mut feeds = Feeds::default();
        let lookup = Lookup::new("a.B".parse().unwrap());
        let mut changes = feeds.of(&lookup).subscribe();
        let touched = catalog.put(&1u8, 0, vec![registration("x", 1, &["a.C"])]);
        feeds.publish(&catalog, &touched, &BTreeMap::new());
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        assert!(changes.poll_change(&mut cx).is_pending());
        let touched = catalog.put(&2u8, 0, vec![registration("y", 1, &["a.B"])]);
        feeds.publish(&catalog, &touched, &BTreeMap::new());
        assert!(changes.poll_change(&mut cx).is_ready());
    }

    proptest! {
        #[test]
        fn the_index_always_agrees_with_the_records(
            steps in prop::collection::vec((0u8..4, prop::option::of((0u64..3, 0u8..3, 0u32..3))), 1..30)
        ) {
            let mut catalog = Catalog::default();
            let mut model: BTreeMap<u8, (u64, u8, u32)> = BTreeMap::new();
            for (owner, record) in steps {
                match record {
                    Some((generation, id, weight)) => {
                        catalog.put(&owner, generation, vec![registration(&id.to_string(), weight, &["a.B"])]);
                        model.insert(owner, (generation, id, weight));
                    }
                    None => {
                        catalog.remove(&owner);
                        model.remove(&owner);
                    }
                }
                let mut expected: BTreeMap<String, (u64, u8, u32)> = BTreeMap::new();
                for (owner, (generation, id, weight)) in &model {
                    let best = expected.entry(id.to_string()).or_insert((*generation, *owner, *weight));
                    *best = (*best).max((*generation, *owner, *weight));
                }
                let expected: Vec<_> = expected.into_iter().map(|(id, (_, _, weight))| (id, weight)).collect();
                prop_assert_eq!(found(&catalog, "a.B"), expected);
            }
        }
    }
}
