//! ZooKeeper by hand: what is there, and what somebody else does to it.

use std::time::Duration;

use mainstay_registry::Instance;
use zookeeper_client::{Acls, Client, CreateMode, Error};

/// A path that no other test uses, so that nothing of an earlier run is in the caches of consumers.
pub(crate) fn chroot() -> String {
    let id = Instance::new("test", "", 0).id.to_string();
    format!("/test-{}", id.rsplit('#').next().unwrap())
}

/// A client of one's own.
pub(crate) async fn client(servers: &str) -> Client {
    let connector = Client::connector().with_session_timeout(Duration::from_secs(8));
    connector.connect(servers).await.unwrap()
}

/// The names of the providers of an interface.
pub(crate) async fn providers(client: &Client, chroot: &str, interface: &str) -> Vec<String> {
    match client.list_children(&format!("{chroot}/dubbo/{interface}/providers")).await {
        Ok(names) => names,
        Err(Error::NoNode) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Deletes every provider under `chroot`.
pub(crate) async fn delete_providers(client: &Client, chroot: &str) {
    for interface in client.list_children(&format!("{chroot}/dubbo")).await.unwrap() {
        for name in providers(client, chroot, &interface).await {
            client.delete(&format!("{chroot}/dubbo/{interface}/providers/{name}"), None).await.unwrap();
        }
    }
}

/// Writes a provider as somebody else would.
pub(crate) async fn write(client: &Client, chroot: &str, interface: &str, name: &str) {
    let folder = format!("{chroot}/dubbo/{interface}/providers");
    client.mkdir(&folder, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
    let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    client.create(&format!("{folder}/{name}"), b"127.0.0.1", &options).await.unwrap();
}
