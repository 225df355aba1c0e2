//! `Hub`: one registry as a whole, whatever its adapter.

use std::sync::Arc;

use crate::{
    capability::{ADAPTERS, Capabilities},
    config::{ConfigCenter, ConfigError},
    error::RegistryError,
    feed::Changes,
    inspect::Inspect,
    instance::Registration,
    lease::Lease,
    port::{Discover, Lookup, Registry, Survey},
    several::{Place, SeveralRegistries},
};

/// One registry as a whole: what providers register with and consumers look into. Clones share it.
#[derive(Clone, Debug)]
pub struct Hub {
    registry: Arc<dyn Registry>,
    discover: Arc<dyn Discover>,
    config: Option<Arc<dyn ConfigCenter>>,
    inspect: Option<Arc<dyn Inspect>>,
}

impl Hub {
    /// A hub over one adapter.
    pub fn new<A: Registry + Discover + 'static>(adapter: A) -> Self {
        let adapter = Arc::new(adapter);
        Self { registry: adapter.clone(), discover: adapter, config: None, inspect: None }
    }

    /// A hub that registers with one and looks into another, such as while moving between two registries.
    pub fn of(registry: Arc<dyn Registry>, discover: Arc<dyn Discover>) -> Self {
        Self { registry, discover, config: None, inspect: None }
    }

    /// A hub over several: registers in all, and reads them by their places and the reader's zone. Its config centre is
    /// that of the first preferred one that has any, else of the first that has.
    pub fn several(members: impl IntoIterator<Item = (Self, Place)>, zone: Option<&str>) -> Self {
        let members: Vec<_> = members.into_iter().collect();
        let centers = |preferred: bool| {
            members
                .iter()
                .filter(move |(_, place)| place.preferred == preferred)
                .find_map(|(hub, _)| hub.config.clone())
        };
        let config = centers(true).or_else(|| centers(false));
        Self { config, ..Self::new(SeveralRegistries::new(members).in_zone(zone)) }
    }

    /// The same hub, with a config centre.
    #[must_use]
    pub fn with_config(mut self, config: impl ConfigCenter + 'static) -> Self {
        self.config = Some(Arc::new(config));
        self
    }

    /// The same hub, which can be looked into as a whole.
    #[must_use]
    pub fn with_inspect(mut self, inspect: impl Inspect + 'static) -> Self {
        self.inspect = Some(Arc::new(inspect));
        self
    }

    /// What can look into the registry as a whole.
    ///
    /// # Errors
    /// [`RegistryError::Unsupported`] where nothing can: also of several registries at once, which are looked into one by
    /// one.
    pub fn inspect(&self) -> Result<Arc<dyn Inspect>, RegistryError> {
        let registry = || Discover::describe(self);
        let what = "cannot be looked into as a whole";
        self.inspect.clone().ok_or_else(|| RegistryError::Unsupported { registry: registry(), what })
    }

    /// The config centre that is kept beside the registry. Whoever keeps it elsewhere connects to there:
    /// `connect("zookeeper://…")?.config_center()?`.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] where there is none.
    pub fn config_center(&self) -> Result<Arc<dyn ConfigCenter>, ConfigError> {
        self.config.clone().ok_or_else(|| {
            let can = ADAPTERS.into_iter().filter(|(_, can)| can.config);
            let known = can.map(|(scheme, _)| scheme).collect::<Vec<_>>().join(", ");
            ConfigError::Unsupported { registry: Discover::describe(self), known }
        })
    }
}

impl Registry for Hub {
    fn register(&self, registration: Registration) -> Lease {
        self.registry.register(registration)
    }

    fn capabilities(&self) -> Capabilities {
        self.registry.capabilities()
    }

    fn describe(&self) -> String {
        self.registry.describe()
    }
}

impl Discover for Hub {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        self.discover.subscribe(lookup)
    }

    fn survey(&self, interface: &str) -> Survey {
        self.discover.survey(interface)
    }

    fn describe(&self) -> String {
        self.discover.describe()
    }
}
