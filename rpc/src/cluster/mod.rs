//! The instances of a service as one service of invocations.
//!
//! | file | what |
//! |---|---|
//! | `snapshot.rs`, `directory.rs` | who there is: the pure merge of changes, and the task that follows the registry |
//! | `balance/`, `load.rs`, `dice.rs` | who is chosen |
//! | `pick.rs` | who may be chosen: connection state and earlier tries |
//! | `endpoint.rs`, `pool.rs`, `connectivity.rs` | one instance: its stack, its connections, its state |
//! | `health.rs` | how an instance does: its breakers, and whether it is left out |
//! | `state.rs` | what others may see of an instance |
//!
//! Mostly a call finds an endpoint at once: a load of the snapshot, a pick, and off it goes. Only when nobody is
//! connected it waits, for at most the patience and never past its deadline.

mod balance;
#[cfg(feature = "bench")]
pub mod bench;
mod connectivity;
mod dice;
mod directory;
mod endpoint;
mod health;
mod load;
mod pick;
mod pool;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use balance::hash;
pub use connectivity::Connectivity;
pub(crate) use dice::Dice;
pub(crate) use health::HealthSettings;
pub use state::{Avoided, EndpointState};

use crate::{
    call::{BoxFuture, Invocation, Reason, Reply, Status},
    client::Balance,
    layer::Named,
    policy::Key,
    transport::{Connect, Http2Limits},
};
use balance::{LoadBalance, Sticky};
use directory::{Directory, Following, Snapshot};
use endpoint::{Endpoint, Sent};
use health::Outliers;
use mainstay_registry::{Discover, Lookup};
use pick::{Pick, Sought};
use pool::Pooled;
use snapshot::Derive;
use std::{
    ops::RangeInclusive,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tonic::Code;
use tower_service::Service;

/// What a client's endpoints are made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connector: Arc<dyn Connect>,
    pub(crate) limits: Http2Limits,
    pub(crate) balance: Balance,
    /// Stays with who was picked while it can be used.
    pub(crate) sticky: bool,
    /// What calls are told apart by, where the balancer asks for it.
    pub(crate) hash_by: Key,
    /// Instances of this zone come first.
    pub(crate) zone: Option<Arc<str>>,
    /// How long an instance grows to its whole share after it began to serve, and after it was left out.
    pub(crate) warm_up: Duration,
    pub(crate) slow_start: Duration,
    pub(crate) health: HealthSettings,
    /// Connections per endpoint.
    pub(crate) connections: RangeInclusive<usize>,
    /// Bounds one attempt to connect.
    pub(crate) connect_timeout: Duration,
    /// How long a call waits for somebody to be there and connected.
    pub(crate) patience: Duration,
    /// The application that calls, as Dubbo's providers are told. Visible ASCII.
    pub(crate) consumer: Option<Arc<str>>,
    /// Where chance begins, if it is not to be random.
    pub(crate) seed: Option<u64>,
}

/// What all parts of a cluster share.
#[derive(Debug)]
pub(crate) struct Common {
    settings: Settings,
    dice: Dice,
    birth: Instant,
    /// The same moment in milliseconds since the epoch: instances say by it when they began.
    birth_unix: u64,
    outliers: Outliers,
    /// The directory or the state of a connection has changed.
    changed: Notify,
}

impl Common {
    fn new(settings: Settings) -> Self {
        let dice = settings.seed.map_or_else(Dice::default, Dice::new);
        let outliers = Outliers::new(settings.health.outliers.clone());
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let birth_unix = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { settings, dice, birth: Instant::now(), birth_unix, outliers, changed: Notify::new() }
    }

    /// A moment in milliseconds since the epoch.
    fn unix(&self, now: Duration) -> u64 {
        self.birth_unix.saturating_add(balance::millis(now))
    }

    /// Somebody's share is not its whole weight now: it warms up, or grows again.
    fn ramps(&self, snapshot: &Snapshot, now: Duration) -> bool {
        snapshot.ages.warming(self.unix(now), self.settings.warm_up)
            || self.outliers.recovering(now, self.settings.slow_start)
    }

    /// The time as the decisions count it.
    fn now(&self) -> Duration {
        self.birth.elapsed()
    }
}

/// The instances of one service. A clone is the same cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    common: Arc<Common>,
    directory: Arc<Directory>,
    balance: Box<dyn LoadBalance>,
    following: OnceLock<Following>,
}

/// How long a call waits for one endpoint before it would take any other.
const STEP: Duration = Duration::from_millis(250);

impl Cluster {
    /// A cluster that looks nothing up before its first call.
    pub(crate) fn new(discover: Arc<dyn Discover>, lookup: Lookup, settings: Settings) -> Self {
        let rule = balance::rule(&settings.balance);
        let balance = if settings.sticky { Box::new(Sticky::new(rule)) } else { rule };
        let derive = Derive { ring: balance.wants_ring(), zone: settings.zone.clone() };
        let common = Arc::new(Common::new(settings));
        let directory = Arc::new(Directory::new(discover, lookup, common.clone(), derive));
        Self(Arc::new(Inner { common, directory, balance, following: OnceLock::new() }))
    }

    /// Every endpoint that is known now, in the order of their ids.
    pub(crate) fn states(&self) -> Vec<EndpointState> {
        self.0.directory.snapshot().endpoints.iter().map(|endpoint| endpoint.state(&self.0.common)).collect()
    }
}

impl Inner {
    fn send(self: &Arc<Self>, call: Invocation) -> Sending {
        self.following.get_or_init(|| self.directory.follow());
        // Of a first try the stub has read the clock a moment ago.
        let began = match call.tried.is_empty() {
            true => call.began.saturating_duration_since(self.common.birth),
            false => self.common.now(),
        };
        self.common.outliers.watch(began, || self.directory.snapshot());
        match self.pick(self.sought(&call), began, |pick| pick.choose(false)) {
            Some((endpoint, pooled)) => Sending::Sent(endpoint.call(pooled, call, began, self.common.clone())),
            None => Sending::Waiting(Box::pin(self.clone().send_later(call))),
        }
    }

    async fn send_later(self: Arc<Self>, call: Invocation) -> Result<Reply, Status> {
        let (endpoint, pooled, began) = self.wait(self.sought(&call), call.deadline).await?;
        endpoint.call(pooled, call, began, self.common.clone()).await
    }

    fn sought<'a>(&self, call: &'a Invocation) -> Sought<'a> {
        let settings = &self.common.settings;
        let key = if self.balance.wants_ring() { settings.hash_by.of(call) } else { None };
        Sought::of(call, settings.health.lane(&call.method), key)
    }

    fn pick<T>(&self, sought: Sought<'_>, now: Duration, ask: impl FnOnce(&Pick<'_>) -> T) -> T {
        let (snapshot, balance) = (self.directory.snapshot(), &*self.balance);
        ask(&Pick { snapshot: &snapshot, balance, sought, now, common: &self.common })
    }

    /// Waits until somebody is there and connected.
    async fn wait(
        &self,
        sought: Sought<'_>,
        deadline: Option<Instant>,
    ) -> Result<(Arc<Endpoint>, Arc<Pooled>, Duration), Status> {
        let began = Instant::now();
        let patient = began + self.common.settings.patience;
        let until = deadline.map_or(patient, |deadline| deadline.min(patient));
        let mut tried_too = false;
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            let now = self.common.now();
            let found = self.pick(sought, now, |pick| {
                tried_too |= !sought.tried.is_empty() && !pick.hope();
                pick.choose(tried_too).ok_or_else(|| pick.broken())
            });
            match found {
                Ok((endpoint, pooled)) => return Ok((endpoint, pooled, now)),
                Err(true) => return Err(broken()),
                Err(false) => {}
            }
            let step = Instant::now() + STEP;
            if timeout_at(until.min(step), changed).await.is_err() {
                tried_too = true;
                if Instant::now() >= until {
                    return Err(self.nobody(until != patient));
                }
            }
        }
    }

    /// Why nobody took the call.
    fn nobody(&self, late: bool) -> Status {
        let snapshot = self.directory.snapshot();
        let (reason, text) = if snapshot.endpoints.is_empty() {
            (Reason::NoInstance, self.directory.explain(snapshot.heard))
        } else {
            let errors = snapshot.endpoints.iter().map(|endpoint| {
                let error = endpoint.live.pool.last_error();
                format!("{}: {}", endpoint.instance.address(), error.as_deref().unwrap_or("no connection yet"))
            });
            let (all, shown) = (snapshot.endpoints.len(), errors.take(3).collect::<Vec<_>>().join("; "));
            (Reason::ConnectFailed, format!("none of {all} instances is connected: {shown}"))
        };
        if late {
            let text = format!("the deadline passed while waiting for an instance: {text}");
            return Status::because(Reason::DeadlineExceeded, Code::DeadlineExceeded, text).not_reached();
        }
        Status::because(reason, Code::Unavailable, text).not_reached()
    }
}

/// Waiting would not help: whoever is connected is not to be called for a while.
#[cold]
fn broken() -> Status {
    let text = "too many calls failed: the breaker of every instance that is connected is open";
    Status::because(Reason::BreakerOpen, Code::Unavailable, text).not_reached()
}

/// A call that an endpoint has, or that waits for one.
pub(crate) enum Sending {
    Sent(Sent),
    Waiting(BoxFuture<'static, Result<Reply, Status>>),
}

impl Future for Sending {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Sent(sent) => Pin::new(sent).poll(cx),
            Self::Waiting(call) => call.as_mut().poll(cx),
        }
    }
}

impl Service<Invocation> for Cluster {
    type Response = Reply;
    type Error = Status;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        self.0.send(call)
    }
}

impl Named for Cluster {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("cluster");
        names.extend(self.0.common.settings.zone.as_ref().map(|_| "zone"));
        names.push(self.0.balance.name());
        names.extend(self.0.common.settings.health.outliers.as_ref().map(|_| "outliers"));
        names.extend(self.0.common.settings.health.breaker.as_ref().map(|_| "breaker"));
        names.push("pool");
    }
}
