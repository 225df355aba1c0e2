//! The consumers of one lookup: the services that it means at both of Dubbo's levels, what they offer, and the last good set
//! while the registry is unwell.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Core,
    applications::Applications,
    http, names,
    offers::{Found, Reading},
    roster::{Kind, Roster},
    topic::{Sight, Topic, any_changed},
    wire::{Service, ServiceNames},
};
use crate::{
    cache::Cache,
    dubbo::Node,
    error::RegistryError,
    feed::{Changes, Feed},
    keeper::Keeper,
    key::ServiceKey,
    port::Lookup,
    protect::{Health, Hold, Protection},
};

/// How long a registry that came back counts as unwell: clients of other makers wait up to 64 s before they come back.
const SETTLE: Duration = Duration::from_secs(60);
/// How often the names of services are listed, where a lookup means several or finds none.
const LIST: Duration = Duration::from_secs(5);
/// How soon is looked again for what a provider could not say yet.
const SOON: Duration = Duration::from_secs(2);
/// How many names are asked for at a time, and how many at all.
const PAGE: u32 = 500;
const MAX_NAMES: usize = 100_000;
/// How many services of another group or version are counted for those who find nothing.
const MAX_OTHERS: usize = 16;

/// What goes on for one lookup, for as long as somebody listens.
#[derive(Debug)]
pub(super) struct Following {
    feed: Arc<Feed>,
    note: Arc<Mutex<Note>>,
    task: JoinHandle<()>,
}

/// What is known, for surveys.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) found: BTreeMap<ServiceKey, usize>,
    pub(super) others: BTreeMap<ServiceKey, usize>,
    pub(super) skipped: Vec<(String, &'static str)>,
    pub(super) known: Vec<Node>,
    pub(super) last_change: Option<Instant>,
    pub(super) unwell: Option<String>,
    pub(super) hold: Option<Hold>,
}

impl Following {
    /// Follows `lookup` on the current runtime; none without one.
    pub(super) fn start(core: &Arc<Core>, lookup: &Lookup) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (feed, note) = (Arc::new(Feed::new()), Arc::<Mutex<Note>>::default());
        let what = format!("{} {lookup}", core.place.describe());
        let protection = Protection::default().with_settle(SETTLE);
        let keeper = Keeper::new(what.clone(), feed.clone(), protection, Cache::of_user(&what));
        let follower = Follower {
            core: Arc::clone(core),
            lookup: lookup.clone(),
            keeper,
            note: note.clone(),
            topics: BTreeMap::new(),
            applications: Applications::of(core, &lookup.key.interface),
            listed: false,
            list_at: Instant::now(),
        };
        Some(Self { feed, note, task: runtime.spawn(follower.run()) })
    }

    /// One more consumer.
    pub(super) fn subscribe(&self) -> Changes {
        self.feed.subscribe()
    }

    /// What is known.
    pub(super) fn note(&self) -> MutexGuard<'_, Note> {
        lock(&self.note)
    }
}

impl Core {
    /// The names of all services.
    pub(super) async fn names(&self) -> Result<Vec<String>, RegistryError> {
        let session = self.link.session()?;
        let mut all = Vec::new();
        for page_no in 1.. {
            let place = &self.place;
            let (namespace, group_name) = (place.namespace.as_str(), place.group.as_str());
            let page = ServiceNames { namespace, group_name, page_no, page_size: PAGE, selector: "" };
            let names = session.ask(&page).await?;
            let page = names.service_names.unwrap_or_default();
            let last = page.len() < PAGE as usize;
            all.extend(page);
            if last || all.len() >= (names.count as usize).min(MAX_NAMES) {
                break;
            }
        }
        Ok(all)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(note: &Mutex<Note>) -> MutexGuard<'_, Note> {
    note.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task. It holds the registry, whose link it needs; the registry holds it weakly.
#[derive(Debug)]
struct Follower {
    core: Arc<Core>,
    lookup: Lookup,
    keeper: Keeper,
    note: Arc<Mutex<Note>>,
    topics: BTreeMap<Service, (Arc<Topic>, watch::Receiver<Sight<Roster>>)>,
    applications: Applications,
    /// Whether the services of a lookup that only a list can name were listed.
    listed: bool,
    list_at: Instant,
}

/// What all services of a lookup say together.
enum Sum {
    Waiting,
    Silent(String),
    Read(Reading),
}

impl Follower {
    async fn run(mut self) {
        if !self.is_wild() {
            let name = names::service_name(&self.lookup.key);
            self.follow([self.service(name)]);
        }
        loop {
            let lists = self.is_wild() || !Found::is_meant(&lock(&self.note).found, &self.lookup);
            if lists && Instant::now() >= self.list_at {
                self.list().await;
                self.list_at = Instant::now() + LIST;
            }
            let mut all_known = true;
            match self.sum() {
                Sum::Waiting => {}
                Sum::Silent(why) => self.silent(why).await,
                Sum::Read(reading) => all_known = self.read(reading).await,
            }
            lock(&self.note).hold = self.keeper.hold();
            self.wait(lists, all_known).await;
        }
    }

    async fn silent(&mut self, why: String) {
        self.keeper.silent(&why).await;
        lock(&self.note).unwell = Some(why);
    }

    /// Whether the lookup means services that only a list can name.
    fn is_wild(&self) -> bool {
        let wild = |part: &Option<String>| part.as_deref() == Some("*");
        wild(&self.lookup.key.group) || wild(&self.lookup.key.version)
    }

    fn service(&self, name: String) -> Service {
        names::service(&self.core.place.namespace, &self.core.place.group, name)
    }

    /// Follows these services and no others.
    fn follow(&mut self, services: impl IntoIterator<Item = Service>) {
        let kind = Kind::Interface(self.lookup.key.interface.clone());
        let mut before = std::mem::take(&mut self.topics);
        for service in services {
            let known = before.remove(&service);
            let found = known.or_else(|| {
                let topic = self.core.topics.of(&self.core.link, &service, kind.clone())?;
                let sight = topic.sight();
                Some((topic, sight))
            });
            if let Some(found) = found {
                self.topics.insert(service, found);
            }
        }
    }

    /// Looks which services there are of this interface.
    async fn list(&mut self) {
        let all = match self.core.names().await {
            Ok(all) => all,
            Err(why) => {
                tracing::debug!(lookup = %self.lookup, %why, "the services cannot be listed");
                if self.is_wild() && self.topics.is_empty() {
                    self.silent(why.to_string()).await;
                }
                return;
            }
        };
        let ours = all.into_iter().filter_map(|name| {
            let key = names::key_of(&name)?;
            (key.interface == self.lookup.key.interface).then_some((key, name))
        });
        let (meant, others): (Vec<_>, Vec<_>) = ours.partition(|(key, _)| self.lookup.key.matches(key));
        if self.is_wild() {
            let services: Vec<Service> = meant.into_iter().map(|(_, name)| self.service(name)).collect();
            self.follow(services);
            self.listed = true;
        }
        let mut counted = BTreeMap::new();
        for (key, name) in others.into_iter().take(MAX_OTHERS) {
            if let Ok(count) = self.count(&name, &key.interface).await {
                counted.insert(key, count);
            }
        }
        let mut note = lock(&self.note);
        if note.others != counted {
            note.others = counted;
            note.last_change = Some(Instant::now());
        }
    }

    async fn count(&self, name: &str, interface: &str) -> Result<usize, RegistryError> {
        let session = self.core.link.session()?;
        let token = self.core.link.auth().token();
        let listing = http::instances(session.server(), token.as_deref(), &self.service(name.to_owned())).await?;
        Ok(listing.values().filter(|host| names::offered(host, interface).is_ok()).count())
    }

    /// What all services say together. One that is silent speaks for all: half a set is none.
    fn sum(&mut self) -> Sum {
        let mut reading = Reading::default();
        let mut unseen = self.topics.is_empty() && !self.listed;
        for (_, sight) in self.topics.values_mut() {
            match &*sight.borrow_and_update() {
                Sight::Unseen => unseen = true,
                Sight::Silent(why) => return Sum::Silent(why.clone()),
                Sight::Said(roster) => reading.take(roster),
            }
        }
        match self.applications.refresh() {
            Ok(mapped) => unseen |= !mapped,
            Err(why) => return Sum::Silent(why),
        }
        for sight in self.applications.sights() {
            match sight {
                Sight::Unseen => unseen = true,
                Sight::Silent(why) => return Sum::Silent(why),
                Sight::Said(roster) => reading.take(&roster),
            }
        }
        if unseen { Sum::Waiting } else { Sum::Read(reading) }
    }

    /// Takes of both levels what is meant, and tells it; answers whether all is known that may be.
    async fn read(&mut self, reading: Reading) -> bool {
        let all_known = match self.core.link.session() {
            Ok(session) => self.applications.learn(&session, reading.processes()).await,
            Err(_) => false,
        };
        self.offer(reading.found(&self.lookup));
        all_known
    }

    fn offer(&mut self, found: Found) {
        {
            let mut note = lock(&self.note);
            if !found.is_of(&note.known) {
                note.last_change = Some(Instant::now());
            }
            for (which, why) in found.skipped.iter().filter(|one| !note.skipped.contains(one)) {
                tracing::warn!(lookup = %self.lookup, which, reason = why, "an instance is skipped");
            }
            (note.found, note.known, note.skipped) = (found.found, found.known, found.skipped);
            note.unwell = None;
        }
        self.keeper.answered(found.set, Health::Well);
    }

    /// Waits until there is news, or something to do.
    async fn wait(&mut self, lists: bool, all_known: bool) {
        let held = lock(&self.note).hold.is_some();
        let now = Instant::now();
        // What is held is let go in time, also when nothing is pushed.
        let looks =
            [lists.then_some(self.list_at), (held && !lists).then_some(now + LIST), (!all_known).then_some(now + SOON)];
        let look_at = looks.into_iter().flatten().min();
        let timer = async move {
            match look_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let topics = self.topics.values_mut().map(|(_, sight)| sight);
        tokio::select! {
            () = any_changed(topics) => {}
            () = self.applications.changed() => {}
            () = timer => {}
        }
    }
}
