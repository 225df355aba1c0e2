//! The consumers of one lookup: watch first, then list, and list again whenever something may have been missed.
//!
//! The list is what counts; a watch only says when to look. So events that are lost with a connection cost nothing, bursts
//! coalesce, and only nodes that were not seen before are read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use zookeeper_client::{Client, Error, OneshotWatcher, SessionId};

use super::{
    nodes::{Nodes, said},
    session::{Link, PATIENCE},
};
use crate::{
    backoff::spread,
    dubbo::{ProviderUrl, Skipped},
    feed::InstanceSet,
    instance::{Instance, fresh},
    keeper::Keeper,
    key::ServiceKey,
    port::{Lookup, MAX_SKIPPED, Survey},
    protect::{Health, Hold},
};

/// How often the list is looked at without being told, at most and with jitter down to a half.
const EVERY: Duration = Duration::from_secs(30);
/// The same while something is held back or could not be read.
const SOON: Duration = Duration::from_secs(2);
/// The least time between two lists: a thousand providers that start at once are not a thousand lists.
const PAUSE: Duration = Duration::from_millis(50);
/// Most providers of one service that are taken.
const MAX_PROVIDERS: usize = 20_000;

/// What is known of an interface, for surveys.
#[derive(Debug, Default)]
pub(super) struct News {
    found: BTreeMap<ServiceKey, usize>,
    skipped: Vec<(String, &'static str)>,
    last_change: Option<Instant>,
    unwell: Option<String>,
    hold: Option<Hold>,
}

impl News {
    pub(super) fn refuse(&mut self, why: &str) {
        self.unwell = Some(why.to_owned());
    }

    pub(super) fn survey(&self) -> Survey {
        Survey {
            last_change: self.last_change.map(|at| at.elapsed()),
            unwell: self.unwell.clone(),
            hold: self.hold,
            skipped: self.skipped.clone(),
            ..Survey::new(self.found.iter().map(|(key, count)| (key.clone(), *count)).collect())
        }
    }
}

pub(super) fn lock(news: &Mutex<News>) -> MutexGuard<'_, News> {
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a node's name says.
type Read = Result<(ServiceKey, Arc<Instance>), Skipped>;

/// The loop of one lookup.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) lookup: Lookup,
    pub(super) nodes: Nodes,
    pub(super) link: watch::Receiver<Link>,
    pub(super) keeper: Keeper,
    pub(super) news: Arc<Mutex<News>>,
    /// Nodes that were read once.
    pub(super) read: BTreeMap<String, Read>,
}

impl Follower {
    pub(super) async fn run(mut self) {
        // The first snapshot should be that of the registry, if it is there.
        let _ = timeout(PATIENCE, self.link.wait_for(|link| !matches!(link, Link::Begun))).await;
        let mut session: Option<SessionId> = None;
        loop {
            let link = self.link.borrow_and_update().clone();
            match link {
                Link::Up(client) => {
                    let now = client.session_id();
                    if session.replace(now).is_some_and(|before| before != now) {
                        // A server that forgot a session may have forgotten more.
                        self.silent("the session was lost").await;
                    }
                    self.follow(&client).await;
                }
                // What was known stays right as long as the session may come back; only who knows nothing is told.
                Link::Away(why) if session.is_some() => lock(&self.news).unwell = Some(why.to_string()),
                Link::Away(why) | Link::Down(why) => self.silent(&why).await,
                Link::Begun => self.silent("no answer yet").await,
            }
            if !self.is_up() && matches!(timeout(SOON, self.link.changed()).await, Ok(Err(_))) {
                return;
            }
        }
    }

    fn is_up(&self) -> bool {
        matches!(&*self.link.borrow(), Link::Up(_))
    }

    /// Follows the providers until something happens to the connection.
    async fn follow(&mut self, client: &Client) {
        let path = self.nodes.providers(&self.lookup.key.interface);
        loop {
            let listed = match timeout(PATIENCE, list(client, &path)).await {
                Ok(result) => result.map_err(|error| said(&error)),
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            };
            let (watcher, again) = match listed {
                Ok((names, watcher)) => {
                    self.answered(names).await;
                    let held = lock(&self.news).hold.is_some();
                    (Some(watcher), if held { SOON } else { spread(EVERY, fresh()) })
                }
                Err(why) => {
                    self.silent(&format!("listing {path}: {why}")).await;
                    (None, SOON)
                }
            };
            let listed_at = Instant::now();
            let changed = async {
                match watcher {
                    Some(watcher) => drop(watcher.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                _ = self.link.changed() => return,
                () = sleep(again) => {}
            }
            sleep(PAUSE.saturating_sub(listed_at.elapsed())).await;
        }
    }

    async fn silent(&mut self, why: &str) {
        self.keeper.silent(why).await;
        let mut news = lock(&self.news);
        news.unwell = Some(why.to_owned());
        news.hold = self.keeper.hold();
    }

    async fn answered(&mut self, names: Vec<String>) {
        let set = self.take(names);
        self.keeper.answered(set, Health::Well).await;
        lock(&self.news).hold = self.keeper.hold();
    }

    /// Reads the nodes that are new, forgets those that are gone, and answers who is meant.
    fn take(&mut self, names: Vec<String>) -> InstanceSet {
        let interface = &self.lookup.key.interface;
        let mut before = std::mem::take(&mut self.read);
        for name in names.into_iter().take(MAX_PROVIDERS) {
            let read = match before.remove(&name) {
                Some(read) => read,
                None => read_node(&name, interface),
            };
            self.read.insert(name, read);
        }
        let taken = self.read.values().filter_map(|read| read.as_ref().ok());
        let mut found: BTreeMap<ServiceKey, usize> = BTreeMap::new();
        taken.clone().for_each(|(key, _)| *found.entry(key.clone()).or_default() += 1);
        let skipped = self.read.iter().filter_map(|(name, read)| Some((short(name), read.as_ref().err()?.as_str())));
        let skipped = skipped.take(MAX_SKIPPED).collect();
        let mut news = lock(&self.news);
        if news.last_change.is_none() && !found.is_empty() || news.last_change.is_some() && news.found != found {
            news.last_change = Some(Instant::now());
        }
        (news.found, news.skipped, news.unwell) = (found, skipped, None);
        drop(news);
        let meant = taken.filter(|(key, instance)| self.lookup.takes(key, instance));
        meant.map(|(_, instance)| (instance.id.clone(), instance.clone())).collect()
    }
}

fn read_node(name: &str, interface: &str) -> Read {
    let read = ProviderUrl::from_node(name).and_then(|url| url.offered(interface));
    match read {
        Ok((key, instance)) => Ok((key, Arc::new(instance))),
        Err(why) => {
            tracing::debug!(node = short(name), interface, reason = why.as_str(), "a provider is not taken: {why}");
            Err(why)
        }
    }
}

fn short(name: &str) -> String {
    name.chars().take(200).collect()
}

/// The children of `path`, and what tells of the next change. A path that is not there has none.
async fn list(client: &Client, path: &str) -> Result<(Vec<String>, OneshotWatcher), Error> {
    loop {
        match client.list_and_watch_children(path).await {
            Err(Error::NoNode) => {}
            result => return result,
        }
        let (stat, watcher) = client.check_and_watch_stat(path).await?;
        if stat.is_none() {
            return Ok((Vec::new(), watcher));
        }
    }
}
