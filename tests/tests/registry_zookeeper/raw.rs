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
    children(client, &format!("{chroot}/dubbo/{interface}/providers")).await
}

/// Deletes every provider under `chroot`, at both levels.
pub(crate) async fn delete_providers(client: &Client, chroot: &str) {
    for (folder, below) in [("dubbo", "/providers"), ("services", "")] {
        for parent in children(client, &format!("{chroot}/{folder}")).await {
            let parent = format!("{chroot}/{folder}/{parent}{below}");
            for name in children(client, &parent).await {
                client.delete(&format!("{parent}/{name}"), None).await.unwrap();
            }
        }
    }
}

async fn children(client: &Client, path: &str) -> Vec<String> {
    match client.list_children(path).await {
        Ok(names) => names,
        Err(Error::NoNode) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Writes a provider as somebody else would.
pub(crate) async fn write(client: &Client, chroot: &str, interface: &str, name: &str) {
    let folder = format!("{chroot}/dubbo/{interface}/providers");
    client.mkdir(&folder, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
    let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    client.create(&format!("{folder}/{name}"), b"127.0.0.1", &options).await.unwrap();
}

/// Writes a node that stays.
pub(crate) async fn keep(client: &Client, path: &str, data: &str) {
    put(client, path, data, CreateMode::Persistent).await;
}

/// Writes a node that goes with this client.
pub(crate) async fn live(client: &Client, path: &str, data: &str) {
    put(client, path, data, CreateMode::Ephemeral).await;
}

async fn put(client: &Client, path: &str, data: &str, mode: CreateMode) {
    let acls = Acls::anyone_all();
    client.mkdir(path.rsplit_once('/').unwrap().0, &CreateMode::Persistent.with_acls(acls)).await.unwrap();
    client.create(path, data.as_bytes(), &mode.with_acls(acls)).await.unwrap();
}
