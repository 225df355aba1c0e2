//! The application level: one process of an application, with the metadata that says how to learn what it offers. Pure.
//!
//! ZooKeeper keeps it as the JSON of Apache Curator, Nacos as an instance with a map.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{metadata::MetadataInfo, provider::ProviderUrl};
use crate::{instance::Registration, key::ServiceKey};

/// Largest instance that is taken, in bytes.
pub const MAX_INSTANCE: usize = 64 * 1024;
/// Names the content that a consumer should ask for.
const REVISION: &str = "dubbo.metadata.revision";
const ENDPOINTS: &str = "dubbo.endpoints";
const STORAGE: &str = "dubbo.metadata.storage-type";
const SERVICE: &str = "dubbo.metadata-service.url-params";
const META_VERSION: &str = "meta-v";
/// Curator finds the class of the payload by it.
const CLASS: &str = "org.apache.dubbo.registry.zookeeper.ZookeeperInstance";

/// One process of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInstance {
    /// The application.
    pub application: String,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its first port.
    pub port: u16,
    /// What it says of itself.
    pub metadata: BTreeMap<String, String>,
}

/// How to learn what an instance offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataSource {
    /// Ask its metadata service of version 2, over gRPC at this port.
    Ask(u16),
    /// The document is in the registry.
    Stored,
    /// It serves metadata in a protocol that is not spoken here, as a stock dubbo-go does.
    Foreign,
}

/// Why a record is no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadInstance {
    /// It is longer than [`MAX_INSTANCE`].
    #[error("it is longer than {MAX_INSTANCE} bytes")]
    TooLong,
    /// It is not the JSON that Curator writes.
    #[error("it is not the JSON of an instance")]
    NotJson,
    /// It has no address or port.
    #[error("it has no address or no port")]
    NoAddress,
}

impl BadInstance {
    /// Stable word for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotJson => "not-json",
            Self::NoAddress => "no-address",
        }
    }
}

impl ServiceInstance {
    /// An instance of these parts; for registries that keep them apart.
    pub fn new(
        application: impl Into<String>,
        host: impl Into<String>,
        port: u16,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        Self { application: application.into(), host: host.into(), port, metadata }
    }

    /// How `registration`, whose content is `info`, announces itself.
    pub fn of(registration: &Registration, info: &MetadataInfo) -> Self {
        let instance = &registration.instance;
        let port = instance.port.to_string();
        let endpoints = json!([{"port": instance.port, "protocol": "tri"}]);
        let service = json!({
            "version": "2.0.0", "dubbo": "2.0.2", "release": concat!("mainstay-", env!("CARGO_PKG_VERSION")),
            "side": "provider", "port": port, "protocol": "tri",
        });
        let given = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
        let metadata = [
            given(ENDPOINTS, Some(endpoints.to_string())),
            given(SERVICE, Some(service.to_string())),
            given(REVISION, Some(info.revision.clone())),
            given(STORAGE, Some("local".to_owned())),
            given(META_VERSION, Some("2.0.0".to_owned())),
            given("timestamp", (instance.started_at > 0).then(|| instance.started_at.to_string())),
            given("zone", instance.zone.clone()),
            given("mainstay.id", Some(instance.id.to_string())),
            given("mainstay.role", instance.role.clone()),
            given("mainstay.epoch", instance.epoch.map(|epoch| epoch.to_string())),
        ];
        let metadata = metadata.into_iter().flatten().collect();
        Self::new(&instance.application, &instance.host, instance.port, metadata)
    }

    /// The name of its node.
    pub fn id(&self) -> String {
        crate::instance::address(&self.host, self.port)
    }

    /// The JSON that Apache Curator reads; `registered_at` in milliseconds since the Unix epoch.
    pub fn to_json(&self, registered_at: u64) -> String {
        json!({
            "name": self.application, "id": self.id(), "address": self.host, "port": self.port, "sslPort": null,
            "payload": {"@class": CLASS, "id": self.id(), "name": self.application, "metadata": self.metadata},
            "registrationTimeUTC": registered_at, "serviceType": "DYNAMIC", "uriSpec": null,
        })
        .to_string()
    }

    /// What somebody wrote as Apache Curator does.
    ///
    /// # Errors
    /// [`BadInstance`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadInstance> {
        if bytes.len() > MAX_INSTANCE {
            return Err(BadInstance::TooLong);
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| BadInstance::NotJson)?;
        let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
        let port = value["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let metadata = value["payload"]["metadata"].as_object().ok_or(BadInstance::NotJson)?;
        let (Some(host), Some(port)) = (text("address"), port) else { return Err(BadInstance::NoAddress) };
        let metadata = metadata.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Self::new(text("name").unwrap_or_default(), host, port, metadata.collect()))
    }

    /// Which content it has; `None` when it has none yet.
    pub fn revision(&self) -> Option<&str> {
        self.text(REVISION).filter(|revision| *revision != "0")
    }

    /// How to learn what it offers.
    pub fn source(&self) -> MetadataSource {
        if self.text(STORAGE) == Some("remote") {
            return MetadataSource::Stored;
        }
        let service: Option<BTreeMap<String, Value>> = self.text(SERVICE).and_then(|t| serde_json::from_str(t).ok());
        let said = |name: &str| match service.as_ref()?.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let port = said("port").and_then(|port| port.parse().ok()).filter(|port| *port > 0);
        match (said("protocol").as_deref(), self.text(META_VERSION), port) {
            (Some("tri"), Some("2.0.0"), Some(port)) => MetadataSource::Ask(port),
            _ => MetadataSource::Foreign,
        }
    }

    /// The port of a protocol, if it says one.
    pub fn endpoint(&self, protocol: &str) -> Option<u16> {
        let all: Vec<Value> = serde_json::from_str(self.text(ENDPOINTS)?).ok()?;
        let found = all.iter().find(|endpoint| endpoint["protocol"] == protocol)?;
        found["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
    }

    /// What it says of itself that is not about metadata, as parameters of a provider's URL.
    pub(super) fn own_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let ours = |name: &str| !(name.starts_with("dubbo.") && name != "dubbo.tag") && name != META_VERSION;
        self.metadata.iter().filter(move |(name, _)| ours(name)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What can be said of it while its content is not known: it offers `key` at its port for gRPC, if it has one.
    pub(super) fn assumed(&self, key: &ServiceKey) -> ProviderUrl {
        let mut parameters: BTreeMap<_, _> =
            self.own_parameters().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut set = |name: &str, value: &Option<String>| {
            if let Some(value) = value.clone().filter(|value| value != "*") {
                parameters.insert(name.to_owned(), value);
            }
        };
        set("application", &Some(self.application.clone()));
        set("group", &key.group);
        set("version", &key.version);
        let port = self.endpoint("tri").unwrap_or(0);
        ProviderUrl::new("tri", &self.host, port, &key.interface, parameters)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Instance, InstanceId};

    const JAVA: &str = include_str!("../../tests/dubbo/zk-java-all.txt");
    const REMOTE: &str = include_str!("../../tests/dubbo/zk-java-all-remote-group-version.txt");
    const GO: &str = include_str!("../../tests/dubbo/zk-go-all.txt");

    fn written(dump: &str) -> &str {
        let line = dump.lines().find(|line| line.contains("data={\"name\"")).unwrap();
        line.split_once("data=").unwrap().1
    }

    fn read(dump: &str) -> ServiceInstance {
        ServiceInstance::from_json(written(dump).as_bytes()).unwrap()
    }

    #[test]
    fn what_peers_wrote_is_read() {
        let java = read(JAVA);
        assert_eq!((java.application.as_str(), java.id().as_str()), ("acme-java-provider", "192.0.2.2:20801"));
        assert_eq!(java.revision(), Some("1e58a8ffef3dd6481b7f6b2a7a3df93c"));
        assert_eq!((java.source(), java.endpoint("tri")), (MetadataSource::Ask(20801), Some(20801)));
        assert_eq!(read(REMOTE).source(), MetadataSource::Stored);
        let go = read(GO);
        assert_eq!((go.source(), go.endpoint("tri")), (MetadataSource::Foreign, Some(20811)));
        assert_eq!(go.endpoint("dubbo"), None);
    }

    /// Our JSON of the instance that the Java peer announced, but for what is listed here.
    #[test]
    fn ours_is_what_the_java_peer_writes() {
        let mut theirs: Value = serde_json::from_str(written(JAVA)).unwrap();
        let mut instance = Instance::told(InstanceId::new("x"), "acme-java-provider", "192.0.2.2", 20801);
        instance.started_at = 1_795_237_760_734;
        let registration = Registration::new(instance, [ServiceKey::new("a.B")]);
        let info = MetadataInfo::of(&registration);
        let mut ours: Value = serde_json::from_str(&ServiceInstance::of(&registration, &info).to_json(7)).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&theirs));
        theirs["registrationTimeUTC"] = 7.into();
        let metadata = theirs["payload"]["metadata"].as_object_mut().unwrap();
        metadata.insert("dubbo.metadata.revision".to_owned(), info.revision.into());
        metadata.insert("mainstay.id".to_owned(), "x".into());
        // A text of JSON is compared by what it says: the order in it means nothing.
        let said = |instance: &mut Value| {
            let text = instance["payload"]["metadata"].as_object_mut().unwrap().remove(SERVICE).unwrap();
            let mut said: BTreeMap<String, String> = serde_json::from_str(text.as_str().unwrap()).unwrap();
            said.remove("release").unwrap();
            said.remove("prefer.serialization");
            said
        };
        assert_eq!(said(&mut ours), said(&mut theirs));
        assert_eq!(ours, theirs);
    }

    #[test]
    fn garbage_is_refused_and_strange_values_do_no_harm() {
        for (text, why) in [
            ("", BadInstance::NotJson),
            ("[]", BadInstance::NotJson),
            (r#"{"address":"h","port":1}"#, BadInstance::NotJson),
            (r#"{"address":"h","port":1,"payload":{"metadata":[]}}"#, BadInstance::NotJson),
            (r#"{"address":"","port":1,"payload":{"metadata":{}}}"#, BadInstance::NoAddress),
            (r#"{"address":"h","port":70000,"payload":{"metadata":{}}}"#, BadInstance::NoAddress),
            (r#"{"address":"h","port":"1","payload":{"metadata":{}}}"#, BadInstance::NoAddress),
        ] {
            assert_eq!(ServiceInstance::from_json(text.as_bytes()), Err(why), "{text}");
        }
        assert_eq!(ServiceInstance::from_json(&vec![b' '; MAX_INSTANCE + 1]), Err(BadInstance::TooLong));
        let odd = r#"{"address":"h","port":1,"payload":{"metadata":{"dubbo.endpoints":"{","x":1,
            "dubbo.metadata-service.url-params":"[]","dubbo.metadata.revision":"0"}}}"#;
        let odd = ServiceInstance::from_json(odd.as_bytes()).unwrap();
        assert_eq!((odd.revision(), odd.source(), odd.endpoint("tri")), (None, MetadataSource::Foreign, None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ServiceInstance::from_json(&bytes);
        }

        #[test]
        fn an_instance_with_damage_does_no_harm(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = written(JAVA).as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(instance) = ServiceInstance::from_json(&bytes) {
                let _ = (instance.source(), instance.endpoint("tri"), instance.revision());
            }
        }

        #[test]
        fn what_is_written_is_read(
            application in ".{1,10}", host in "[a-z0-9.]{1,10}", port in 1u16..,
            metadata in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..5)
        ) {
            let instance = ServiceInstance::new(application, host, port, metadata);
            prop_assert_eq!(ServiceInstance::from_json(instance.to_json(1).as_bytes()), Ok(instance));
        }
    }
}
