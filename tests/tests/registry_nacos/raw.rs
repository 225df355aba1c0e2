//! Nacos by hand: what is there, and what somebody else does to it.

use std::time::Duration;

use serde_json::Value;
use testbed::{Nacos, eventually};

/// How long a server may refuse to write: its database gives up on a lock when the machine is busy.
pub(crate) const BUSY: Duration = Duration::from_secs(60);

/// Writes an instance that no connection holds, as a peer of another make might.
pub(crate) fn put(nacos: &Nacos, namespace: &str, service: &str, address: (&str, &str), metadata: &str) {
    let form = of(namespace, service, address);
    let form = [&form[..], &[("ephemeral", "false"), ("metadata", metadata)]].concat();
    assert_eq!(nacos.ask("POST", "/nacos/v1/ns/instance", &form).body, "ok", "{metadata}");
}

/// Takes it away.
pub(crate) fn take(nacos: &Nacos, namespace: &str, service: &str, address: (&str, &str)) {
    let form = of(namespace, service, address);
    let form = [&form[..], &[("ephemeral", "false")]].concat();
    assert_eq!(nacos.ask("DELETE", "/nacos/v1/ns/instance", &form).body, "ok", "{service}");
}

fn of<'a>(namespace: &'a str, service: &'a str, (ip, port): (&'a str, &'a str)) -> [(&'static str, &'a str); 4] {
    [("namespaceId", namespace), ("serviceName", service), ("ip", ip), ("port", port)]
}

/// The instances of a service, as they are listed.
pub(crate) fn hosts(nacos: &Nacos, namespace: &str, service: &str) -> Vec<Value> {
    let form = [("namespaceId", namespace), ("serviceName", service)];
    let list = nacos.ask("GET", "/nacos/v1/ns/instance/list", &form).json();
    list["hosts"].as_array().cloned().unwrap_or_default()
}

/// A text, if it is there.
pub(crate) fn text(nacos: &Nacos, namespace: &str, (group, data_id): (&str, &str)) -> Option<String> {
    let form = [("tenant", namespace), ("group", group), ("dataId", data_id)];
    let answer = nacos.ask("GET", "/nacos/v1/cs/configs", &form);
    (answer.status == 200).then_some(answer.body)
}

/// Writes a text, which can be read then.
pub(crate) fn write(nacos: &Nacos, namespace: &str, (group, data_id): (&str, &str), content: &str) {
    let form = [("tenant", namespace), ("group", group), ("dataId", data_id), ("content", content)];
    eventually(BUSY, data_id, || nacos.ask("POST", "/nacos/v1/cs/configs", &form).body == "true");
    // Texts are given out of a cache that comes after.
    eventually(BUSY, data_id, || text(nacos, namespace, (group, data_id)).as_deref() == Some(content));
}

/// Takes it away.
pub(crate) fn delete(nacos: &Nacos, namespace: &str, (group, data_id): (&str, &str)) {
    let form = [("tenant", namespace), ("group", group), ("dataId", data_id)];
    eventually(BUSY, data_id, || nacos.ask("DELETE", "/nacos/v1/cs/configs", &form).body == "true");
}
