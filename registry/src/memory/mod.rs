//! `memory://`: a registry inside one process, for tests and for programs that are all in one.
//!
//! What it guarantees: a change is seen at once, nothing is ever held back. Its limit: only those who hold a clone of
//! the same [`MemoryRegistry`] see each other. There is no table of names behind it (no globals): `memory://` as a URL
//! makes a private one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::{
    capability::Capabilities,
    catalog::{Catalog, Feeds},
    controller::{Seen, Timing},
    error::RegistryError,
    feed::Changes,
    inspect::{Finding, Inspect, Inspection, Listing, Offer},
    instance::{InstanceId, Registration},
    keep::{Record, keep},
    key::ServiceKey,
    lease::Lease,
    port::{Discover, DownCause, Lookup, Registry, Survey},
};

/// A registry inside this process; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryRegistry {
    name: Arc<str>,
    inner: Arc<Mutex<Inner>>,
    timing: Timing,
}

#[derive(Debug, Default)]
struct Inner {
    catalog: Catalog<InstanceId>,
    feeds: Feeds,
    writes: u64,
    last_change: Option<Instant>,
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::named("")
    }

    /// An empty registry whose [`describe`](Registry::describe) has this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), inner: Arc::default(), timing: Timing::default() }
    }

    /// Drops all records behind the backs of those who registered, as a registry that lost its data would: for tests
    /// of what happens then. The leases repair it at their next read-back.
    pub fn lose_all(&self) {
        let mut inner = self.lock();
        let owners: Vec<_> = inner.catalog.owners().cloned().collect();
        let mut touched = BTreeSet::new();
        for owner in &owners {
            touched.extend(inner.catalog.remove(owner));
        }
        inner.publish(&touched, &BTreeMap::new());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn publish(&mut self, touched: &BTreeSet<ServiceKey>, causes: &BTreeMap<InstanceId, DownCause>) {
        self.last_change = Some(Instant::now());
        self.feeds.publish(&self.catalog, touched, causes);
    }
}

impl Registry for MemoryRegistry {
    fn register(&self, registration: Registration) -> Lease {
        let record = MemoryRecord { id: registration.instance.id.clone(), registry: self.clone() };
        keep(record, registration, self.timing)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::MEMORY
    }

    fn describe(&self) -> String {
        format!("memory://{} (this process only)", self.name)
    }
}

impl Discover for MemoryRegistry {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let mut guard = self.lock();
        let Inner { catalog, feeds, .. } = &mut *guard;
        let feed = feeds.of(&lookup);
        let changes = feed.subscribe();
        feed.publish(catalog.find(&lookup), &BTreeMap::new());
        changes.keeping(Arc::new(self.clone()))
    }

    fn survey(&self, interface: &str) -> Survey {
        let inner = self.lock();
        Survey { last_change: inner.last_change.map(|at| at.elapsed()), ..Survey::new(inner.catalog.survey(interface)) }
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

impl Inspect for MemoryRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        let inner = self.lock();
        let offers = inner.catalog.all().flat_map(|one| {
            let asked = one.keys.iter().filter(|key| interface.is_none_or(|interface| key.interface == interface));
            asked.map(|key| Offer::new(key.clone(), one.instance.clone()))
        });
        Box::pin(std::future::ready(Ok(Listing::new(offers.collect(), Vec::new()))))
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        let text = "it is in the memory of one process: nobody outside of it sees what is registered";
        Box::pin(std::future::ready(vec![Finding::doubtful("reach", text)]))
    }
}

/// One lease's record here.
#[derive(Debug)]
struct MemoryRecord {
    id: InstanceId,
    registry: MemoryRegistry,
}

impl Record for MemoryRecord {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let mut inner = self.registry.lock();
        inner.writes += 1;
        let generation = inner.writes;
        let touched = inner.catalog.put(&self.id, generation, vec![wanted.clone()]);
        inner.publish(&touched, &BTreeMap::new());
        Ok(())
    }

    async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let inner = self.registry.lock();
        Ok(match inner.catalog.registrations(&self.id) {
            [] => Seen::Absent,
            [seen] if seen == wanted => Seen::Same,
            _ => Seen::Different,
        })
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        let mut inner = self.registry.lock();
        let touched = inner.catalog.remove(&self.id);
        inner.publish(&touched, &BTreeMap::from([(self.id.clone(), DownCause::Withdrawn)]));
        Ok(())
    }
}
