//! The consumers of one lookup: watch first, then list, and list again whenever something may have been missed.
//!
//! The list is what counts; a watch says what has changed since. So events that are lost with a connection cost nothing,
//! bursts coalesce, and only what changed is read. Both of Dubbo's levels are followed, and one is taken.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use zookeeper_client::{Client, Error, SessionId};

use super::{
    applications::Applications,
    folder::Folders,
    nodes::{Nodes, is_name, said},
    session::{Link, PATIENCE},
};
use crate::{
    backoff::spread,
    dubbo::{Documents, Library, Listed, MetadataInfo, Node, Offers, ProviderUrl, Skipped, choose},
    instance::fresh,
    keeper::Keeper,
    key::ServiceKey,
    port::{Lookup, MAX_SKIPPED, Survey},
    protect::{Health, Hold},
    set::InstanceSet,
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
type Read = Result<Node, Skipped>;

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
    /// What applications offer.
    pub(super) library: Arc<Library>,
    /// The applications that offer the interface.
    pub(super) applications: Applications,
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

    /// Follows both levels until something happens to the connection.
    async fn follow(&mut self, client: &Client) {
        let mut watches = Watches::default();
        loop {
            let looked = self.look(client, &mut watches).await;
            let looked = looked.map_err(|error| format!("listing {}: {}", self.lookup.key.interface, said(&error)));
            let again = match looked.and_then(|()| self.applications.refresh().map_err(|why| why.to_string())) {
                // The first answer is one of both levels.
                Ok(false) => SOON,
                Ok(true) => {
                    let all_known = self.answered(client).await;
                    let held = lock(&self.news).hold.is_some();
                    if held || !all_known { SOON } else { spread(EVERY, fresh()) }
                }
                Err(why) => {
                    watches = Watches::default();
                    self.silent(&why).await;
                    SOON
                }
            };
            let looked_at = Instant::now();
            let Watches { providers, listed, mapping } = &mut watches;
            tokio::select! {
                () = providers.changed() => {}
                () = fired(mapping) => *mapping = None,
                () = self.applications.changed() => {}
                _ = self.link.changed() => return,
                () = sleep(again) => (*listed, *mapping) = (false, None),
            }
            sleep(PAUSE.saturating_sub(looked_at.elapsed())).await;
        }
    }

    /// Reads whatever has changed since it was last read.
    async fn look(&mut self, client: &Client, watches: &mut Watches) -> Result<(), Error> {
        let interface = self.lookup.key.interface.clone();
        if !watches.listed {
            let names = watches.providers.list(client, &self.nodes.providers(&interface)).await?;
            self.read(names);
            watches.listed = true;
        }
        for ((_, name), there) in watches.providers.changes() {
            self.read_one(name, there);
        }
        if watches.mapping.is_none() && is_name(&interface) {
            watches.mapping = Some(match self.applications.mapped(client, &self.nodes, &interface).await {
                Ok(watcher) => Box::pin(async move { drop(watcher.changed().await) }),
                // Whoever may read the interfaces only, reads these.
                Err(Error::NoAuth) => Box::pin(std::future::pending()),
                Err(error) => return Err(error),
            });
        }
        Ok(())
    }

    async fn silent(&mut self, why: &str) {
        self.keeper.silent(why).await;
        let mut news = lock(&self.news);
        news.unwell = Some(why.to_owned());
        news.hold = self.keeper.hold();
    }

    /// Takes of both levels what is meant, and tells it; answers whether everybody's content is known.
    async fn answered(&mut self, client: &Client) -> bool {
        let mut all_known = true;
        let documents = Stored { client, nodes: &self.nodes };
        let listed: Vec<Listed> = self.applications.listed().cloned().collect();
        for one in listed.iter().filter(|one| one.content().is_none()) {
            match self.library.content(&documents, one.instance()).await {
                Some(content) => one.learn(content),
                None => all_known &= !self.library.may_learn(one.instance()),
            }
        }
        let nodes: Vec<_> = self.read.values().filter_map(|read| read.as_ref().ok()).cloned().collect();
        let offers = choose(&self.lookup.key, &nodes, &listed);
        let meant = offers.taken.iter().filter(|(key, instance)| self.lookup.takes(key, instance));
        let set: InstanceSet = meant.map(|(_, instance)| instance.clone()).collect();
        self.note(&offers);
        self.keeper.answered(set, Health::Well);
        lock(&self.news).hold = self.keeper.hold();
        all_known
    }

    /// Reads the nodes that are new, and forgets those that are gone.
    fn read(&mut self, names: Vec<String>) {
        let mut before = std::mem::take(&mut self.read);
        for name in names.into_iter().take(MAX_PROVIDERS) {
            let read = match before.remove(&name) {
                Some(read) => read,
                None => read_node(&name, &self.lookup.key.interface),
            };
            self.read.insert(name, read);
        }
    }

    /// The same for one node, which has come or gone.
    fn read_one(&mut self, name: String, there: bool) {
        if !there {
            self.read.remove(&name);
        } else if self.read.len() < MAX_PROVIDERS && !self.read.contains_key(&name) {
            let read = read_node(&name, &self.lookup.key.interface);
            self.read.insert(name, read);
        }
    }

    fn note(&self, offers: &Offers) {
        let mut found: BTreeMap<ServiceKey, usize> = BTreeMap::new();
        for (key, _) in &offers.taken {
            match found.get_mut(&**key) {
                Some(count) => *count += 1,
                None => drop(found.insert(ServiceKey::clone(key), 1)),
            }
        }
        let skipped = self.read.iter().filter_map(|(name, read)| Some((name, read.as_ref().err()?.as_str())));
        let nodes = skipped.map(|(name, why)| (short(name), why));
        let others = offers.skipped.iter().map(|(who, why)| (who.clone(), why.as_str()));
        let skipped = nodes.chain(self.applications.skipped()).chain(others).take(MAX_SKIPPED).collect();
        let mut news = lock(&self.news);
        if news.last_change.is_none() && !found.is_empty() || news.last_change.is_some() && news.found != found {
            news.last_change = Some(Instant::now());
        }
        (news.found, news.skipped, news.unwell) = (found, skipped, None);
    }
}

/// The documents in the ensemble, where either kind of peer puts them.
struct Stored<'a> {
    client: &'a Client,
    nodes: &'a Nodes,
}

impl Documents for Stored<'_> {
    async fn stored(&self, application: &str, revision: &str) -> Option<MetadataInfo> {
        for path in self.nodes.metadata(application, revision).iter().filter(|_| is_name(revision)) {
            let Ok(Ok((data, _))) = timeout(PATIENCE, self.client.get_data(path)).await else { continue };
            match MetadataInfo::of_revision(&data, revision) {
                Ok(info) => return Some(info),
                Err(why) => tracing::warn!(path, %why, "the metadata there is not taken"),
            }
        }
        None
    }
}

/// What tells of the next change, and what is followed.
#[derive(Default)]
struct Watches {
    providers: Folders,
    /// Whether all providers were listed lately.
    listed: bool,
    /// None when it is to be read.
    mapping: Option<Event>,
}

type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ready when the event has happened. Cancel-safe.
async fn fired(event: &mut Option<Event>) {
    match event {
        Some(event) => event.as_mut().await,
        None => std::future::pending().await,
    }
}

fn read_node(name: &str, interface: &str) -> Read {
    let read = ProviderUrl::from_node(name).and_then(|url| url.offered(interface));
    match read {
        Ok((key, instance)) => Ok((Arc::new(key), Arc::new(instance))),
        Err(why) => {
            tracing::debug!(node = short(name), interface, reason = why.as_str(), "a provider is not taken: {why}");
            Err(why)
        }
    }
}

fn short(name: &str) -> String {
    name.chars().take(200).collect()
}
