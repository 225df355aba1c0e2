//! The consumers of one lookup: the services that it means, what they offer, and the last good set while the registry is
//! unwell.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::select_all;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Core, http, names,
    topic::{Sight, Topic},
    wire::{Service, ServiceNames},
};
use crate::{
    cache::Cache,
    error::RegistryError,
    feed::{Changes, Feed, InstanceSet},
    instance::InstanceId,
    keeper::Keeper,
    key::ServiceKey,
    port::{Lookup, MAX_SKIPPED},
    protect::{Health, Hold, Protection},
};

/// How long a registry that came back counts as unwell: clients of other makers wait up to 64 s before they come back.
const SETTLE: Duration = Duration::from_secs(60);
/// How often the names of services are listed, where a lookup means several or finds none.
const LIST: Duration = Duration::from_secs(5);
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
    pub(super) known: BTreeMap<(ServiceKey, InstanceId), ()>,
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
    topics: BTreeMap<Service, (Arc<Topic>, watch::Receiver<Sight>)>,
    list_at: Instant,
}

/// What all services of a lookup say together.
enum Sum {
    Waiting,
    Silent(String),
    Offers(Offers),
}

#[derive(Debug, Default)]
struct Offers {
    set: InstanceSet,
    found: BTreeMap<ServiceKey, usize>,
    skipped: Vec<(String, &'static str)>,
    known: BTreeMap<(ServiceKey, InstanceId), ()>,
}

impl Follower {
    async fn run(mut self) {
        if !self.is_wild() {
            let name = names::service_name(&self.lookup.key);
            self.follow([self.service(name)]);
        }
        loop {
            let lists = self.is_wild() || lock(&self.note).found.is_empty();
            if lists && Instant::now() >= self.list_at {
                self.list().await;
                self.list_at = Instant::now() + LIST;
            }
            match self.sum() {
                Sum::Waiting => {}
                Sum::Silent(why) => {
                    self.keeper.silent(&why).await;
                    lock(&self.note).unwell = Some(why);
                }
                Sum::Offers(offers) => self.offer(offers).await,
            }
            lock(&self.note).hold = self.keeper.hold();
            self.wait(lists).await;
        }
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
        let mut before = std::mem::take(&mut self.topics);
        for service in services {
            let known = before.remove(&service);
            let found = known.or_else(|| {
                let topic = self.core.topics.of(&self.core.link, &service)?;
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
                    self.keeper.silent(&why.to_string()).await;
                    lock(&self.note).unwell = Some(why.to_string());
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
            let nobody = services.is_empty();
            self.follow(services);
            if nobody {
                self.offer(Offers::default()).await;
            }
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
        let hosts = listing.hosts.unwrap_or_default();
        Ok(hosts.iter().filter(|host| names::offered(host, interface).is_ok()).count())
    }

    /// What all services say together. One that is silent speaks for all: half a set is none.
    fn sum(&mut self) -> Sum {
        let mut offers = Offers::default();
        let mut unseen = self.topics.is_empty();
        for (_, sight) in self.topics.values_mut() {
            let listing = match &*sight.borrow_and_update() {
                Sight::Unseen => {
                    unseen = true;
                    continue;
                }
                Sight::Silent(why) => return Sum::Silent(why.clone()),
                Sight::Listed(listing) => listing.clone(),
            };
            for host in listing.hosts.iter().flatten() {
                match names::offered(host, &self.lookup.key.interface) {
                    Ok((key, instance)) => {
                        *offers.found.entry(key.clone()).or_default() += 1;
                        offers.known.insert((key.clone(), instance.id.clone()), ());
                        if self.lookup.takes(&key, &instance) {
                            offers.set.insert(instance.id.clone(), Arc::new(instance));
                        }
                    }
                    Err(why) if offers.skipped.len() < MAX_SKIPPED => {
                        let which =
                            format!("{}:{} in {}", host["ip"].as_str().unwrap_or("?"), host["port"], listing.name);
                        offers.skipped.push((which.chars().take(200).collect(), why.as_str()));
                    }
                    Err(_) => {}
                }
            }
        }
        if unseen { Sum::Waiting } else { Sum::Offers(offers) }
    }

    async fn offer(&mut self, offers: Offers) {
        {
            let mut note = lock(&self.note);
            if note.known != offers.known {
                note.last_change = Some(Instant::now());
            }
            for (which, why) in offers.skipped.iter().filter(|one| !note.skipped.contains(one)) {
                tracing::warn!(lookup = %self.lookup, which, reason = why, "an instance is skipped");
            }
            (note.found, note.known, note.skipped) = (offers.found, offers.known, offers.skipped);
            note.unwell = None;
        }
        self.keeper.answered(offers.set, Health::Well).await;
    }

    /// Waits until there is news, or something to do.
    async fn wait(&mut self, lists: bool) {
        let held = lock(&self.note).hold.is_some();
        // What is held is let go in time, also when nothing is pushed.
        let look_at = if lists { self.list_at } else { Instant::now() + LIST };
        let timer = async { if lists || held { sleep_until(look_at).await } else { std::future::pending().await } };
        let news = self.topics.values_mut().map(|(_, sight)| Box::pin(sight.changed()));
        let news: Vec<_> = news.collect();
        let news = async { if news.is_empty() { std::future::pending().await } else { select_all(news).await } };
        tokio::select! {
            _ = news => {}
            () = timer => {}
        }
    }
}
