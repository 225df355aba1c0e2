//! `nacos://h1,h2:8848/NAMESPACE?group=G`: Alibaba's Nacos, as Dubbo's peers use it.
//!
//! It speaks the server's own protocol (gRPC, JSON inside) and not through the crate `nacos-sdk`, whose connection and
//! redo tasks live as long as the process: after an outage it waits up to 64 s, then registers again what was
//! registered over it, also what another client has taken back meanwhile. Here a session is one connection, and what is
//! offered over it is gone with it; the next one is opened within 3 s, and each registration's controller writes again.
//!
//! What it guarantees: a registration that the server loses is written again, whatever the reason, and read back over
//! the HTTP API with the eyes of a stranger; a server that is away, or back without its data, empties no consumer's set.
//! Providers stand at both of Dubbo's levels, and consumers read either. Its limits: 1 024 characters of metadata per instance
//! and service; the document of each revision of an application stays. One of a cluster's servers is as good as
//! another: they are tried in turn.
//!
//! | file | what |
//! |---|---|
//! | `url.rs` | what the URL says |
//! | `names.rs` | names of services, instances and their metadata, pure |
//! | `wire.rs` | the protocol's messages, pure |
//! | `dial.rs`, `tls.rs`, `no_tls.rs` | the way to both ports of a server: TCP, and TLS over it, where this build has it |
//! | `session.rs`, `link.rs` | one connection; one for ever |
//! | `http.rs` | the server's own eyes, and the login |
//! | `text.rs`, `texts.rs`, `config.rs` | texts beside the services: names and messages, pure; over a session; the config centre |
//! | `plan.rs`, `record.rs` | a registration: what is wanted, pure; how it gets there |
//! | `shelf.rs`, `papers.rs` | all that is offered by this process; what is written beside it |
//! | `topic.rs`, `mapping.rs`, `applications.rs` | what is followed: a service; which applications there are; what they offer |
//! | `roster.rs`, `offers.rs`, `follow.rs` | whom a service lists, each read once; what all of it means for a lookup; both pure; the consumers of a lookup |
//! | `inspect.rs` | what lies there, for people |
//! | `fuzz.rs` | what fuzz targets drive |
//! | `lonely.rs` | a namespace in which nobody else is |

mod applications;
mod config;
mod dial;
mod follow;
mod fuzz;
mod http;
mod inspect;
mod link;
mod lonely;
mod mapping;
mod names;
mod offers;
mod papers;
#[cfg(test)]
mod peer_tests;
mod plan;
mod record;
mod roster;
mod session;
mod shelf;
mod text;
mod texts;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod topic;
mod url;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

pub use self::{config::NacosConfig, fuzz::read_message};
use self::{
    follow::Following,
    link::Link,
    papers::Papers,
    record::{Looks, NacosRecord},
    shelf::Shelf,
    topic::Topics,
    url::Place,
};
use crate::{
    backoff::Backoff,
    capability::Capabilities,
    controller::Timing,
    dubbo::{Library, Links},
    error::RegistryError,
    feed::{Changes, Feed},
    instance::Registration,
    keep::keep,
    lease::Lease,
    port::{Discover, Lookup, MAX_SKIPPED, Registry, Survey},
    set::InstanceSet,
    url::RegistryUrl,
};

/// A registration that waits for a connection costs nothing, so it looks often.
const TRIES: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) };

/// A Nacos; clones share one connection.
#[derive(Clone, Debug)]
pub struct NacosRegistry {
    core: Arc<Core>,
}

/// What lives as long as any handle, lease or consumer.
#[derive(Debug)]
struct Core {
    place: Arc<Place>,
    link: Link,
    shelf: Arc<Shelf>,
    papers: Papers,
    looks: Looks,
    topics: Topics,
    library: Library,
    followings: Mutex<BTreeMap<Lookup, Weak<Following>>>,
    lonely: lonely::Once,
}

impl NacosRegistry {
    /// The registry that a URL means: `nacos://host:port,…/NAMESPACE?group=G`, `user=env:NAME&password=file:/path` where
    /// the server wants to know who asks, `grpc-port=P` where its connections are not 1 000 above its HTTP API,
    /// `ca=file:/path` where both of its ports speak TLS: the certificates of those who vouch for it (feature `tls`),
    /// `register-mode=all|interface|instance` for the levels that are written.
    ///
    /// It does not wait for the server.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`], also when a secret is not where the URL says.
    pub fn from_url(url: &RegistryUrl) -> Result<Self, RegistryError> {
        Self::linked(url, &Links::default())
    }

    /// The same, which asks providers of the application level by these links.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn linked(url: &RegistryUrl, links: &Links) -> Result<Self, RegistryError> {
        let place = Arc::new(Place::of(url)?);
        let core = Core {
            link: Link::new(place.clone()),
            place,
            shelf: Arc::default(),
            papers: Papers::default(),
            looks: Looks::default(),
            topics: Topics::default(),
            library: Library::new(links.metadata.clone()),
            followings: Mutex::default(),
            lonely: lonely::Once::default(),
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// Whether a URL can be read. Touches nothing.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(crate) fn check(url: &RegistryUrl) -> Result<(), RegistryError> {
        Place::without_secrets(url).map(|_| ())
    }
}

impl Core {
    /// Sees to it that there is a connection. False without a runtime.
    fn keep(&self) -> bool {
        let keeps = self.link.keep();
        if keeps {
            self.lonely.watch(&self.place, &self.link, &self.shelf);
        }
        keeps
    }

    fn followings(&self) -> MutexGuard<'_, BTreeMap<Lookup, Weak<Following>>> {
        self.followings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry for NacosRegistry {
    fn register(&self, registration: Registration) -> Lease {
        self.core.keep();
        let record = NacosRecord::new(self.core.clone(), registration.instance.id.clone());
        keep(record, registration, Timing { backoff: TRIES, ..Timing::default() })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NACOS
    }

    fn describe(&self) -> String {
        self.core.place.describe()
    }
}

impl Discover for NacosRegistry {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        self.core.keep();
        let mut followings = self.core.followings();
        if let Some(following) = followings.get(&lookup).and_then(Weak::upgrade) {
            return following.subscribe().keeping(following);
        }
        followings.retain(|_, following| following.strong_count() > 0);
        let Some(following) = Following::start(&self.core, &lookup) else {
            // Outside of a runtime nobody can be asked.
            let feed = Feed::new();
            feed.publish(InstanceSet::new(), &BTreeMap::new());
            return feed.subscribe();
        };
        let following = Arc::new(following);
        followings.insert(lookup, Arc::downgrade(&following));
        following.subscribe().keeping(following)
    }

    fn survey(&self, interface: &str) -> Survey {
        let mut survey = Survey::default();
        let mut found = BTreeMap::new();
        for (_, following) in self.core.followings().iter().filter(|(lookup, _)| lookup.key.interface == interface) {
            let Some(following) = following.upgrade() else { continue };
            let note = following.note();
            found.extend(note.others.clone());
            found.extend(note.found.clone());
            let ago = note.last_change.map(|at| at.elapsed());
            survey.last_change = [survey.last_change, ago].into_iter().flatten().min();
            survey.unwell = survey.unwell.or_else(|| note.unwell.clone());
            survey.hold = survey.hold.or(note.hold);
            survey.skipped.extend(note.skipped.iter().cloned());
        }
        survey.skipped.truncate(MAX_SKIPPED);
        Survey { found: found.into_iter().collect(), ..survey }
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}
