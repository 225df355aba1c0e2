//! The instances of a service as one service of invocations.
//!
//! | file | what |
//! |---|---|
//! | `snapshot.rs`, `directory.rs` | who there is: the pure merge of changes, and the task that follows the registry |
//! | `unlisted.rs` | whom the registry lists no more, and who is called on all the same |
//! | `balance/`, `load.rs`, `dice.rs` | who is chosen |
//! | `routes.rs` | what rules leave of them for a call |
//! | `pick.rs` | who may be chosen: connection state and earlier tries |
//! | `spread.rs` | calls that go to several at once, or to all |
//! | `endpoint.rs`, `pool.rs`, `connectivity.rs` | one instance: its stack, its connections, its state |
//! | `live.rs` | what is kept of it: what a pick looks at in one place, the rest when it is called |
//! | `place.rs`, `line.rs` | how many calls there are at one at once, and those that wait for a place |
//! | `wait.rs` | calls that find nobody at once |
//! | `health.rs` | how an instance does: its breakers, and whether it is left out |
//! | `state.rs` | what others may see of an instance |
//!
//! Mostly a call finds an endpoint at once: a load of the snapshot, a pick, and off it goes. Only when nobody is
//! connected, or all are full, it waits, for at most the patience and never past its deadline.

mod balance;
#[cfg(feature = "bench")]
pub mod bench;
mod connectivity;
mod dice;
mod directory;
mod endpoint;
mod health;
mod line;
mod live;
mod load;
mod pick;
mod place;
mod pool;
mod routes;
mod snapshot;
mod spread;
mod state;
#[cfg(test)]
mod tests;
mod unlisted;
mod wait;

pub(crate) use balance::hash;
pub use connectivity::Connectivity;
pub(crate) use dice::Dice;
#[cfg(feature = "server")]
pub(crate) use endpoint::TOKEN;
pub(crate) use health::HealthSettings;
pub use state::{Avoided, EndpointState};

use crate::{
    call::{BoxFuture, Invocation, Reply, Status},
    client::Balance,
    layer::{Cares, Named, Spread},
    policy::{Concurrency, ConcurrencyOptions, Key, LimitState},
    route::{Consumer, RuleState, Rules, Tunes},
    transport::{Connect, Http2Limits},
    wall::since_the_epoch,
};
use arc_swap::ArcSwapOption;
use balance::{Affinity, First, LoadBalance, Sticky};
use directory::{Directory, Following, Governance, Snapshot};
use endpoint::Sent;
use health::Outliers;
use line::Line;
use mainstay_registry::{ConfigCenter, Discover, Lookup};
use pick::{Pick, Sought};
use place::Place;
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
use tokio::{sync::Notify, time::Instant};
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
    /// How many calls one instance has at once; `None` for any number.
    pub(crate) concurrency: Option<ConcurrencyOptions>,
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
    /// Calls that wait because all are full.
    line: Line<Place>,
}

impl Common {
    fn new(settings: Settings) -> Self {
        let dice = settings.seed.map_or_else(Dice::default, Dice::new);
        let outliers = Outliers::new(settings.health.outliers.clone());
        let birth_unix = u64::try_from(since_the_epoch().as_millis()).unwrap_or(u64::MAX);
        let (birth, changed, line) = (Instant::now(), Notify::new(), Line::default());
        Self { settings, dice, birth, birth_unix, outliers, changed, line }
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
        let only = self.0.only(&all);
        let places = all.endpoints.iter().enumerate();
        places.map(|(place, endpoint)| endpoint.state(&self.0.common, &all, place, only)).collect()
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

    /// How the limit of calls at each instance does, where one is set. The instances tell of their places themselves.
    pub(crate) fn limit(&self) -> Option<LimitState> {
        let options = self.0.common.settings.concurrency.clone()?;
        let rule = format!("{}, at each instance", Concurrency::new(options).rule());
        let line = self.0.common.line.len();
        Some(LimitState { policy: "endpoint_concurrency", rule, limit: None, under_way: None, line })
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
            Ok(Some((place, pooled))) => Sending::Sent(place.call(pooled, call, began)),
            Ok(None) => Sending::Waiting(Box::pin(self.clone().send_later(call))),
            Err(error) => Sending::Waiting(Box::pin(std::future::ready(Err(error.into())))),
        }
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
        // What is drawn for one call of a session is drawn for all.
        let own = sought.affinity.map(Dice::new);
        let dice = own.as_ref().unwrap_or(&common.dice);
        let affinity = sought.affinity.map(Affinity);
        let balance: &dyn LoadBalance = match &affinity {
            _ if sought.first => &First,
            Some(affinity) => affinity,
            None => &*self.balance,
        };
        let part = match &snapshot.routes {
            None => None,
            Some(routes) => Some(routes.part(&snapshot.endpoints, sought.asked, || dice.throw(), relaxed)?),
        };
        Ok(ask(&Pick { snapshot: &snapshot, part: part.as_deref(), balance, sought, now, common, dice }))
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
        names.extend(self.0.common.settings.concurrency.as_ref().map(|_| "places"));
        names.push("pool");
    }
}
