//! Providers in ZooKeeper at both of Dubbo's levels, as nodes that nobody looks after: ten thousand that read themselves
//! back every few seconds would be what is measured on one machine.

use futures_util::{TryStreamExt, stream};
use mainstay_registry::Registration;
use mainstay_registry::dubbo::{MetadataInfo, ProviderUrl, ServiceInstance};
use zookeeper_client::{Acls, Client, CreateMode, Error};

/// How many are written at a time.
const AT_A_TIME: usize = 64;

/// Writes all of these; they go with the client.
pub(crate) async fn write(client: &Client, all: impl Iterator<Item = Registration>) -> Result<(), Error> {
    stream::iter(all.map(Ok)).try_for_each_concurrent(AT_A_TIME, |one| provider(client, one)).await
}

async fn provider(client: &Client, registration: Registration) -> Result<(), Error> {
    let info = MetadataInfo::of(&registration);
    let instance = ServiceInstance::of(&registration, &info);
    let (application, revision) = (&info.application, &info.revision);
    for key in &registration.keys {
        let url = ProviderUrl::of(&registration, key).to_node();
        put(client, &format!("/dubbo/{}/providers/{url}", key.interface), "", CreateMode::Ephemeral).await?;
        put(client, &format!("/dubbo/mapping/{}", key.interface), application, CreateMode::Persistent).await?;
    }
    let document = format!("/dubbo/metadata/{application}/{revision}");
    put(client, &document, &info.to_json(), CreateMode::Persistent).await?;
    let (path, content) = (format!("/services/{application}/{}", instance.id()), instance.to_json(0));
    put(client, &path, &content, CreateMode::Ephemeral).await
}

/// What is there already stays.
async fn put(client: &Client, path: &str, data: &str, mode: CreateMode) -> Result<(), Error> {
    let acls = Acls::anyone_all();
    loop {
        match client.create(path, data.as_bytes(), &mode.with_acls(acls)).await {
            Ok(_) | Err(Error::NodeExists) => return Ok(()),
            Err(Error::NoNode) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                client.mkdir(folder, &CreateMode::Persistent.with_acls(acls)).await?;
            }
            Err(error) => return Err(error),
        }
    }
}
