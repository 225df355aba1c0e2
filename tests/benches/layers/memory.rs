//! What a consumer pays for instances that it knows, and neither calls nor is connected to.

use crate::stack::EchoClient;
use bytes::Bytes;
use mainstay::registry::{FixedRegistry, Instance, InstanceId};
use mainstay::transport::memory;
use std::time::Duration;

/// What ten thousand cost a client, in megabytes: what the process has grown by.
pub(crate) async fn measure() -> f64 {
    let registry = FixedRegistry::new((0..10_000).map(instance));
    let before = resident();
    // Nobody answers: what is known of them is all there is.
    let (nobody, _) = memory();
    let builder = EchoClient::connect("stock").registry(registry).connector(nobody);
    let client = builder.patience(Duration::from_millis(1)).build().expect("a client");
    client.echo(Bytes::new()).await.expect_err("nobody is there");
    let grown = resident() - before;
    assert_eq!(client.connectivity().len(), 10_000);
    grown
}

/// One as Dubbo's application level tells of it.
fn instance(index: usize) -> Instance {
    let id = InstanceId::new(format!("10.1.{}.{}:20880", index / 250, index % 250));
    let mut instance = Instance::new("stock", format!("10.1.{}.{}", index / 250, index % 250), 20880).with_id(id);
    for (name, value) in [
        ("dubbo.metadata.revision", "5e2f0c1d3b4a69788796a5b4c3d2e1f0"),
        ("dubbo.metadata.storage-type", "local"),
        (
            "dubbo.metadata-service.url-params",
            r#"{"connections":"1","version":"1.0.0","dubbo":"2.0.2","protocol":"tri"}"#,
        ),
        ("dubbo.endpoints", r#"[{"port":20880,"protocol":"tri"}]"#),
        ("timestamp", "1764400000000"),
        ("env", "v1"),
    ] {
        instance = instance.with_label(name, value);
    }
    instance
}

/// What of the process is in memory, in megabytes.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN);
    pages * 4096.0 / 1e6
}
