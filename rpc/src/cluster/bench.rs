//! What `cargo bench-layers` reaches below the public interface: picks and updates of a directory, and calls without a stack.
//! Behind the feature `bench`, and not part of the public interface.

use super::{
    Common, Settings,
    balance::{LoadBalance, rule},
    directory::Snapshot,
    pick::{Pick, Sought},
    snapshot::{Derive, InForce},
};
use crate::{
    call::{BoxFuture, Channel, Invocation, Reply, Status},
    client::Balance,
    policy::Key,
    route::{Asked, Consumer, Rules},
    transport::{Connect, Connection, Http2Limits, Target},
};
use mainstay_registry::{Change, Instance, ServiceKey};
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// The directory of so many instances, of which nobody is connected: a pick is a draw among those that may be dialled.
pub struct Field {
    snapshot: Snapshot,
    common: Arc<Common>,
    balance: Box<dyn LoadBalance>,
    key: Key,
    in_force: Option<InForce>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Field")
    }
}

impl Field {
    /// Instances of one weight, each of which has answered before.
    pub fn new(instances: usize, balance: Balance) -> Self {
        let balance_rule = rule(&balance);
        let common = Arc::new(Common::new(Settings { balance, ..Settings::default() }));
        let mut field =
            Self { snapshot: Snapshot::default(), common, balance: balance_rule, key: Key::Method, in_force: None };
        field.apply(Change::Snapshot((0..instances).map(|index| instance(index, 100)).collect()));
        for (index, endpoint) in field.snapshot.endpoints.iter().enumerate() {
            endpoint
                .live(&field.common)
                .load
                .observe(Duration::from_micros(100 + index as u64 % 7), Duration::from_secs(1));
        }
        field
    }

    /// The same under a condition rule, in the words of Dubbo.
    pub fn ruled(instances: usize, balance: Balance, rule: &str) -> Self {
        let mut field = Self::new(instances, balance);
        let consumer = Consumer::of(ServiceKey::new("bench.v1.Echo"));
        field.in_force = Some(InForce { rules: Rules::of_condition(&consumer, rule), consumer: Arc::new(consumer) });
        field.apply(Change::Snapshot(field.snapshot.endpoints.iter().map(|one| one.instance.clone()).collect()));
        field
    }

    /// Picks for a call.
    pub fn pick(&self, call: &Invocation) -> Option<usize> {
        let random = || self.common.dice.throw();
        let part = match &self.snapshot.routes {
            None => None,
            Some(routes) => Some(routes.part(&self.snapshot.endpoints, Asked::of(call), random, false).ok()?),
        };
        let pick = Pick {
            snapshot: &self.snapshot,
            part: part.as_deref(),
            balance: &*self.balance,
            sought: Sought::of(call, None, self.key.of(call)),
            now: Duration::from_secs(1),
            common: &self.common,
            dice: &self.common.dice,
        };
        pick.drawn()
    }

    /// One instance changes its weight.
    pub fn update(&mut self, index: usize, weight: u32) {
        self.apply(Change::Up(instance(index, weight)));
    }

    fn apply(&mut self, change: Change) {
        let mut edit = self.snapshot.edit();
        edit.apply(change);
        self.snapshot =
            edit.finish(&Derive { ring: self.balance.wants_ring(), zone: None, in_force: self.in_force.clone() });
    }
}

fn instance(index: usize, weight: u32) -> Arc<Instance> {
    let port = u16::try_from(index % 60_000 + 1).unwrap_or(1);
    let id = mainstay_registry::InstanceId::new(format!("{index:05}"));
    let mut instance = Instance::new("bench", "127.0.0.1", port).with_id(id).with_weight(weight);
    instance.started_at = 0;
    instance.labels.insert("env".to_owned(), if index.is_multiple_of(10) { "v2" } else { "v1" }.to_owned());
    Arc::new(instance)
}

/// Calls in turn on so many connections, with no stack at all.
///
/// # Errors
/// When a connection cannot be opened.
pub async fn bare(connector: &dyn Connect, connections: usize) -> io::Result<Channel> {
    let mut open = Vec::new();
    for _ in 0..connections.max(1) {
        let io = connector.connect(&Target::new("bench", 1)).await?;
        let authority = http::uri::Authority::from_static("bench");
        let connection = Connection::open(io, connector.scheme(), authority, None, &Http2Limits::default()).await;
        open.push(connection.map_err(io::Error::other)?);
    }
    Ok(Channel::new(Bare { open: open.into(), next: Arc::default() }))
}

#[derive(Clone)]
struct Bare {
    open: Arc<[Connection]>,
    next: Arc<AtomicUsize>,
}

impl Service<Invocation> for Bare {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let index = self.next.fetch_add(1, Relaxed) % self.open.len();
        Box::pin({
            let now = call.began;
            self.open[index].call(call, now)
        })
    }
}
