//! Names and records: how Dubbo's providers stand in Nacos. Pure.
//!
//! At the interface level a service is `providers:{interface}:{version}:{group}`, empty parts and all; an instance carries the
//! parameters of the provider's URL as metadata, with its protocol and its path. At the application level a service is the
//! application, and an instance carries what Dubbo says of one process. Which applications offer an interface, and what they
//! offer, are texts beside the services.

use std::collections::BTreeMap;

use super::{
    text::TextName,
    url::{DEFAULT_GROUP, PUBLIC},
    wire::{Host, Service},
};
use crate::{
    dubbo::{MAX_URL, ProviderUrl, ServiceInstance, Skipped},
    error::RegistryError,
    instance::{Instance, Registration},
    key::{MAX_KEY_LEN, ServiceKey},
};

/// The server takes no more metadata of one instance: names and values together, in UTF-16 units as Java counts.
pub(super) const MAX_METADATA: usize = 1024;
/// What the names of providers begin with.
const PROVIDERS: &str = "providers";
/// What the names of consumers begin with, where they register themselves.
const CONSUMERS: &str = "consumers";
/// The group of the texts that say which applications offer an interface.
const MAPPING: &str = "mapping";
/// How often an instance has come to say something else than before; one that never did does not name it. Of a server that
/// dies, what was registered over it stays listed at the others of its cluster for three minutes, beside what is registered
/// anew: this tells which is the newer.
const CHANGE: &str = "mainstay.change";
/// The cluster that one is in without saying so.
const CLUSTER: &str = "DEFAULT";

/// The name of the service that providers of `key` stand under. Nacos takes no `$`.
pub(super) fn service_name(key: &ServiceKey) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{PROVIDERS}:{}:{}:{}", key.interface, part(&key.version), part(&key.group)).replace('$', "___")
}

/// The key behind such a name.
pub(super) fn key_of(name: &str) -> Option<ServiceKey> {
    let name = name.split_once("@@").map_or(name, |(_, name)| name).replace("___", "$");
    if name.len() > MAX_KEY_LEN + PROVIDERS.len() {
        return None;
    }
    let [PROVIDERS, interface, version, group] = name.split(':').collect::<Vec<_>>()[..] else { return None };
    (!interface.is_empty()).then(|| ServiceKey::new(interface).with_version(version).with_group(group))
}

/// The list of the applications that offer `interface`. None where Nacos takes no such name.
pub(super) fn mapping(namespace: &str, interface: &str) -> Option<TextName> {
    TextName::new(namespace, MAPPING, interface).ok()
}

/// What `application` offers under `revision`: the place where Dubbo Java puts it, and where both peers look first. None
/// where Nacos takes no such name.
pub(super) fn document(namespace: &str, application: &str, revision: &str) -> Option<TextName> {
    TextName::new(namespace, revision, application).ok()
}

/// The same, where older dubbo-go puts it.
pub(super) fn old_document(namespace: &str, application: &str, revision: &str) -> Option<TextName> {
    TextName::new(namespace, DEFAULT_GROUP, &format!("{application}:{revision}")).ok()
}

/// Whether an application of this name can have its documents here.
pub(super) fn is_application(name: &str) -> bool {
    let kind = name.split_once(':').map(|(kind, _)| kind);
    !matches!(kind, Some(PROVIDERS | CONSUMERS)) && document(PUBLIC, name, "0").is_some()
}

/// How `instance` stands under its application.
///
/// # Errors
/// [`RegistryError::TooLarge`], when the server would refuse it.
pub(super) fn application_host(instance: &ServiceInstance) -> Result<Host, RegistryError> {
    let what = || format!("the metadata of the application {} for Nacos", instance.application);
    record(&instance.host, instance.port, instance.metadata.clone(), what)
}

/// A peer's instance under `application`.
///
/// # Errors
/// [`Skipped`], when no call should go there.
pub(super) fn instance(host: &serde_json::Value, application: &str) -> Result<ServiceInstance, Skipped> {
    let (ip, port, metadata) = listed(host)?;
    if ip.is_empty() || port == 0 {
        return Err(Skipped::NoPort);
    }
    Ok(ServiceInstance::new(application, ip, port, metadata))
}

/// How `registration` stands under its service `key`.
///
/// # Errors
/// [`RegistryError::TooLarge`], when the server would refuse it.
pub(super) fn host(registration: &Registration, key: &ServiceKey) -> Result<Host, RegistryError> {
    let url = ProviderUrl::of(registration, key);
    let mut metadata = url.parameters;
    metadata.insert("category".to_owned(), PROVIDERS.to_owned());
    metadata.insert("path".to_owned(), url.path);
    metadata.insert("protocol".to_owned(), url.protocol);
    record(&url.host, url.port, metadata, || format!("the metadata of {key} for Nacos"))
}

/// An instance with its metadata, if that is not too much.
pub(super) fn record(
    host: &str,
    port: u16,
    metadata: BTreeMap<String, String>,
    what: impl FnOnce() -> String,
) -> Result<Host, RegistryError> {
    let size = metadata.iter().map(|(name, value)| utf16(name) + utf16(value)).sum();
    if size > MAX_METADATA {
        return Err(RegistryError::TooLarge { what: what(), size, limit: MAX_METADATA });
    }
    Ok(Host {
        ip: host.to_owned(),
        port: port.into(),
        weight: 1.0,
        healthy: true,
        enabled: true,
        ephemeral: true,
        cluster_name: Some(CLUSTER.to_owned()),
        metadata: metadata.into_iter().map(|(name, value)| (name, Some(value))).collect(),
    })
}

/// Has an instance say that it is the `change`th that is said of it.
///
/// # Errors
/// [`RegistryError::TooLarge`], when the server would refuse it.
pub(super) fn say_change(host: &mut Host, change: u64) -> Result<(), RegistryError> {
    host.metadata.insert(CHANGE.to_owned(), Some(change.to_string()));
    let size = host.metadata.iter().map(|(name, value)| utf16(name) + value.as_deref().map_or(0, utf16)).sum();
    if size > MAX_METADATA {
        let what = format!("the metadata of {}:{} for Nacos", host.ip, host.port);
        return Err(RegistryError::TooLarge { what, size, limit: MAX_METADATA });
    }
    Ok(())
}

/// The name that one of ours gives itself.
pub(super) fn own_id(host: &serde_json::Value) -> Option<&str> {
    host["metadata"]["mainstay.id"].as_str()
}

/// Which of several that give themselves one name is the newest: when it started, and what it came to say since.
pub(super) fn newness(host: &serde_json::Value) -> (u64, u64) {
    let number = |name: &str| host["metadata"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    (number("timestamp"), number(CHANGE))
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What a peer's instance under `service` offers.
///
/// # Errors
/// [`Skipped`], when no call should go there.
pub(super) fn offered(host: &serde_json::Value, interface: &str) -> Result<(ServiceKey, Instance), Skipped> {
    let (ip, port, mut parameters) = listed(host)?;
    let mut take = |name: &str| parameters.remove(name).unwrap_or_default();
    let (protocol, path, _) = (take("protocol"), take("path"), take(CHANGE));
    ProviderUrl::new(protocol, ip, port, path, parameters).offered(interface)
}

/// Where an instance is that takes calls, and what it says of itself.
fn listed(host: &serde_json::Value) -> Result<(String, u16, BTreeMap<String, String>), Skipped> {
    let host = <Host as serde::Deserialize>::deserialize(host).map_err(|_| Skipped::NotAUrl)?;
    if !host.enabled || !host.healthy {
        return Err(Skipped::Disabled);
    }
    let port = u16::try_from(host.port).map_err(|_| Skipped::NoPort)?;
    let size = |(name, value): (&String, &Option<String>)| name.len() + value.as_ref().map_or(0, String::len);
    if host.metadata.iter().map(size).sum::<usize>() > MAX_URL {
        return Err(Skipped::TooLong);
    }
    let metadata = host.metadata.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok((host.ip, port, metadata))
}

/// Whether what the server lists is what was written. What an operator set by hand (that it takes no calls, its share) is
/// his business: writing again would not undo it.
pub(super) fn same(listed: &serde_json::Value, written: &Host) -> bool {
    let Ok(listed) = <Host as serde::Deserialize>::deserialize(listed) else { return false };
    listed.ip == written.ip && listed.port == written.port && listed.metadata == written.metadata
}

/// Where `service` is.
pub(super) fn service(namespace: &str, group: &str, name: String) -> Service {
    Service { namespace: namespace.to_owned(), group_name: group.to_owned(), service_name: name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::instance::InstanceId;

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_dubbos() {
        for (of, name) in [
            ("a.B", "providers:a.B::"),
            ("a.B:1.0.0", "providers:a.B:1.0.0:"),
            ("g/a.B", "providers:a.B::g"),
            ("g/a.B$C:1", "providers:a.B___C:1:g"),
        ] {
            assert_eq!(service_name(&key(of)), name);
            assert_eq!(key_of(name), Some(key(of)));
        }
        assert_eq!(key_of("DEFAULT_GROUP@@providers:a.B::"), Some(key("a.B")));
        for name in ["consumers:a.B::", "a.B", "providers:a.B:1", "providers:a:b:c:d", "providers:::", ""] {
            assert_eq!(key_of(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let instance = Instance::new("stock", "10.0.0.1", 7001).with_weight(7).with_label("colour", "green");
        let registration = Registration::new(instance.clone(), [key("g/a.B:1")]);
        let written = host(&registration, &key("g/a.B:1")).unwrap();
        assert_eq!(written.metadata["protocol"].as_deref(), Some("tri"));
        let listed = serde_json::to_value(&written).unwrap();
        assert!(same(&listed, &written));
        assert_eq!(offered(&listed, "a.B").unwrap(), (key("g/a.B:1"), instance));
        let mut off = written.clone();
        (off.enabled, off.weight) = (false, 3.0);
        let off = serde_json::to_value(off).unwrap();
        assert!(same(&off, &written), "an operator may");
        assert_eq!(offered(&off, "a.B"), Err(Skipped::Disabled));
    }

    #[test]
    fn more_metadata_than_the_server_takes_is_refused_by_name() {
        let instance = Instance::new("stock", "h", 1).with_label("note", "x".repeat(1000));
        let why = host(&Registration::new(instance, [key("a.B")]), &key("a.B")).unwrap_err().to_string();
        assert!(why.contains("the metadata of a.B for Nacos takes 1") && why.contains("at most 1024"), "{why}");
    }

    #[test]
    fn garbage_is_skipped_for_a_reason() {
        let good = json!({"ip": "h", "port": 1, "metadata": {"protocol": "tri", "path": "/a.B"}});
        assert_eq!(offered(&good, "a.B").unwrap().1.id, InstanceId::new("h:1"));
        for (field, value, why) in [
            ("port", json!("x"), Skipped::NotAUrl),
            ("port", json!(70_000), Skipped::NoPort),
            ("port", json!(0), Skipped::NoPort),
            ("ip", json!(null), Skipped::NotAUrl),
            ("ip", json!("a b"), Skipped::NotAUrl),
            ("metadata", json!([]), Skipped::NotAUrl),
            ("metadata", json!({}), Skipped::Protocol),
            ("metadata", json!({"protocol": "dubbo"}), Skipped::Protocol),
            ("metadata", json!({"protocol": "tri", "weight": "much"}), Skipped::Parameter("weight")),
            ("healthy", json!(false), Skipped::Disabled),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert_eq!(offered(&bad, "a.B").unwrap_err(), why, "{bad}");
        }
        assert!(offered(&json!("?"), "a.B").is_err());
    }

    #[test]
    fn a_record_of_ten_megabytes_is_refused_by_its_size() {
        let record =
            |note: String| json!({"ip": "h", "port": 1, "metadata": {"protocol": "tri", "path": "a.B", "note": note}});
        assert_eq!(offered(&record("x".repeat(10 << 20)), "a.B"), Err(Skipped::TooLong));
        assert!(offered(&record("x".repeat(1000)), "a.B").is_ok());
        assert_eq!(instance(&record("x".repeat(10 << 20)), "a"), Err(Skipped::TooLong));
    }

    proptest! {
        #[test]
        fn no_record_panics(text in r#"[{}\[\]":,a-z0-9 ]{0,60}"#, metadata in prop::collection::btree_map(".{0,9}", ".{0,9}", 0..6)) {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let _ = offered(&value, "a.B");
            }
            let _ = offered(&json!({"ip": "h", "port": 1, "metadata": metadata}), "a.B");
        }

        #[test]
        fn a_name_leads_back_to_its_key(interface in "[a-zA-Z.$]{1,20}", group in "[a-z]{0,5}", version in "[0-9.a-z]{0,6}") {
            let key = ServiceKey::new(interface).with_group(group).with_version(version);
            prop_assert_eq!(key_of(&service_name(&key)), Some(key));
        }
    }
}
