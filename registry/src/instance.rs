//! What a provider says about itself: `Instance`, and `Registration`, an instance with the services it offers.
//!
//! An instance is one process on one port. It keeps its id for the life of one registration, whatever else about it
//! changes (weight, labels, role), so that consumers can tell "the same one, changed" from "another one at the same
//! address after a restart" and never carry run-time state across a restart.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    net::Ipv6Addr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::key::ServiceKey;

/// Weight of an instance that does not say otherwise.
pub const DEFAULT_WEIGHT: u32 = 100;

/// Identity of one registration of one instance; opaque, compared by its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// An id with this text, such as one read from a registry.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One process that serves on one port, as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Instance {
    /// Identity, stable for the life of one registration.
    pub id: InstanceId,
    /// Name of the application the process belongs to.
    pub application: String,
    /// Host name or IP address consumers should connect to (an IPv6 address without brackets).
    pub host: String,
    /// Port consumers should connect to.
    pub port: u16,
    /// Share of the load relative to the others; 100 is usual, 0 takes none.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// Zone (data centre, rack) for zone-first routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Role of a stateful backend, such as `primary` or `replica`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Epoch of that role: of two that claim `primary`, the higher one is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Anything else: protocol, version of the build, tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When the process began to serve, in milliseconds since the Unix epoch; 0 when unknown. Warm-up reads it.
    #[serde(default)]
    pub started_at: u64,
}

fn default_weight() -> u32 {
    DEFAULT_WEIGHT
}

impl Instance {
    /// An instance of `application` at `host:port`, started now, with a fresh id and the default weight.
    pub fn new(application: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        let id = InstanceId(format!("{host}:{port}#{:016x}", fresh()));
        let started_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        Self {
            id,
            application: application.into(),
            host,
            port,
            weight: DEFAULT_WEIGHT,
            zone: None,
            role: None,
            epoch: None,
            labels: BTreeMap::new(),
            started_at,
        }
    }

    /// An instance that a registry tells of: nothing is made up, neither an id nor a time.
    pub(crate) fn told(id: InstanceId, application: &str, host: &str, port: u16) -> Self {
        Self {
            id,
            application: application.to_owned(),
            host: host.to_owned(),
            port,
            weight: DEFAULT_WEIGHT,
            zone: None,
            role: None,
            epoch: None,
            labels: BTreeMap::new(),
            started_at: 0,
        }
    }

    /// The same instance with this id instead.
    #[must_use]
    pub fn with_id(mut self, id: InstanceId) -> Self {
        self.id = id;
        self
    }

    /// The same instance with this weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The same instance with one more label.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// `host:port`, with an IPv6 address in brackets: what goes into a URI or to a resolver.
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

/// `host:port`, with an IPv6 address in brackets.
pub(crate) fn address(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What a provider hands to [`Registry::register`](crate::Registry::register): one instance and all services on its
/// port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Registration {
    /// The process and its port.
    pub instance: Instance,
    /// The services it offers there.
    pub keys: Vec<ServiceKey>,
    /// The names of their methods on the wire, where they are known; some peers want them.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub methods: BTreeMap<ServiceKey, Vec<String>>,
}

impl Registration {
    /// `instance` offers `keys`; a key that is named twice counts once.
    pub fn new(instance: Instance, keys: impl IntoIterator<Item = ServiceKey>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort();
        keys.dedup();
        Self { instance, keys, methods: BTreeMap::new() }
    }

    /// The same, and these are the methods of `key`.
    #[must_use]
    pub fn with_methods(mut self, key: ServiceKey, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.methods.insert(key, names.into_iter().map(Into::into).collect());
        self
    }
}

/// The methods as a list of pairs: JSON has no keys but texts.
mod pairs {
    use super::*;
    use serde::{Deserializer, Serializer};

    type Methods = BTreeMap<ServiceKey, Vec<String>>;

    pub(super) fn serialize<S: Serializer>(methods: &Methods, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(methods)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Methods, D::Error> {
        Ok(Vec::<(ServiceKey, Vec<String>)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// 64 random bits from the process's own hash seeds: enough to tell instances and files apart, not for secrets.
pub(crate) fn fresh() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    RandomState::new().hash_one((clock, std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ready_for_a_uri() {
        for (host, address) in
            [("10.0.0.1", "10.0.0.1:80"), ("stock.local", "stock.local:80"), ("::1", "[::1]:80"), ("[::1]", "[::1]:80")]
        {
            assert_eq!(Instance::new("a", host, 80).address(), address);
        }
    }

    #[test]
    fn two_instances_at_one_address_are_two() {
        assert_ne!(Instance::new("a", "::1", 80).id, Instance::new("a", "::1", 80).id);
    }

    #[test]
    fn a_record_of_an_older_or_newer_version_still_reads() {
        let old: Instance = serde_json::from_str(r#"{"id":"1","application":"a","host":"h","port":1}"#).unwrap();
        assert_eq!((old.weight, old.started_at, old.labels.len()), (DEFAULT_WEIGHT, 0, 0));
        let new: Result<Instance, _> =
            serde_json::from_str(r#"{"id":"1","application":"a","host":"h","port":1,"mood":{"x":1}}"#);
        assert!(new.is_ok(), "fields of later versions are ignored");
    }

    #[test]
    fn methods_survive_json_and_may_be_missing() {
        let key = ServiceKey::new("a.B").with_version("1");
        let plain = Registration::new(Instance::new("a", "h", 1), [key.clone()]);
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("methods"), "{text}");
        assert_eq!(serde_json::from_str::<Registration>(&text).unwrap(), plain);
        let full = plain.with_methods(key, ["Level", "level"]);
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Registration>(&text).unwrap(), full);
    }

    #[test]
    fn a_registration_names_each_key_once() {
        let key = ServiceKey::new("a.B");
        assert_eq!(Registration::new(Instance::new("a", "h", 1), [key.clone(), key.clone()]).keys, [key]);
    }
}
