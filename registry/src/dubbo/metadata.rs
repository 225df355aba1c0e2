//! The application level: what one application offers, as a document. Pure.
//!
//! Consumers ask a provider for it, or read it from the registry, and keep it by its revision alone: the revision is a
//! hash over everything that is in it, so that two documents that differ never share one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    instance::ServiceInstance,
    provider::{NAMING, ProviderUrl, Skipped, parameters_of},
};
use crate::{
    instance::{DEFAULT_WEIGHT, Instance, Registration},
    key::ServiceKey,
};

/// Largest document that is taken, in bytes.
pub const MAX_METADATA: usize = 4 * 1024 * 1024;
/// Most services of one application that are taken.
const MAX_SERVICES: usize = 10_000;
/// The protocol of gRPC over HTTP/2 in Dubbo's words.
const TRIPLE: &str = "tri";

/// What an application offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetadataInfo {
    /// The application.
    #[serde(rename = "app", default)]
    pub application: String,
    /// Names this content.
    #[serde(default)]
    pub revision: String,
    /// The services by `[group/]interface[:version]:protocol`.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceInfo>,
}

/// One service in one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The interface.
    pub name: String,
    /// The group, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The version, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `tri` for gRPC over HTTP/2.
    pub protocol: String,
    /// The port of that protocol; 0 or less when the instance says it.
    pub port: i32,
    /// The path that requests go to; mostly the interface.
    pub path: String,
    /// What a provider's URL says at the interface level.
    pub params: BTreeMap<String, String>,
}

/// What a service says of its instances: that of the first service of the document that says the same, or its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Like(usize),
    Of(usize),
}

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMetadata {
    /// It is longer than [`MAX_METADATA`] or has too many services.
    #[error("it is larger than what is taken")]
    TooLarge,
    /// It is not the JSON that it should be.
    #[error("it is not a metadata document: {0}")]
    NotJson(String),
    /// It is another document than the one that was looked for.
    #[error("it is of revision {0:?}")]
    OtherRevision(String),
}

impl MetadataInfo {
    /// A document of these services, under the revision that its owner gave it.
    pub fn new(
        application: impl Into<String>,
        revision: impl Into<String>,
        services: BTreeMap<String, ServiceInfo>,
    ) -> Self {
        Self { application: application.into(), revision: revision.into(), services }
    }

    /// What `registration` offers, with its revision.
    pub fn of(registration: &Registration) -> Self {
        let services = registration.keys.iter().map(|key| {
            let service = ServiceInfo::of(registration, key);
            (service.key(), service)
        });
        let mut info = Self::new(&registration.instance.application, "", services.collect());
        info.revision = info.hash();
        info
    }

    /// The document as both kinds of peers write and read it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A document that somebody wrote.
    ///
    /// # Errors
    /// [`BadMetadata`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadMetadata> {
        if bytes.len() > MAX_METADATA {
            return Err(BadMetadata::TooLarge);
        }
        let info: Self = serde_json::from_slice(bytes).map_err(|error| BadMetadata::NotJson(error.to_string()))?;
        if info.services.len() > MAX_SERVICES { Err(BadMetadata::TooLarge) } else { Ok(info) }
    }

    /// The document of this revision.
    ///
    /// # Errors
    /// [`BadMetadata`], also when it is one of another revision.
    pub fn of_revision(bytes: &[u8], revision: &str) -> Result<Self, BadMetadata> {
        let info = Self::from_json(bytes)?;
        if info.revision == revision { Ok(info) } else { Err(BadMetadata::OtherRevision(info.revision)) }
    }

    /// What `instance`, whose metadata this is, offers to consumers of `interface`.
    pub fn offered(&self, instance: &ServiceInstance, interface: &str) -> Vec<Result<(ServiceKey, Instance), Skipped>> {
        let services = self.services.values().filter(|service| service.is_meant(interface));
        services.map(|service| service.url(&self.application, instance).offered(interface)).collect()
    }

    /// The services that consumers of `interface` mean, each with what it says of instances: a word that is the same for all
    /// services of the document that say the same.
    pub(super) fn meant<'a>(&'a self, interface: &str) -> impl Iterator<Item = (&'a ServiceInfo, Words)> {
        let all = || self.services.values();
        all().enumerate().filter(|(_, service)| service.is_meant(interface)).map(move |(place, service)| {
            // Instances say where requests go to, when that is not the interface.
            let at_its_path = !service.path.trim_matches('/').is_empty() && service.path.trim_matches('/') != interface;
            let alike = || all().position(|other| other.says_the_same(service)).unwrap_or(place);
            (service, if at_its_path { Words::Of(place) } else { Words::Like(alike()) })
        })
    }

    /// Whatever differs between two documents differs here.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(&self.application);
        for (key, service) in &self.services {
            part(key);
            part(&service.path);
            part(&service.port.to_string());
            part(&service.params.len().to_string());
            service.params.iter().for_each(|(name, value)| {
                part(name);
                part(value);
            });
        }
        // 128 bits are enough to tell documents apart, and some registries are short of room.
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl ServiceInfo {
    /// A service in one protocol at one port; its parameters are empty.
    pub fn new(key: &ServiceKey, protocol: impl Into<String>, port: u16) -> Self {
        Self {
            name: key.interface.clone(),
            group: key.group.clone(),
            version: key.version.clone(),
            protocol: protocol.into(),
            port: port.into(),
            path: key.interface.clone(),
            params: BTreeMap::new(),
        }
    }

    fn of(registration: &Registration, key: &ServiceKey) -> Self {
        let instance = &registration.instance;
        let mut params = parameters_of(registration, key);
        if instance.weight != DEFAULT_WEIGHT {
            params.insert("weight".to_owned(), instance.weight.to_string());
        }
        // Each instance says its own: so all that offer the same have one document, whatever ports they are at.
        Self { params, ..Self::new(key, TRIPLE, 0) }
    }

    /// The key in a document: `[group/]interface[:version]:protocol`.
    pub fn key(&self) -> String {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = ServiceKey::new(&self.name).with_group(part(&self.group)).with_version(part(&self.version));
        format!("{key}:{}", self.protocol)
    }

    /// Dubbo Java finds a service by its path, dubbo-go by its name.
    fn is_meant(&self, interface: &str) -> bool {
        self.name == interface || self.path == interface
    }

    /// Whether both say the same of who offers them.
    fn says_the_same(&self, other: &Self) -> bool {
        fn said(service: &ServiceInfo) -> impl Iterator<Item = (&String, &String)> {
            service.params.iter().filter(|(name, _)| !NAMING.contains(&name.as_str()))
        }
        self.protocol == other.protocol && self.port == other.port && said(self).eq(said(other))
    }

    /// The key under which an instance offers it that says nothing else.
    pub(super) fn named(&self, application: &str, interface: &str) -> Result<ServiceKey, Skipped> {
        let nobody = ServiceInstance::new(application, "", 0, BTreeMap::new());
        self.url(application, &nobody).named(interface)
    }

    /// The URL that the interface level would have of it.
    pub(super) fn url(&self, application: &str, instance: &ServiceInstance) -> ProviderUrl {
        let mut parameters = self.params.clone();
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameters.insert(name.to_owned(), value.to_owned());
            }
        };
        set("group", self.group.as_deref());
        set("version", self.version.as_deref());
        set("application", Some(application));
        instance.own_parameters().for_each(|(name, value)| set(name, Some(value)));
        let port = u16::try_from(self.port).ok().filter(|port| *port > 0);
        let port = port.or_else(|| instance.endpoint(&self.protocol)).unwrap_or(instance.port);
        ProviderUrl::new(&self.protocol, &instance.host, port, &self.path, parameters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::instance::InstanceId;

    const JAVA: &str = include_str!("../../tests/dubbo/zk-java-all-remote-group-version.txt");
    const GO: &str = include_str!("../../tests/dubbo/zk-go-instance-remote-group-version.txt");
    const STOCK: &str = "acme.shop.v1.StockApi";

    fn document(dump: &str) -> &str {
        let line = dump.lines().find(|line| line.contains("data={\"app\"")).unwrap();
        line.split_once("data=").unwrap().1
    }

    fn instance(dump: &str) -> ServiceInstance {
        let line = dump.lines().find(|line| line.contains("data={\"name\"")).unwrap();
        ServiceInstance::from_json(line.split_once("data=").unwrap().1.as_bytes()).unwrap()
    }

    #[test]
    fn what_peers_wrote_is_what_they_offer() {
        for (dump, release, weight) in [(JAVA, "3.3.6", 50), (GO, "dubbo-golang-3.3.2", 100)] {
            let info = MetadataInfo::from_json(document(dump).as_bytes()).unwrap();
            let instance = instance(dump);
            assert_eq!(instance.revision(), Some(info.revision.as_str()));
            assert_eq!(MetadataInfo::of_revision(document(dump).as_bytes(), &info.revision).as_ref(), Ok(&info));
            let other = MetadataInfo::of_revision(document(dump).as_bytes(), "7");
            assert_eq!(other, Err(BadMetadata::OtherRevision(info.revision.clone())));
            assert_eq!(info.services.len(), 2);
            assert!(info.services.iter().all(|(key, service)| *key == service.key()));
            let offers = info.offered(&instance, STOCK);
            let [Ok((key, offered))] = &offers[..] else { panic!("{offers:?}") };
            assert_eq!(key.to_string(), "g1/acme.shop.v1.StockApi:1.2.0");
            assert_eq!((offered.port, offered.weight), (instance.port, weight));
            assert_eq!(
                (offered.labels["release"].as_str(), offered.application.as_str()),
                (release, info.application.as_str())
            );
            assert!(info.offered(&instance, "acme.Other").is_empty());
        }
    }

    #[test]
    fn ours_is_what_the_java_peer_writes() {
        let mut theirs: serde_json::Value = serde_json::from_str(document(JAVA)).unwrap();
        let read = MetadataInfo::from_json(document(JAVA).as_bytes()).unwrap();
        let (key, mut described) = read.offered(&instance(JAVA), STOCK).remove(0).unwrap();
        described.labels.retain(|name, _| name == "dubbo.tag");
        let methods = ["level", "watch", "load", "chat", "levelAsync"];
        let registration = Registration::new(described, [key.clone()]).with_methods(key, methods);
        let ours = MetadataInfo::of(&registration);
        theirs["revision"] = ours.revision.clone().into();
        let services = theirs["services"].as_object_mut().unwrap();
        services.retain(|key, _| key.contains(STOCK));
        let service = services.values_mut().next().unwrap();
        // The port is the instance's to say.
        service["port"] = 0.into();
        let params = service["params"].as_object_mut().unwrap();
        // What Java alone has, and its release.
        for name in ["prefer.serialization", "proxy", "metadata-type", "revision", "REGISTRY_CLUSTER"] {
            assert!(params.remove(name).is_some(), "{name}");
        }
        params.insert("release".to_owned(), concat!("mainstay-", env!("CARGO_PKG_VERSION")).into());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ours.to_json()).unwrap(), theirs);
    }

    #[test]
    fn a_revision_changes_with_what_it_names_and_with_nothing_else() {
        let key = ServiceKey::new("a.B");
        let base = Instance::told(InstanceId::new("1"), "a", "h", 1);
        let revision = |instance: Instance, key: &ServiceKey, methods: &[&str]| {
            let registration = Registration::new(instance, [key.clone()]);
            MetadataInfo::of(&registration.with_methods(key.clone(), methods.to_vec())).revision
        };
        let first = revision(base.clone(), &key, &["x"]);
        assert_eq!(first.len(), 32);
        let mut same = base.clone().with_id(InstanceId::new("2"));
        (same.host, same.port, same.started_at) = ("other".to_owned(), 2, 7);
        assert_eq!(revision(same, &key, &["x"]), first, "one document for all instances that offer the same");
        let other = |change: fn(&mut Instance)| {
            let mut instance = base.clone();
            change(&mut instance);
            revision(instance, &key, &["x"])
        };
        for changed in [
            other(|i| i.application = "b".to_owned()),
            other(|i| i.weight = 7),
            other(|i| drop(i.labels.insert("x".to_owned(), "y".to_owned()))),
            revision(base.clone(), &key.clone().with_version("1"), &["x"]),
            revision(base.clone(), &key, &["y"]),
        ] {
            assert_ne!(changed, first);
        }
    }

    #[test]
    fn garbage_is_refused_and_strange_values_do_no_harm() {
        for text in ["", "null", "{\"services\":[]}", "{\"services\":{\"a\":{\"port\":\"x\"}}}"] {
            assert!(matches!(MetadataInfo::from_json(text.as_bytes()), Err(BadMetadata::NotJson(_))), "{text}");
        }
        assert_eq!(MetadataInfo::from_json(&vec![b' '; MAX_METADATA + 1]), Err(BadMetadata::TooLarge));
        let text = r#"{"new":1,"services":{"x":{"name":"a.B","group":null,"protocol":"tri","port":-5,"odd":[]}}}"#;
        let info = MetadataInfo::from_json(text.as_bytes()).unwrap();
        let offers = info.offered(&ServiceInstance::new("a", "h", 9, BTreeMap::new()), "a.B");
        assert!(matches!(&offers[..], [Ok((_, instance))] if instance.port == 9), "{offers:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = MetadataInfo::from_json(&bytes);
        }

        #[test]
        fn a_document_with_damage_does_no_harm(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = document(JAVA).as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(info) = MetadataInfo::from_json(&bytes) {
                let _ = info.offered(&instance(JAVA), STOCK);
            }
        }
    }
}
