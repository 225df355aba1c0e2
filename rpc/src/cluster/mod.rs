//! The instances of a service as one service of invocations.
//!
//! | file | what |
//! |---|---|
//! | `snapshot.rs`, `directory.rs` | who there is: the pure merge of changes, and the task that follows the registry |
//! | `balance/`, `load.rs`, `dice.rs` | who is chosen |
//! | `routes.rs` | what rules leave of them for a call |
//! | `pick.rs` | who may be chosen: connection state and earlier tries |
//! | `spread.rs` | calls that go to several at once, or to all |
//! | `endpoint.rs`, `pool.rs`, `connectivity.rs` | one instance: its stack, its connections, its state |
//! | `live.rs` | what is kept of it: what a pick looks at in one place, the rest when it is called |
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
mod live;
mod load;
mod pick;
mod pool;
mod routes;
mod snapshot;
mod spread;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use balance::hash;
pub use connectivity::Connectivity;
pub(crate) use dice::Dice;
#[cfg(feature = "server")]
pub(crate) use endpoint::TOKEN;
pub(crate) use health::HealthSettings;
pub use state::{Avoided, EndpointState};

use crate::{
    call::{BoxFuture, Invocation, Reason, Reply, Status},
    client::Balance,
    layer::{Cares, Named, Spread},
    policy::Key,
    route::{Consumer, RuleState, Rules, Tunes},
    transport::{Connect, Http2Limits},
    wall::since_the_epoch,
};
use arc_swap::ArcSwapOption;
use balance::{First, LoadBalance, Sticky};
use directory::{Directory, Following, Governance, Snapshot};
use endpoint::Sent;
use health::Outliers;
use live::Live;
use mainstay_registry::{ConfigCenter, Discover, Lookup};
use pick::{Pick, Sought};
use pool::Pooled;
use routes::NoRoute;
use snapshot::{Derive, InForce};
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
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
    /// Where rules are kept.
    pub(crate) rules: Option<Arc<dyn ConfigCenter>>,
    /// The tag of calls that say none.
    pub(crate) tag: Option<String>,
    /// What rules see of the client besides.
    pub(crate) labels: BTreeMap<String, String>,
    /// What becomes of calls that fail: some go to several instances for it.
    pub(crate) cares: Cares,
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
        let birth_unix = u64::try_from(since_the_epoch().as_millis()).unwrap_or(u64::MAX);
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

    /// A moment as the decisions count it.
    fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.birth)
    }

    /// The time as they count it.
    fn now(&self) -> Duration {
        self.at(Instant::now())
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
    /// Some calls go to several.
    spreads: bool,
    following: OnceLock<Following>,
}

/// How long a call waits for one endpoint before it would take any other.
const STEP: Duration = Duration::from_millis(250);

impl Cluster {
    /// A cluster that looks nothing up before its first call.
    pub(crate) fn new(discover: Arc<dyn Discover>, lookup: Lookup, settings: Settings) -> Self {
        let rule = balance::rule(&settings.balance);
        let balance = if settings.sticky { Box::new(Sticky::new(rule)) } else { rule };
        let consumer = Arc::new(settings.consumer(&lookup));
        let governance = Governance::new(settings.rules.clone(), consumer.clone());
        let in_force = Some(InForce { rules: Rules::default(), consumer });
        let spreads = !settings.cares.is_plain();
        let derive = Derive { ring: balance.wants_ring(), zone: settings.zone.clone(), in_force };
        let common = Arc::new(Common::new(settings));
        let directory = Arc::new(Directory::new(discover, lookup, common.clone(), derive, governance));
        Self(Arc::new(Inner { common, directory, balance, spreads, following: OnceLock::new() }))
    }

    /// Every endpoint that is known now, in the order of their ids.
    pub(crate) fn states(&self) -> Vec<EndpointState> {
        let all = self.0.directory.snapshot();
        let places = all.endpoints.iter().enumerate();
        places.map(|(place, endpoint)| endpoint.state(&self.0.common, &all, place)).collect()
    }

    /// What is looked for where, in words: `stock.StockApi of application stock`, `file:///run/user/1000/mainstay`.
    pub(crate) fn sought_where(&self) -> (String, String) {
        self.0.directory.sought_where()
    }

    /// Why there is nobody, in one line; `None` when there is somebody.
    pub(crate) fn why_nobody(&self) -> Option<String> {
        let snapshot = self.0.directory.snapshot();
        snapshot.endpoints.is_empty().then(|| self.0.directory.explain(snapshot.heard))
    }

    /// How it stands with the rules.
    pub(crate) fn rules(&self) -> Vec<RuleState> {
        self.0.directory.governance.board.states()
    }

    /// What rules say of how calls are made; `None` when there is nowhere to say it.
    pub(crate) fn tunes(&self) -> Option<Arc<ArcSwapOption<Tunes>>> {
        let governance = &self.0.directory.governance;
        governance.center.is_some().then(|| governance.tunes.clone())
    }
}

impl Inner {
    fn send(self: &Arc<Self>, call: Invocation) -> Sending {
        self.following.get_or_init(|| self.directory.follow());
        // Of a first try the stub has read the clock a moment ago.
        let began = match call.tried.is_empty() {
            true => self.common.at(call.began),
            false => self.common.now(),
        };
        self.common.outliers.watch(began, || self.directory.snapshot());
        if let Some(several @ (Spread::Fork(_) | Spread::All)) = self.spread(&call) {
            return Sending::Waiting(Box::pin(self.clone().send_to_several(call, several)));
        }
        match self.pick(self.sought(&call), began, false, |pick| pick.choose(false)) {
            Ok(Some((live, pooled))) => Sending::Sent(live.call(pooled, call, began)),
            Ok(None) => Sending::Waiting(Box::pin(self.clone().send_later(call))),
            Err(error) => Sending::Waiting(Box::pin(std::future::ready(Err(error.into())))),
        }
    }

    async fn send_later(self: Arc<Self>, call: Invocation) -> Result<Reply, Status> {
        let (live, pooled, began) = self.wait(self.sought(&call), call.deadline).await?;
        live.call(pooled, call, began).await
    }

    fn sought<'a>(&self, call: &'a Invocation) -> Sought<'a> {
        let settings = &self.common.settings;
        let key = if self.balance.wants_ring() { settings.hash_by.of(call) } else { None };
        let first = self.spread(call) == Some(Spread::First);
        Sought { first, ..Sought::of(call, settings.health.lane(&call.method), key) }
    }

    /// Whom a call goes to, where it is not one of many.
    fn spread(&self, call: &Invocation) -> Option<Spread> {
        if !self.spreads {
            return None;
        }
        self.common.settings.cares.of(&call.method).spread(&call.method)
    }

    /// With `relaxed`, rules that do not insist are passed over.
    fn pick<T>(
        &self,
        sought: Sought<'_>,
        now: Duration,
        relaxed: bool,
        ask: impl FnOnce(&Pick<'_>) -> T,
    ) -> Result<T, NoRoute> {
        let (snapshot, common) = (self.directory.snapshot(), &self.common);
        let balance: &dyn LoadBalance = if sought.first { &First } else { &*self.balance };
        let part = match &snapshot.routes {
            None => None,
            Some(routes) => Some(routes.part(&snapshot.endpoints, sought.asked, || common.dice.throw(), relaxed)?),
        };
        Ok(ask(&Pick { snapshot: &snapshot, part: part.as_deref(), balance, sought, now, common }))
    }

    /// Waits until somebody is there and connected.
    async fn wait(
        &self,
        sought: Sought<'_>,
        deadline: Option<Instant>,
    ) -> Result<(Arc<Live>, Arc<Pooled>, Duration), Status> {
        let began = Instant::now();
        let patient = began + self.common.settings.patience;
        let until = deadline.map_or(patient, |deadline| deadline.min(patient));
        let (mut tried_too, mut relaxed) = (false, false);
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            let now = self.common.now();
            let found = self.pick(sought, now, relaxed, |pick| {
                let hope = pick.hope();
                tried_too |= !sought.tried.is_empty() && !hope;
                pick.choose(tried_too).ok_or_else(|| (pick.broken(), pick.part.is_some() && !hope))
            });
            match found? {
                Ok((live, pooled)) => return Ok((live, pooled, now)),
                // Nobody of those that rules want will answer: others do, where the rules do not insist.
                Err((_, true)) if !relaxed => {
                    relaxed = true;
                    continue;
                }
                Err((true, _)) => return Err(broken()),
                Err((false, _)) => {}
            }
            let step = Instant::now() + STEP;
            if timeout_at(until.min(step), changed).await.is_err() {
                tried_too = true;
                if Instant::now() >= until {
                    return Err(self.nobody(sought, until != patient));
                }
            }
        }
    }

    /// Why nobody took the call.
    fn nobody(&self, sought: Sought<'_>, late: bool) -> Status {
        let explain = |pick: &Pick<'_>| {
            if pick.snapshot.endpoints.is_empty() {
                return (Reason::NoInstance, self.directory.explain(pick.snapshot.heard));
            }
            let errors = pick.endpoints().map(|endpoint| {
                let error = endpoint.last_error();
                format!("{}: {}", endpoint.instance.address(), error.as_deref().unwrap_or("no connection yet"))
            });
            let (all, shown) = (pick.endpoints().count(), errors.take(3).collect::<Vec<_>>().join("; "));
            let among = if pick.part.is_some() { " that rules leave for this call" } else { "" };
            (Reason::ConnectFailed, format!("none of {all} instances{among} is connected: {shown}"))
        };
        let (reason, text) = match self.pick(sought, self.common.now(), false, explain) {
            Ok(explained) => explained,
            Err(error) => return error.into(),
        };
        if late {
            let text = format!("the deadline passed while waiting for an instance: {text}");
            return Status::because(Reason::DeadlineExceeded, Code::DeadlineExceeded, text).not_reached();
        }
        Status::because(reason, Code::Unavailable, text).not_reached()
    }
}

/// Waiting would not help: rules change when somebody changes them.
impl From<NoRoute> for Status {
    #[cold]
    fn from(NoRoute(by): NoRoute) -> Self {
        let text = format!("rules leave no instance for this call: {by}");
        Self::because(Reason::NoRoute, Code::Unavailable, text).not_reached()
    }
}

impl Settings {
    /// What rules see of a client that looks this up.
    fn consumer(&self, lookup: &Lookup) -> Consumer {
        let mut labels = self.labels.clone();
        if let Some(zone) = &self.zone {
            labels.entry("zone".to_owned()).or_insert_with(|| zone.to_string());
        }
        let application = self.consumer.as_deref().map(str::to_owned);
        Consumer { application, tag: self.tag.clone(), labels, ..Consumer::of(lookup.key.clone()) }
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
