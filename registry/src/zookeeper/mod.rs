//! `zookeeper://h1:2181,h2:2181/chroot`: a ZooKeeper ensemble, shared with Dubbo's peers.
//!
//! Providers are nodes under `/dubbo/INTERFACE/providers`, each named by its URL, and instances under `/services/APPLICATION`,
//! as Dubbo Java and dubbo-go write and read them. What it guarantees: a registration is seen with the server's eyes every few seconds and belongs to the session
//! that lives; sessions are rebuilt for ever; a consumer never loses its providers because the ensemble is unwell. Its
//! limits: a provider that is killed stays listed until its session ends, 10 s unless the URL says otherwise.
//!
//! | file | what |
//! |---|---|
//! | `url.rs` | what the URL says |
//! | `nodes.rs` | paths, and answers in words |
//! | `session.rs` | the session, rebuilt for ever |
//! | `plan.rs`, `record.rs` | a registration's nodes: what is wanted, and how it gets there |
//! | `follow.rs`, `folder.rs` | the consumers of a lookup; folders whose children are followed |
//! | `applications.rs`, `members.rs` | the application level: which applications there are; who is there, read once for all lookups |
//! | `config.rs` | the config centre |
//! | `inspect.rs` | what lies there, for people |

mod applications;
mod config;
mod folder;
mod follow;
mod inspect;
mod members;
mod nodes;
mod plan;
mod record;
mod session;
mod url;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, task::JoinHandle};

use self::{
    applications::Applications,
    follow::{Follower, News, lock},
    members::Crowd,
    nodes::Nodes,
    record::{ProviderNodes, timing},
    session::{Link, Session},
};
use crate::{
    cache::Cache,
    capability::Capabilities,
    dubbo::{Library, Links},
    error::RegistryError,
    feed::{Changes, Feed},
    instance::Registration,
    keep::keep,
    keeper::Keeper,
    lease::Lease,
    port::{Discover, Lookup, Registry, Survey},
    protect::Protection,
    set::InstanceSet,
    url::RegistryUrl,
};

pub use self::config::ZookeeperConfig;
pub(crate) use self::url::Place;

/// A ZooKeeper ensemble; clones share one session.
#[derive(Clone, Debug)]
pub struct ZookeeperRegistry {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    session: Arc<Session>,
    library: Arc<Library>,
    crowd: Arc<Crowd>,
    followed: Mutex<BTreeMap<Lookup, Followed>>,
}

/// A lookup that somebody follows.
#[derive(Debug)]
struct Followed {
    feed: Arc<Feed>,
    news: Arc<Mutex<News>>,
    task: Option<JoinHandle<()>>,
}

impl ZookeeperRegistry {
    /// The registry that a URL means: `zookeeper://h1:2181,h2:2181[/chroot][?group=dubbo&session=10000&user=env:NAME&password=file:/path]`.
    ///
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`], also when a secret cannot be read.
    pub fn from_url(url: &RegistryUrl) -> Result<Self, RegistryError> {
        Self::linked(url, &Links::default())
    }

    /// The same, which asks providers of the application level by these links.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn linked(url: &RegistryUrl, links: &Links) -> Result<Self, RegistryError> {
        let session = Arc::new(Session::new(Place::of(url)?));
        let library = Arc::new(Library::new(links.metadata.clone()));
        Ok(Self { core: Arc::new(Core { session, library, crowd: Arc::default(), followed: Mutex::default() }) })
    }
}

impl Core {
    fn followed(&self) -> MutexGuard<'_, BTreeMap<Lookup, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The feed of `lookup`, followed by a task; lookups that nobody listens to any more are let go.
    fn follow(&self, lookup: Lookup) -> Changes {
        let mut followed = self.followed();
        followed.retain(|_, followed| followed.lives());
        if let Some(known) = followed.get(&lookup) {
            return known.feed.subscribe();
        }
        let new = self.start(lookup.clone());
        let changes = new.feed.subscribe();
        followed.insert(lookup, new);
        changes
    }

    fn start(&self, lookup: Lookup) -> Followed {
        let place = self.session.place();
        let (feed, news) = (Arc::<Feed>::default(), Arc::<Mutex<News>>::default());
        let Ok(runtime) = Handle::try_current() else {
            lock(&news).refuse("subscribe() was called outside of a tokio runtime");
            feed.publish(InstanceSet::new(), &BTreeMap::new());
            return Followed { feed, news, task: None };
        };
        self.session.begin();
        let what = format!("{lookup} in {}", place.describe());
        let cache = Cache::of_user(&what);
        let follower = Follower {
            nodes: Nodes::of(place),
            link: self.session.link(),
            keeper: Keeper::new(what, feed.clone(), Protection::default(), cache),
            news: news.clone(),
            read: BTreeMap::new(),
            library: self.library.clone(),
            applications: Applications::new(self.crowd.clone(), self.session.link()),
            lookup,
        };
        Followed { feed, news, task: Some(runtime.spawn(follower.run())) }
    }
}

impl Followed {
    fn lives(&self) -> bool {
        self.feed.is_watched() && self.task.as_ref().is_some_and(|task| !task.is_finished())
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Registry for ZookeeperRegistry {
    fn register(&self, registration: Registration) -> Lease {
        self.core.session.begin();
        keep(ProviderNodes::new(self.core.session.clone()), registration, timing())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ZOOKEEPER
    }

    fn describe(&self) -> String {
        self.core.session.place().describe()
    }
}

impl Discover for ZookeeperRegistry {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        self.core.follow(lookup).keeping(self.core.clone())
    }

    fn survey(&self, interface: &str) -> Survey {
        let followed = self.core.followed();
        let news = followed.iter().find(|(lookup, _)| lookup.key.interface == interface).map(|(_, known)| &known.news);
        match news {
            Some(news) => lock(news).survey(),
            None => Survey {
                unwell: match &*self.core.session.link().borrow() {
                    Link::Away(why) | Link::Down(why) => Some(why.to_string()),
                    Link::Begun | Link::Up(_) => None,
                },
                ..Survey::default()
            },
        }
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}
