//! Folders whose children are followed: one watch over each says which child came, changed or went, so that nobody lists
//! thousands to learn of one. Events are lost with a connection: whoever gets it back begins anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, task::JoinSet};
use zookeeper_client::{AddWatchMode, Client, Error, EventType, PersistentWatcher};

use super::session::bounded;

/// What is followed over one connection.
#[derive(Debug, Default)]
pub(super) struct Folders {
    followed: BTreeSet<String>,
    watches: JoinSet<()>,
    heard: Arc<Heard>,
}

/// A folder and a child of it.
type Child = (String, String);

/// What was heard of and not looked at yet.
#[derive(Debug, Default)]
struct Heard {
    /// The children, and whether they were there when the last of them was heard.
    children: Mutex<BTreeMap<Child, bool>>,
    notify: Notify,
}

impl Heard {
    fn children(&self) -> MutexGuard<'_, BTreeMap<Child, bool>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folders {
    /// The children of `path`, which need not be there. From the first call on they are followed too.
    pub(super) async fn list(&mut self, client: &Client, path: &str) -> Result<Vec<String>, Error> {
        if !self.followed.contains(path) {
            // Watch first: what comes between is then told.
            let watch = bounded(client.watch(path, AddWatchMode::PersistentRecursive)).await?;
            self.watches.spawn(listen(watch, path.to_owned(), self.heard.clone()));
            self.followed.insert(path.to_owned());
        }
        match bounded(client.list_children(path)).await {
            Err(Error::NoNode) => Ok(Vec::new()),
            result => result,
        }
    }

    /// What has changed since this was last asked: the folder, the child, and whether it is there.
    pub(super) fn changes(&self) -> BTreeMap<Child, bool> {
        std::mem::take(&mut *self.heard.children())
    }

    /// Ready when there are [`changes`](Self::changes). Cancel-safe.
    pub(super) async fn changed(&self) {
        // One that was heard while others were being looked at is looked at already.
        while self.heard.children().is_empty() {
            self.heard.notify.notified().await;
        }
    }
}

/// Notes what happens to the children of `path`, until the session has ended.
async fn listen(mut watch: PersistentWatcher, path: String, heard: Arc<Heard>) {
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
            let there = event.event_type != EventType::NodeDeleted;
            heard.children().insert((path.clone(), name.to_owned()), there);
            heard.notify.notify_one();
        }
    }
}
