//! The application level of one interface: which applications offer it, and their instances.
//!
//! One watch over each application tells which of its instances changed, and only those are read again. Events are lost
//! with a connection, so everything is read anew when it comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Notify, task::JoinSet};
use zookeeper_client::{AddWatchMode, Client, Error, EventType, OneshotWatcher, PersistentWatcher};

use super::{nodes::Nodes, plan::applications, session::bounded};
use crate::dubbo::{BadInstance, ServiceInstance};

/// Most applications of one interface that are followed.
const MAX_APPLICATIONS: usize = 100;
/// Most instances of one application that are taken.
const MAX_INSTANCES: usize = 20_000;

/// What an instance's node says.
type Read = Result<Arc<ServiceInstance>, BadInstance>;

/// The instances of all applications that offer one interface.
#[derive(Debug, Default)]
pub(super) struct Applications {
    followed: BTreeMap<String, BTreeMap<String, Read>>,
    watches: JoinSet<()>,
    changes: Arc<Changed>,
}

/// What has changed since it was looked at.
#[derive(Debug, Default)]
struct Changed {
    instances: Mutex<BTreeSet<(String, String)>>,
    notify: Notify,
}

impl Applications {
    /// Reads the mapping, and everything of applications that were not in it before; answers what tells of its next change.
    pub(super) async fn mapped(
        &mut self,
        client: &Client,
        nodes: &Nodes,
        interface: &str,
    ) -> Result<OneshotWatcher, Error> {
        let (list, watcher) = mapping(client, &nodes.mapping(interface)).await?;
        for application in applications(&list).take(MAX_APPLICATIONS) {
            if self.followed.contains_key(application) {
                continue;
            }
            let path = nodes.instances(application);
            // Watch first: what comes between is then told.
            let watch = bounded(client.watch(&path, AddWatchMode::PersistentRecursive)).await?;
            self.watches.spawn(tell(watch, path.clone(), application.to_owned(), self.changes.clone()));
            let mut read = BTreeMap::new();
            for name in children(client, &path).await?.into_iter().take(MAX_INSTANCES) {
                if let Some(instance) = instance(client, &path, &name).await? {
                    read.insert(name, instance);
                }
            }
            self.followed.insert(application.to_owned(), read);
        }
        Ok(watcher)
    }

    /// Reads again what has changed.
    pub(super) async fn refresh(&mut self, client: &Client, nodes: &Nodes) -> Result<(), Error> {
        let changed = std::mem::take(&mut *self.changes.instances.lock().unwrap_or_else(PoisonError::into_inner));
        for (application, name) in changed {
            let Some(read) = self.followed.get_mut(&application) else { continue };
            match instance(client, &nodes.instances(&application), &name).await? {
                Some(instance) if read.len() < MAX_INSTANCES => drop(read.insert(name, instance)),
                _ => drop(read.remove(&name)),
            }
        }
        Ok(())
    }

    /// Ready when [`refresh`](Self::refresh) has something to do. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.changes.notify.notified().await;
    }

    /// The instances that are there and can be read.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Arc<ServiceInstance>> {
        self.followed.values().flat_map(|read| read.values().filter_map(|read| read.as_ref().ok()))
    }

    /// Who is not taken, and why.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.followed.iter().flat_map(|(application, read)| {
            read.iter().filter_map(move |(name, read)| {
                Some((format!("{name} of {application}"), read.as_ref().err()?.as_str()))
            })
        })
    }
}

/// Notes what changes below `path`, until the session has ended.
async fn tell(mut watch: PersistentWatcher, path: String, application: String, changes: Arc<Changed>) {
    loop {
        let event = watch.changed().await;
        if event.event_type == EventType::Session {
            // After its last event it must not be asked again.
            if event.session_state.is_terminated() {
                return;
            }
            continue;
        }
        let Some(name) = event.path.strip_prefix(&path).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if !name.contains('/') {
            let mut instances = changes.instances.lock().unwrap_or_else(PoisonError::into_inner);
            instances.insert((application.clone(), name.to_owned()));
            drop(instances);
            changes.notify.notify_one();
        }
    }
}

/// The text of a mapping, and what tells of the next change. One that is not there is empty.
async fn mapping(client: &Client, path: &str) -> Result<(String, OneshotWatcher), Error> {
    loop {
        match bounded(client.get_and_watch_data(path)).await {
            Ok((data, _, watcher)) => return Ok((String::from_utf8_lossy(&data).into_owned(), watcher)),
            Err(Error::NoNode) => {}
            Err(error) => return Err(error),
        }
        let (stat, watcher) = bounded(client.check_and_watch_stat(path)).await?;
        if stat.is_none() {
            return Ok((String::new(), watcher));
        }
    }
}

async fn children(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    match bounded(client.list_children(path)).await {
        Err(Error::NoNode) => Ok(Vec::new()),
        result => result,
    }
}

async fn instance(client: &Client, folder: &str, name: &str) -> Result<Option<Read>, Error> {
    match bounded(client.get_data(&format!("{folder}/{name}"))).await {
        Ok((data, _)) => Ok(Some(ServiceInstance::from_json(&data).map(Arc::new))),
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}
