//! One registration's nodes in ZooKeeper: written in order, looked at with the server's eyes, removed in reverse.
//!
//! A node is ours if our session owns it. One of the same name that another session owns is ours from before: its name
//! holds our identity, and its session is about to expire. It is replaced, or it would vanish under us.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriteError, Stat};

use super::{
    nodes::{Nodes, failed, parent},
    plan::{ApplicationPlan, Plan, supersedes},
    session::{Link, PATIENCE, Session},
};
use crate::{
    backoff::Backoff,
    controller::{Seen, Timing},
    dubbo::mapped,
    error::RegistryError,
    instance::Registration,
    keep::Record,
};

/// How often a list that others write too is tried at once.
const TRIES: usize = 10;

/// The pace of a registration: a try while there is no session costs nothing, so it may come often.
pub(super) fn timing() -> Timing {
    Timing { backoff: Backoff { max: Duration::from_secs(2), ..Backoff::default() }, ..Timing::default() }
}

/// The nodes of one registration.
#[derive(Debug)]
pub(super) struct ProviderNodes {
    session: Arc<Session>,
    nodes: Nodes,
    /// Providers that may exist and are ours.
    written: BTreeSet<String>,
    /// The instance that may exist and be ours, and what was written into it.
    instance: Option<(String, String)>,
    link: watch::Receiver<Link>,
}

impl ProviderNodes {
    pub(super) fn new(session: Arc<Session>) -> Self {
        let (nodes, link) = (Nodes::of(session.place()), session.link());
        Self { session, nodes, written: BTreeSet::new(), instance: None, link }
    }

    fn plan(&self, registration: &Registration) -> Result<Plan, RegistryError> {
        Plan::of(registration, &self.nodes, self.session.place().mode)
    }
}

impl Record for ProviderNodes {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        self.link.mark_unchanged();
        let client = self.session.live()?;
        let Plan { providers, application } = self.plan(wanted)?;
        let acls = self.session.acls();
        // From here on they may exist, whatever becomes of this future.
        let before = self.written.clone();
        self.written.extend(providers.iter().cloned());
        if let Some(plan) = &application {
            self.instance = Some((plan.instance.clone(), plan.content.clone()));
        }
        let write = async {
            put_providers(&client, acls, &before, &providers).await?;
            match &application {
                Some(plan) => put_application(&client, acls, plan).await,
                None => Ok(()),
            }
        };
        bounded("writing the nodes", write).await?;
        self.written = providers;
        Ok(())
    }

    async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let client = self.session.live()?;
        let plan = self.plan(wanted)?;
        let own = client.session_id().0;
        let look = async {
            for path in &plan.providers {
                match stat(&client, path).await? {
                    Some(stat) if stat.ephemeral_owner == own => {}
                    _ => return Ok(Seen::Absent),
                }
            }
            let Some(plan) = &plan.application else { return Ok(Seen::Same) };
            match client.get_data(&plan.instance).await {
                Ok((data, stat)) if stat.ephemeral_owner == own && data == plan.content.as_bytes() => Ok(Seen::Same),
                // A later one at our address has it.
                Ok((data, _)) if !supersedes(&plan.content, &data) => Ok(Seen::Same),
                Ok((_, stat)) if stat.ephemeral_owner == own => Ok(Seen::Different),
                Ok(_) | Err(Error::NoNode) => Ok(Seen::Absent),
                Err(error) => Err(failed("reading", &plan.instance, &error)),
            }
        };
        bounded("reading the nodes back", look).await
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        let client = self.session.live()?;
        let remove = async {
            if let Some((path, content)) = &self.instance {
                remove_instance(&client, path, content).await?;
            }
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
        self.instance = None;
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
async fn put_providers(
    client: &Client,
    acls: Acls<'static>,
    before: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<(), RegistryError> {
    let folders: BTreeSet<&str> = wanted.iter().map(|path| parent(path)).collect();
    for folder in folders {
        make_folder(client, acls, folder).await?;
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
        let options = CreateMode::Ephemeral.with_acls(acls);
        writer.add_create(path, b"", &options).map_err(|error| failed("writing", path, &error))?;
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

/// The mapping, the documents, and last of all the instance that leads to them.
async fn put_application(client: &Client, acls: Acls<'static>, plan: &ApplicationPlan) -> Result<(), RegistryError> {
    for path in &plan.mappings {
        put_mapping(client, acls, path, &plan.application).await?;
    }
    for path in &plan.documents {
        make_folder(client, acls, parent(path)).await?;
        let options = CreateMode::Persistent.with_acls(acls);
        match client.create(path, plan.document.as_bytes(), &options).await {
            // Its name is a hash of its content.
            Ok(_) | Err(Error::NodeExists) => {}
            Err(error) => return Err(failed("creating", path, &error)),
        }
    }
    put_instance(client, acls, &plan.instance, &plan.content).await
}

/// Adds the application to a list that others write too.
async fn put_mapping(client: &Client, acls: Acls<'static>, path: &str, application: &str) -> Result<(), RegistryError> {
    make_folder(client, acls, parent(path)).await?;
    for _ in 0..TRIES {
        let result = match client.get_data(path).await {
            Ok((data, stat)) => match mapped(&String::from_utf8_lossy(&data), application) {
                None => return Ok(()),
                Some(list) => client.set_data(path, list.as_bytes(), Some(stat.version)).await.map(drop),
            },
            Err(Error::NoNode) => {
                let options = CreateMode::Persistent.with_acls(acls);
                client.create(path, application.as_bytes(), &options).await.map(drop)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => return Ok(()),
            // Somebody else was faster: look again.
            Err(Error::BadVersion | Error::NodeExists | Error::NoNode) => {}
            Err(error) => return Err(failed("writing", path, &error)),
        }
    }
    Err(failed("writing", path, &Error::BadVersion))
}

async fn put_instance(client: &Client, acls: Acls<'static>, path: &str, content: &str) -> Result<(), RegistryError> {
    let data = content.as_bytes();
    let refused = |error: &Error| failed("writing", path, error);
    let options = CreateMode::Ephemeral.with_acls(acls);
    let there = match client.get_data(path).await {
        Ok(there) => there,
        Err(Error::NoNode) => {
            make_folder(client, acls, parent(path)).await?;
            return client.create(path, data, &options).await.map(drop).map_err(|error| refused(&error));
        }
        Err(error) => return Err(refused(&error)),
    };
    match there {
        (old, _) if !supersedes(content, &old) => Ok(()),
        (old, stat) if stat.ephemeral_owner == client.session_id().0 => {
            if old == data {
                return Ok(());
            }
            client.set_data(path, data, Some(stat.version)).await.map(drop).map_err(|error| refused(&error))
        }
        (_, stat) => {
            let mut writer = client.new_multi_writer();
            writer.add_delete(path, Some(stat.version)).map_err(|error| refused(&error))?;
            writer.add_create(path, data, &options).map_err(|error| refused(&error))?;
            match writer.commit().await {
                Ok(_) => Ok(()),
                Err(MultiWriteError::RequestFailed { source } | MultiWriteError::OperationFailed { source, .. }) => {
                    Err(refused(&source))
                }
            }
        }
    }
}

/// Removes the instance, unless a later one at the address has its node.
async fn remove_instance(client: &Client, path: &str, content: &str) -> Result<(), RegistryError> {
    let result = match client.get_data(path).await {
        Ok((data, stat)) if supersedes(content, &data) => client.delete(path, Some(stat.version)).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) | Err(Error::NoNode) => Ok(()),
        Err(error) => Err(failed("deleting", path, &error)),
    }
}

async fn make_folder(client: &Client, acls: Acls<'static>, folder: &str) -> Result<(), RegistryError> {
    match client.mkdir(folder, &CreateMode::Persistent.with_acls(acls)).await {
        Ok(()) | Err(Error::NodeExists) => Ok(()),
        Err(error) => Err(failed("creating", folder, &error)),
    }
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
