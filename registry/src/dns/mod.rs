//! `dns://name:port`: instances are the A and AAAA records of a name, as a Kubernetes headless service has them.
//!
//! The name is resolved again every 5 to 10 s (the system's resolver does not tell a record's time to live). What it
//! guarantees: a name server that fails, or answers with nothing, never empties a set; the last good one stays, for a
//! day at most, also over a restart. Its limits: every address is taken to offer whatever is asked of it; a dead
//! process stays listed until the name server drops it, so connection state takes it out first.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    backoff::{Backoff, spread},
    cache::Cache,
    capability::Capabilities,
    error::RegistryError,
    feed::{Changes, Feed},
    inspect::{Finding, Inspect, Inspection, Listing, Offer},
    instance::{Instance, InstanceId, Registration, fresh},
    keeper::Keeper,
    key::ServiceKey,
    lease::Lease,
    port::{Discover, Lookup, Registry, Survey},
    protect::{Health, Hold, Protection},
    set::InstanceSet,
    url::RegistryUrl,
};

/// How often a name is resolved, at most and with jitter down to a half.
const EVERY: Duration = Duration::from_secs(10);
/// How long one resolution may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most addresses of one name that are taken.
const MAX_ADDRESSES: usize = 1000;

/// What turns a name into addresses; the system's resolver unless a test or a special resolver is put in its place.
pub trait Resolve: Send + Sync + std::fmt::Debug {
    /// The addresses of `host`. An error and an empty list both count as no answer.
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

#[derive(Debug)]
struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// The addresses of one name; clones share one loop.
#[derive(Clone, Debug)]
pub struct DnsRegistry {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    host: String,
    port: u16,
    every: Duration,
    resolver: Arc<dyn Resolve>,
    cache: Option<Cache>,
    feed: Arc<Feed>,
    news: Arc<Mutex<News>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the loop knows, for surveys.
#[derive(Debug, Default)]
struct News {
    known: InstanceSet,
    last_change: Option<Instant>,
    unwell: Option<String>,
    hold: Option<Hold>,
}

impl DnsRegistry {
    /// The addresses of `host`, each with `port`, by the system's resolver; last good set in the user's cache directory.
    pub fn new(host: &str, port: u16) -> Self {
        let cache = Cache::of_user(&format!("dns://{host}:{port}"));
        Self::build(host, port, EVERY, Arc::new(System), cache)
    }

    /// The same with another resolver and cache: for tests, and for resolvers of one's own.
    pub fn with_resolver(host: &str, port: u16, resolver: Arc<dyn Resolve>, cache: Option<Cache>) -> Self {
        Self::build(host, port, EVERY, resolver, cache)
    }

    /// The registry that a URL means: `dns://name:port`, with `?every=SECONDS` if 10 will not do.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub fn from_url(url: &RegistryUrl) -> Result<Self, RegistryError> {
        url.only_parameters(&["every"])?;
        if !matches!(url.path(), "" | "/") {
            return Err(url.bad("it takes no path; it should look like dns://name:port"));
        }
        let (host, port) = url.host_and_port(url.authority())?;
        let every = match url.parameter_as::<u64>("every")? {
            Some(0) => return Err(url.bad("`every` must be at least 1 (second)")),
            Some(seconds) => Duration::from_secs(seconds.min(24 * 3600)),
            None => EVERY,
        };
        let cache = Cache::of_user(&format!("dns://{host}:{port}"));
        Ok(Self::build(&host, port, every, Arc::new(System), cache))
    }

    fn build(host: &str, port: u16, every: Duration, resolver: Arc<dyn Resolve>, cache: Option<Cache>) -> Self {
        let core = Core {
            host: host.to_owned(),
            port,
            every,
            resolver,
            cache,
            feed: Arc::default(),
            news: Arc::default(),
            task: Mutex::default(),
        };
        Self { core: Arc::new(core) }
    }
}

impl Core {
    /// Sees to it that the loop runs. Without a runtime, consumers get an empty snapshot and the survey says why.
    fn follow(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            lock(&self.news).unwell = Some("subscribe() was called outside of a tokio runtime".to_owned());
            return self.feed.publish(InstanceSet::new(), &Default::default());
        };
        // A name server has no data to lose, so it needs no time to settle.
        let protection = Protection::default().with_settle(Duration::ZERO);
        let what = format!("dns://{}:{}", self.host, self.port);
        let keeper = Keeper::new(what, self.feed.clone(), protection, self.cache.clone());
        *task = Some(runtime.spawn(self.round().run(keeper)));
    }

    fn round(&self) -> Round {
        Round {
            host: self.host.clone(),
            port: self.port,
            every: self.every,
            resolver: self.resolver.clone(),
            news: self.news.clone(),
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// The loop.
#[derive(Debug)]
struct Round {
    host: String,
    port: u16,
    every: Duration,
    resolver: Arc<dyn Resolve>,
    news: Arc<Mutex<News>>,
}

impl Round {
    async fn run(self, mut keeper: Keeper) {
        let backoff = Backoff { max: self.every, ..Backoff::default() };
        let mut failures = 0;
        loop {
            let pause = match self.resolve().await {
                Ok(set) => {
                    failures = 0;
                    self.note(set.clone());
                    keeper.answered(set, Health::Well);
                    spread(self.every, fresh())
                }
                Err(why) => {
                    failures += 1;
                    keeper.silent(&why).await;
                    lock(&self.news).unwell = Some(why);
                    backoff.delay(failures, fresh())
                }
            };
            lock(&self.news).hold = keeper.hold();
            sleep(pause).await;
        }
    }

    /// The set that the name means now, or why there is no answer to believe.
    async fn resolve(&self) -> Result<InstanceSet, String> {
        let host = &self.host;
        match timeout(PATIENCE, self.resolver.resolve(host)).await {
            Err(_) => Err(format!("resolving {host} took longer than {PATIENCE:?}")),
            Ok(Err(error)) => Err(format!("resolving {host}: {error}")),
            Ok(Ok(addresses)) if addresses.is_empty() => Err(format!("resolving {host}: the name has no address")),
            Ok(Ok(addresses)) => {
                Ok(addresses.iter().take(MAX_ADDRESSES).map(|address| self.instance(*address)).collect())
            }
        }
    }

    fn instance(&self, address: IpAddr) -> Instance {
        let id = InstanceId::new(format!("dns:{address}:{}", self.port));
        let mut instance = Instance::new("", address.to_string(), self.port).with_id(id);
        // Nobody knows, and a made-up time would look like a restart at each resolution.
        instance.started_at = 0;
        instance
    }

    fn note(&self, set: InstanceSet) {
        let mut news = lock(&self.news);
        if news.known != set {
            news.known = set;
            news.last_change = Some(Instant::now());
        }
        news.unwell = None;
    }
}

fn lock(news: &Mutex<News>) -> MutexGuard<'_, News> {
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry for DnsRegistry {
    fn register(&self, registration: Registration) -> Lease {
        Lease::unsupported(registration)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::DNS
    }

    fn describe(&self) -> String {
        format!("dns://{}:{} (the addresses of that name)", self.core.host, self.core.port)
    }
}

impl Discover for DnsRegistry {
    /// Every lookup means the same addresses: a name says nothing of services or applications.
    fn subscribe(&self, _lookup: Lookup) -> Changes {
        self.core.follow();
        self.core.feed.subscribe().keeping(self.core.clone())
    }

    fn survey(&self, interface: &str) -> Survey {
        let news = lock(&self.core.news);
        Survey {
            last_change: news.last_change.map(|at| at.elapsed()),
            unwell: news.unwell.clone(),
            hold: news.hold,
            ..Survey::new(vec![(ServiceKey::new(interface), news.known.len())])
        }
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

impl Inspect for DnsRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        Box::pin(async move {
            let (attempted, key) = (Registry::describe(self), ServiceKey::new(interface.unwrap_or("*")));
            let found = self.core.round().resolve().await;
            let set = found.map_err(|why| RegistryError::Unavailable { attempted, why })?;
            let offers = set.iter().map(|instance| Offer::new(key.clone(), Instance::clone(instance)));
            Ok(Listing::new(offers.collect(), Vec::new()))
        })
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        Box::pin(async move {
            vec![match self.core.round().resolve().await {
                Ok(set) => Finding::fine("name", format!("{} has {} addresses", self.core.host, set.len())),
                Err(why) => Finding::bad("name", why),
            }]
        })
    }
}
