//! Everything that one registration wants written, in both of Dubbo's levels. Pure.
//!
//! It is written in the order of the fields and taken back in reverse: whoever finds an instance finds all that it
//! refers to.

use std::collections::BTreeSet;

use super::nodes::{Nodes, is_name};
use crate::{
    dubbo::{MetadataInfo, ProviderUrl, RegisterMode, ServiceInstance},
    error::RegistryError,
    instance::Registration,
};

/// Longest name of a node that is written, in bytes: a server refuses packets of more than 1 MiB, and a listing of many
/// long names is one packet.
const MAX_NAME: usize = 16 * 1024;
/// Largest document that is written, in bytes: with its head it has to go into such a packet.
const MAX_DOCUMENT: usize = 1_000_000;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The interface level: nodes that go with the session.
    pub(super) providers: BTreeSet<String>,
    /// The application level, if it is wanted.
    pub(super) application: Option<ApplicationPlan>,
}

/// The application level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApplicationPlan {
    /// The application, which each of the lists at `mappings` should name.
    pub(super) application: String,
    pub(super) mappings: BTreeSet<String>,
    /// The same document at each of these paths.
    pub(super) documents: [String; 2],
    pub(super) document: String,
    /// The node of the instance, which goes with the session, and what is in it.
    pub(super) instance: String,
    pub(super) content: String,
}

impl Plan {
    pub(super) fn of(registration: &Registration, nodes: &Nodes, mode: RegisterMode) -> Result<Self, RegistryError> {
        let mut providers = BTreeSet::new();
        for key in registration.keys.iter().filter(|_| mode.interface()) {
            let name = ProviderUrl::of(registration, key).to_node();
            limited(|| format!("the URL of {key}"), name.len(), MAX_NAME)?;
            providers.insert(format!("{}/{name}", nodes.providers(&key.interface)));
        }
        // What has no name there is found by its interface alone. So are servers of a backend: several watchers tell of the
        // same ones, and each of their views counts.
        let named = is_name(&registration.instance.application)
            && registration.keys.iter().all(|key| is_name(&key.interface))
            && registration.instance.role.is_none();
        let application = (mode.instance() && named && !registration.keys.is_empty())
            .then(|| ApplicationPlan::of(registration, nodes))
            .transpose()?;
        Ok(Self { providers, application })
    }
}

impl ApplicationPlan {
    fn of(registration: &Registration, nodes: &Nodes) -> Result<Self, RegistryError> {
        let application = registration.instance.application.clone();
        let info = MetadataInfo::of(registration);
        let instance = ServiceInstance::of(registration, &info);
        let document = info.to_json();
        limited(|| format!("the metadata of {application}"), document.len(), MAX_DOCUMENT)?;
        // When it was registered is part of the content, which must be the same at each look.
        let content = instance.to_json(registration.instance.started_at);
        limited(|| format!("the instance of {application}"), content.len(), crate::dubbo::MAX_INSTANCE)?;
        Ok(Self {
            mappings: registration.keys.iter().map(|key| nodes.mapping(&key.interface)).collect(),
            documents: nodes.metadata(&application, &info.revision),
            instance: format!("{}/{}", nodes.instances(&application), instance.id()),
            application,
            document,
            content,
        })
    }
}

fn limited(what: impl FnOnce() -> String, size: usize, limit: usize) -> Result<(), RegistryError> {
    if size > limit { Err(RegistryError::TooLarge { what: what(), size, limit }) } else { Ok(()) }
}

/// Whether the instance that says `ours` may take the node of one that says `theirs`. Two at one address are one before
/// and one after a restart, or a mistake: the later one has the node, and the earlier one does not fight.
pub(super) fn supersedes(ours: &str, theirs: &[u8]) -> bool {
    let Ok(theirs) = ServiceInstance::from_json(theirs) else { return true };
    let Ok(ours) = ServiceInstance::from_json(ours.as_bytes()) else { return false };
    let age = |instance: &ServiceInstance| {
        let said = |name: &str| instance.metadata.get(name).cloned().unwrap_or_default();
        (said("timestamp").parse::<u64>().unwrap_or(0), said("mainstay.id"))
    };
    age(&ours) >= age(&theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instance, InstanceId, ServiceKey, url::RegistryUrl, zookeeper::Place};

    fn nodes() -> Nodes {
        Nodes::of(&Place::of(&RegistryUrl::parse("zookeeper://h").unwrap()).unwrap())
    }

    fn registration(application: &str, started_at: u64) -> Registration {
        let mut instance = Instance::told(InstanceId::new("1"), application, "10.0.0.5", 50051);
        instance.started_at = started_at;
        Registration::new(instance, [ServiceKey::new("a.B").with_version("1")])
    }

    #[test]
    fn both_levels_are_written_where_dubbo_looks() {
        let plan = Plan::of(&registration("stock", 7), &nodes(), RegisterMode::All).unwrap();
        assert!(plan.providers.first().unwrap().starts_with("/dubbo/a.B/providers/tri%3A%2F%2F10.0.0.5%3A50051%2Fa.B"));
        let application = plan.application.unwrap();
        assert_eq!(application.instance, "/services/stock/10.0.0.5:50051");
        assert_eq!(application.mappings, ["/dubbo/mapping/a.B".to_owned()].into());
        assert!(application.documents[0].starts_with("/dubbo/metadata/stock/"));
        assert!(application.content.contains("org.apache.dubbo.registry.zookeeper.ZookeeperInstance"));
        for (mode, providers, application) in
            [(RegisterMode::Interface, 1, false), (RegisterMode::Instance, 0, true), (RegisterMode::All, 1, true)]
        {
            let plan = Plan::of(&registration("stock", 7), &nodes(), mode).unwrap();
            assert_eq!((plan.providers.len(), plan.application.is_some()), (providers, application));
        }
        let backend = Registration::of_backend("mymaster", "10.0.0.1", 6379, crate::Role::Primary, 7);
        for alone in [registration("", 7), backend] {
            let plan = Plan::of(&alone, &nodes(), RegisterMode::All).unwrap();
            assert_eq!((plan.providers.len(), plan.application), (1, None));
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut large = registration("stock", 7);
        large.instance.labels.insert("x".to_owned(), "y".repeat(MAX_NAME));
        assert!(matches!(Plan::of(&large, &nodes(), RegisterMode::All), Err(RegistryError::TooLarge { .. })));
    }

    #[test]
    fn of_two_at_one_address_the_later_one_has_the_node() {
        let content = |started_at| {
            Plan::of(&registration("stock", started_at), &nodes(), RegisterMode::All)
                .unwrap()
                .application
                .unwrap()
                .content
        };
        assert!(supersedes(&content(8), content(7).as_bytes()) && !supersedes(&content(7), content(8).as_bytes()));
        assert!(supersedes(&content(7), content(7).as_bytes()), "itself, after a restart of the session");
        assert!(supersedes(&content(7), b"garbage"));
    }
}
