//! One registration's nodes in ZooKeeper: written in one transaction, looked at with the server's eyes, removed.
//!
//! A node is ours if our session owns it. One of the same name that another session owns is ours from before: its name
//! holds our identity, and its session is about to expire. It is replaced, or it would vanish under us.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriteError, Stat};

use super::{
    nodes::{Nodes, failed, parent},
    session::{Link, PATIENCE, Session},
};
use crate::{
    backoff::Backoff,
    controller::{Seen, Timing},
    dubbo::ProviderUrl,
    error::RegistryError,
    instance::Registration,
    keep::Record,
};

/// Longest name of a node that is written, in bytes: a server refuses packets of more than 1 MiB, and a listing of many
/// long names is one packet.
const MAX_NAME: usize = 16 * 1024;

/// The pace of a registration: a try while there is no session costs nothing, so it may come often.
pub(super) fn timing() -> Timing {
    Timing { backoff: Backoff { max: Duration::from_secs(2), ..Backoff::default() }, ..Timing::default() }
}

/// The nodes of one registration.
#[derive(Debug)]
pub(super) struct ProviderNodes {
    session: Arc<Session>,
    nodes: Nodes,
    /// Paths that may exist and are ours.
    written: BTreeSet<String>,
    link: watch::Receiver<Link>,
}

impl ProviderNodes {
    pub(super) fn new(session: Arc<Session>) -> Self {
        let (nodes, link) = (Nodes::of(session.place()), session.link());
        Self { session, nodes, written: BTreeSet::new(), link }
    }

    /// The paths that `registration` wants.
    fn wanted(&self, registration: &Registration) -> Result<BTreeSet<String>, RegistryError> {
        let paths = registration.keys.iter().map(|key| {
            let name = ProviderUrl::of(registration, key).to_node();
            if name.len() > MAX_NAME {
                let what = format!("the URL of {key}");
                return Err(RegistryError::TooLarge { what, size: name.len(), limit: MAX_NAME });
            }
            Ok(format!("{}/{name}", self.nodes.providers(&key.interface)))
        });
        paths.collect()
    }
}

impl Record for ProviderNodes {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        self.link.mark_unchanged();
        let client = self.session.live()?;
        let wanted = self.wanted(wanted)?;
        // From here on they may exist, whatever becomes of this future.
        let before = self.written.clone();
        self.written.extend(wanted.iter().cloned());
        bounded("writing the nodes", put(&client, self.session.acls(), &before, &wanted)).await?;
        self.written = wanted;
        Ok(())
    }

    async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let client = self.session.live()?;
        let wanted = self.wanted(wanted)?;
        let look = async {
            for path in &wanted {
                match stat(&client, path).await? {
                    Some(stat) if stat.ephemeral_owner == client.session_id().0 => {}
                    _ => return Ok(Seen::Absent),
                }
            }
            Ok(Seen::Same)
        };
        bounded("reading the nodes back", look).await
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        let client = self.session.live()?;
        let remove = async {
            for path in &self.written {
                match client.delete(path, None).await {
                    Ok(()) | Err(Error::NoNode) => {}
                    Err(error) => return Err(failed("deleting", path, &error)),
                }
            }
            Ok(())
        };
        bounded("deleting the nodes", remove).await?;
        self.written.clear();
        Ok(())
    }

    async fn disturbed(&mut self) {
        loop {
            if self.link.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if matches!(&*self.link.borrow(), Link::Up(_)) {
                return;
            }
        }
    }
}

/// One transaction: what is missing is made, what was there before and is not wanted any more goes.
async fn put(
    client: &Client,
    acls: Acls<'static>,
    before: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<(), RegistryError> {
    let folders: BTreeSet<&str> = wanted.iter().map(|path| parent(path)).collect();
    for folder in folders {
        let made = client.mkdir(folder, &CreateMode::Persistent.with_acls(acls)).await;
        made.or_else(exists).map_err(|error| failed("creating", folder, &error))?;
    }
    let mut writer = client.new_multi_writer();
    let mut changes: Vec<&str> = Vec::new();
    for path in before.difference(wanted) {
        if stat(client, path).await?.is_some() {
            writer.add_delete(path, None).map_err(|error| failed("writing", path, &error))?;
            changes.push(path);
        }
    }
    for path in wanted {
        match stat(client, path).await? {
            Some(stat) if stat.ephemeral_owner == client.session_id().0 => continue,
            Some(_) => {
                writer.add_delete(path, None).map_err(|error| failed("writing", path, &error))?;
                changes.push(path);
            }
            None => {}
        }
        writer
            .add_create(path, b"", &CreateMode::Ephemeral.with_acls(acls))
            .map_err(|error| failed("writing", path, &error))?;
        changes.push(path);
    }
    let Some(first) = changes.first().copied() else { return Ok(()) };
    match writer.commit().await {
        Ok(_) => Ok(()),
        Err(MultiWriteError::RequestFailed { source }) => Err(failed("writing", first, &source)),
        Err(MultiWriteError::OperationFailed { index, source }) => {
            Err(failed("writing", changes.get(index).copied().unwrap_or(first), &source))
        }
    }
}

fn exists(error: Error) -> Result<(), Error> {
    if error == Error::NodeExists { Ok(()) } else { Err(error) }
}

async fn stat(client: &Client, path: &str) -> Result<Option<Stat>, RegistryError> {
    client.check_stat(path).await.map_err(|error| failed("looking at", path, &error))
}

/// The client waits for ever where a server does not answer.
async fn bounded<T>(
    attempted: &str,
    operation: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    match timeout(PATIENCE, operation).await {
        Ok(result) => result,
        Err(_) => Err(RegistryError::Unavailable {
            attempted: attempted.to_owned(),
            why: format!("no answer within {PATIENCE:?}"),
        }),
    }
}
