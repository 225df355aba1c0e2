//! `static://`: a list that is given once and never changes.
//!
//! `static://[application@]host:port,…?weight=N`. Every entry is taken to offer whatever is asked of it; an entry with
//! an application is only found by consumers that narrow to that one, or do not narrow at all. What it guarantees:
//! nothing moves. Its limit: it knows nothing about who lives; connection state takes the dead out.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    capability::Capabilities,
    error::RegistryError,
    feed::{Changes, Feed},
    inspect::{Finding, Inspect, Inspection, Listing, Offer},
    instance::{Instance, InstanceId, Registration},
    key::ServiceKey,
    lease::Lease,
    port::{Discover, Lookup, Registry, Survey},
    url::RegistryUrl,
};

/// Most entries that a list may have.
pub const MAX_ENTRIES: usize = 10_000;

/// A fixed list of instances; clones share it.
#[derive(Clone, Debug)]
pub struct FixedRegistry {
    text: Arc<str>,
    entries: Arc<[Arc<Instance>]>,
}

impl FixedRegistry {
    /// A list of these instances. An instance with an empty application belongs to any.
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Self {
        let entries: Arc<[_]> = instances.into_iter().map(Arc::new).collect();
        let text = match &*entries {
            [] => "static:// (an empty list)".to_owned(),
            [first] => format!("static://{} (a fixed list)", first.address()),
            [first, ..] => format!("static://{},… (a fixed list of {})", first.address(), entries.len()),
        };
        Self { text: text.into(), entries }
    }

    /// The list in a URL.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`] names the entry that cannot be read.
    pub fn from_url(url: &RegistryUrl) -> Result<Self, RegistryError> {
        url.only_parameters(&["weight"])?;
        let weight = url.parameter_as::<u32>("weight")?;
        let authority = url.authority_with_user();
        let entries: Vec<&str> = authority.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        if entries.is_empty() {
            return Err(url.bad("no address in it; it should look like static://host:port,host:port"));
        }
        if entries.len() > MAX_ENTRIES {
            return Err(url.bad(format!("{} entries, at most {MAX_ENTRIES} are taken", entries.len())));
        }
        let instances: Result<Vec<_>, _> = entries.into_iter().map(|entry| one(url, entry, weight)).collect();
        Ok(Self::new(instances?))
    }
}

fn one(url: &RegistryUrl, entry: &str, weight: Option<u32>) -> Result<Instance, RegistryError> {
    let (application, address) = entry.rsplit_once('@').unwrap_or(("", entry));
    let (host, port) = url.host_and_port(address)?;
    // The same entry is the same instance wherever it is read.
    let id = InstanceId::new(format!("static:{entry}"));
    let mut instance = Instance::new(application, host, port).with_id(id);
    instance.started_at = 0;
    instance.weight = weight.unwrap_or(instance.weight);
    Ok(instance)
}

impl Registry for FixedRegistry {
    fn register(&self, registration: Registration) -> Lease {
        Lease::unsupported(registration)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::STATIC
    }

    fn describe(&self) -> String {
        self.text.to_string()
    }
}

impl Discover for FixedRegistry {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let meant = |instance: &&Arc<Instance>| {
            lookup
                .application
                .as_ref()
                .is_none_or(|name| instance.application.is_empty() || instance.application == *name)
        };
        let set = self.entries.iter().filter(meant).cloned();
        let feed = Feed::new();
        feed.publish(set.collect(), &BTreeMap::new());
        let changes = feed.subscribe();
        // The feed lives as long as its one consumer: the stream stays open and silent.
        changes.keeping(Arc::new(feed))
    }

    fn survey(&self, interface: &str) -> Survey {
        Survey::new(vec![(ServiceKey::new(interface), self.entries.len())])
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

impl Inspect for FixedRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        let key = ServiceKey::new(interface.unwrap_or("*"));
        let offers = self.entries.iter().map(|instance| Offer::new(key.clone(), Instance::clone(instance))).collect();
        Box::pin(std::future::ready(Ok(Listing::new(offers, Vec::new()))))
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        let text = format!("{} instances; nobody watches whether they live", self.entries.len());
        Box::pin(std::future::ready(vec![Finding::fine("list", text)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Change;

    fn list(url: &str) -> Result<FixedRegistry, RegistryError> {
        FixedRegistry::from_url(&RegistryUrl::parse(url)?)
    }

    async fn found(registry: &FixedRegistry, application: Option<&str>) -> Vec<String> {
        let mut lookup = Lookup::new(ServiceKey::new("a.B"));
        lookup.application = application.map(str::to_owned);
        match registry.subscribe(lookup).next().await {
            Some(Change::Snapshot(all)) => all.iter().map(|one| one.address()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_list_is_what_it_says() {
        let registry = list("static://10.0.0.1:80,stock.local:81,[::1]:82?weight=7").unwrap();
        assert_eq!(found(&registry, Some("stock")).await, ["10.0.0.1:80", "[::1]:82", "stock.local:81"]);
        assert!(registry.entries.iter().all(|instance| instance.weight == 7));
    }

    #[tokio::test]
    async fn an_entry_of_an_application_is_only_found_by_it() {
        let registry = list("static://stock@h:1,price@h:2,h:3").unwrap();
        assert_eq!(found(&registry, Some("stock")).await, ["h:3", "h:1"]);
        assert_eq!(found(&registry, None).await.len(), 3);
    }

    #[test]
    fn bad_lists_name_the_entry() {
        for (url, why) in [
            ("static://", "no address"),
            ("static://h", "`h`"),
            ("static://h:1,x:99999", "`x:99999`"),
            ("static://:1", "`:1`"),
            ("static://h:1?weight=much", "weight"),
            ("static://h:1?colour=red", "colour"),
        ] {
            let error = list(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn registering_is_not_for_it_and_says_so() {
        let registry = list("static://h:1").unwrap();
        let lease = registry.register(Registration::new(Instance::new("a", "h", 1), []));
        assert_eq!(lease.state(), crate::LeaseState::Unsupported);
    }
}
