//! The instances of one application, followed once, however many look for services that it offers.
//!
//! One watch over its folder tells which of them changed, and only those are read again. Events are lost with a connection,
//! so everything is read anew when it comes back; who says the same as before is the one that was known.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use zookeeper_client::{Client, Error};

use super::{
    folder::Folders,
    nodes::said,
    session::{Link, bounded},
};
use crate::dubbo::{BadInstance, Listed, ServiceInstance};

/// Most instances of one application that are taken.
const MAX_INSTANCES: usize = 20_000;
/// How many of them are asked for at a time.
const AT_A_TIME: usize = 64;
/// How soon is tried again what could not be read.
const SOON: Duration = Duration::from_secs(2);
/// The least time between two tellings: a thousand that start at once are told of in a few.
const PAUSE: Duration = Duration::from_millis(50);

/// What an instance's node says. What it offers is not known yet when it is read.
pub(super) type Read = Result<Listed, BadInstance>;

/// What the nodes say, by their names.
pub(super) type Roster = BTreeMap<Arc<str>, Read>;

/// What is known of an application.
#[derive(Clone, Debug, Default)]
pub(super) enum Sight {
    /// Nothing yet.
    #[default]
    Unseen,
    /// It cannot be read, for this reason.
    Silent(Arc<str>),
    /// These are its instances.
    Said(Arc<Roster>),
}

/// An application that is followed for as long as somebody holds this.
#[derive(Debug)]
pub(super) struct Members {
    sight: watch::Receiver<Sight>,
    task: JoinHandle<()>,
}

impl Members {
    /// What is known, now and from now on.
    pub(super) fn sight(&self) -> watch::Receiver<Sight> {
        self.sight.clone()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The applications that are followed, each once, by the paths of their folders.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<BTreeMap<String, Weak<Members>>>);

impl Crowd {
    /// The instances below `path`. None without a runtime.
    pub(super) fn of(&self, link: &watch::Receiver<Link>, path: &str) -> Option<Arc<Members>> {
        let mut crowd = self.lock();
        if let Some(members) = crowd.get(path).and_then(Weak::upgrade) {
            return Some(members);
        }
        crowd.retain(|_, members| members.strong_count() > 0);
        let runtime = Handle::try_current().ok()?;
        let (told, sight) = watch::channel(Sight::default());
        let following =
            Following { path: path.to_owned(), link: link.clone(), told, known: Roster::new(), failures: 0 };
        let members = Arc::new(Members { sight, task: runtime.spawn(following.run()) });
        crowd.insert(path.to_owned(), Arc::downgrade(&members));
        Some(members)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Weak<Members>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task.
#[derive(Debug)]
struct Following {
    path: String,
    link: watch::Receiver<Link>,
    told: watch::Sender<Sight>,
    /// What was read last.
    known: Roster,
    /// How often it could not be read, one time after the other.
    failures: u32,
}

impl Following {
    async fn run(mut self) {
        loop {
            let link = self.link.borrow_and_update().clone();
            let again = match link {
                Link::Up(client) => self.follow(&client).await,
                // Whoever looks it up sees that too, and knows what to make of it.
                Link::Begun | Link::Away(_) | Link::Down(_) => None,
            };
            let changed = self.link.changed();
            let ended = match again {
                Some(again) => matches!(timeout(again, changed).await, Ok(Err(_))),
                None => changed.await.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    /// Follows it until something happens to the connection; answers when to try again, if not then.
    async fn follow(&mut self, client: &Client) -> Option<Duration> {
        let mut folder = Folders::default();
        let mut read = self.read(client, &mut folder).await;
        loop {
            match read {
                Ok(()) => {}
                // Whoever may read the interfaces only, reads these.
                Err(Error::NoAuth) => self.known.clear(),
                Err(error) => return Some(self.fail(&error)),
            }
            self.failures = 0;
            self.told.send_replace(Sight::Said(Arc::new(self.known.clone())));
            let told_at = Instant::now();
            tokio::select! {
                () = folder.changed() => {}
                () = self.moved() => return Some(Duration::ZERO),
            }
            sleep(PAUSE.saturating_sub(told_at.elapsed())).await;
            read = self.refresh(client, &folder).await;
        }
    }

    /// Ready when there is news of the connection, which is then looked at. Cancel-safe.
    async fn moved(&mut self) {
        let _ = self.link.changed().await;
        self.link.mark_changed();
    }

    /// What was known stays right for now: of a connection that is lost, the link tells.
    fn fail(&mut self, error: &Error) -> Duration {
        self.failures += 1;
        if self.failures > 1 || matches!(*self.told.borrow(), Sight::Unseen) {
            let why = format!("reading {}: {}", self.path, said(error));
            self.told.send_replace(Sight::Silent(why.into()));
        }
        SOON
    }

    /// Reads all of them.
    async fn read(&mut self, client: &Client, folder: &mut Folders) -> Result<(), Error> {
        let names = folder.list(client, &self.path).await?.into_iter().take(MAX_INSTANCES);
        let path = &self.path;
        let read =
            names.map(async |name| Ok::<_, Error>(instance(client, path, &name).await?.map(|read| (name, read))));
        let read: Vec<_> =
            stream::iter(read).buffered(AT_A_TIME).try_filter_map(async |read| Ok(read)).try_collect().await?;
        let mut before = std::mem::take(&mut self.known);
        for (name, read) in read {
            let (name, known) =
                before.remove_entry(&*name).map_or_else(|| (name.into(), None), |(name, known)| (name, Some(known)));
            self.known.insert(name, same(known, read));
        }
        Ok(())
    }

    /// Reads again what has changed.
    async fn refresh(&mut self, client: &Client, folder: &Folders) -> Result<(), Error> {
        for ((_, name), there) in folder.changes() {
            let found = if there { instance(client, &self.path, &name).await? } else { None };
            let known = self.known.remove(&*name);
            if let Some(read) = found
                && self.known.len() < MAX_INSTANCES
            {
                self.known.insert(name.into(), same(known, read));
            }
        }
        Ok(())
    }
}

/// What was known, where it says the same.
fn same(known: Option<Read>, read: Read) -> Read {
    match (known, read) {
        (Some(Ok(known)), Ok(read)) if known.instance() == read.instance() => Ok(known),
        (_, read) => read,
    }
}

async fn instance(client: &Client, folder: &str, name: &str) -> Result<Option<Read>, Error> {
    match bounded(client.get_data(&format!("{folder}/{name}"))).await {
        Ok((data, _)) => {
            let read = ServiceInstance::from_json(&data);
            Ok(Some(read.map(|instance| Listed::new(Arc::new(instance), None))))
        }
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}
