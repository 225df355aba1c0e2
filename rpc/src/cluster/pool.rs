//! The connections to one endpoint: opened when a call wants them, more of them when calls pile up, fewer when they do
//! not, and opened again after they broke, not faster than [`Machine`] allows.
//!
//! A call reads one immutable list and takes the connection with the fewest calls; everything else happens in a task
//! per connection. A pool that is dropped drops its connections, and each ends with its last call.

use super::{
    Common,
    connectivity::{Connectivity, Machine},
    live::Live,
};
use crate::transport::{Connection, Target, unopened};
use arc_swap::ArcSwap;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// Calls on the emptiest connection at which one more is opened.
const BUSY: usize = 64;
/// How often a connection that is more than the least is looked at: it goes when no call took it since the last time.
const IDLE: Duration = Duration::from_secs(30);

/// The connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Pool {
    target: Target,
    common: Arc<Common>,
    open: ArcSwap<Vec<Arc<Pooled>>>,
    machine: Mutex<Machine>,
    /// Where picks see of the machine what they need, without its lock.
    live: Weak<Live>,
    last_error: Mutex<Option<Arc<str>>>,
}

/// A connection in the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    since: Instant,
    used: AtomicBool,
}

impl Pool {
    pub(crate) fn new(target: Target, common: Arc<Common>, live: Weak<Live>) -> Self {
        let machine = Mutex::new(Machine::new(common.settings.connections.clone()));
        Self { target, common, open: ArcSwap::default(), machine, live, last_error: Mutex::default() }
    }

    /// Connections that are open and take calls.
    pub(crate) fn connections(&self) -> usize {
        self.open.load().len()
    }

    /// The state, for people and tests.
    pub(crate) fn connectivity(&self) -> Connectivity {
        self.lock().state()
    }

    /// Why the last attempt failed.
    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection with the fewest calls; opens one more when even that one is busy.
    ///
    /// `sure`: the call cannot be sent twice by any means, so a peer that has said goodbye is looked for first.
    pub(crate) fn take(self: &Arc<Self>, sure: bool, now: Duration) -> Option<Arc<Pooled>> {
        let open = self.open.load();
        if sure {
            open.iter().filter(|one| !one.connection.takes_calls()).for_each(|one| self.retire(one));
        }
        let open = if sure { self.open.load() } else { open };
        let (calls, best) = match open.as_slice() {
            [only] => (only.connection.in_flight(), only),
            all => all.iter().map(|one| (one.connection.in_flight(), one)).min_by_key(|(calls, _)| *calls)?,
        };
        if !best.used.load(Relaxed) {
            best.used.store(true, Relaxed);
        }
        if calls >= BUSY && open.len() < *self.common.settings.connections.end() {
            self.dial(true, now);
        }
        Some(best.clone())
    }

    /// Begins to connect, if it is time to.
    pub(crate) fn dial(self: &Arc<Self>, busy: bool, now: Duration) {
        let wanted = {
            let mut machine = self.lock();
            let wanted = machine.wanted(busy, now);
            self.show(&machine);
            wanted
        };
        for _ in 0..wanted {
            tokio::spawn(self.clone().open_one());
        }
    }

    /// Takes a connection out that accepts no more calls; those under way go on.
    pub(crate) fn retire(&self, pooled: &Arc<Pooled>) {
        let mut machine = self.lock();
        let open = self.open.load();
        if !open.iter().any(|one| Arc::ptr_eq(one, pooled)) {
            return;
        }
        self.open.store(Arc::new(open.iter().filter(|one| !Arc::ptr_eq(one, pooled)).cloned().collect()));
        machine.closed(pooled.since.elapsed(), self.common.now(), self.common.dice.throw());
        self.show(&machine);
        drop(machine);
        self.common.changed.notify_waiters();
    }

    /// The registry has withdrawn the endpoint: calls under way go on, new ones do not come.
    pub(crate) fn withdraw(&self) {
        let mut machine = self.lock();
        machine.withdraw();
        self.open.store(Arc::default());
        if let Some(live) = self.live.upgrade() {
            live.show_gone();
        }
    }

    async fn open_one(self: Arc<Self>) {
        let opened = timeout(self.common.settings.connect_timeout, self.connect()).await;
        let opened = opened.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
        match opened {
            Ok(connection) => self.add(connection),
            Err(error) => self.failed(&error),
        }
        self.common.changed.notify_waiters();
    }

    async fn connect(&self) -> Result<Connection, String> {
        let settings = &self.common.settings;
        let authority = self.target.to_string().parse().map_err(|error| format!("{error}"))?;
        let io = settings.connector.connect(&self.target).await.map_err(|error| error.to_string())?;
        let scheme = settings.connector.scheme();
        let consumer = settings.consumer.as_deref();
        let connection = Connection::open(io, scheme.clone(), authority, consumer, &settings.limits).await;
        connection.map_err(|error| unopened(&error, &scheme))
    }

    fn add(self: &Arc<Self>, connection: Connection) {
        let closed = connection.closed();
        let pooled = Arc::new(Pooled { connection, since: Instant::now(), used: AtomicBool::new(true) });
        let weak = Arc::downgrade(&pooled);
        {
            let mut machine = self.lock();
            if !machine.opened() {
                return;
            }
            let open = self.open.load();
            self.open.store(Arc::new(open.iter().cloned().chain([pooled]).collect()));
            self.show(&machine);
        }
        tracing::debug!(target = %self.target, "connected");
        tokio::spawn(tend(Arc::downgrade(self), weak, closed));
    }

    fn failed(&self, error: &str) {
        let mut machine = self.lock();
        machine.failed(self.common.now(), self.common.dice.throw());
        self.show(&machine);
        drop(machine);
        tracing::debug!(target = %self.target, error, "could not connect");
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
    }

    /// Lets picks see what the machine says.
    fn show(&self, machine: &Machine) {
        if let Some(live) = self.live.upgrade() {
            live.show(machine.state(), machine.until());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one connection until it has ended or is not needed any more. Holds neither the pool nor the connection.
async fn tend(pool: Weak<Pool>, pooled: Weak<Pooled>, closed: impl Future<Output = ()>) {
    let mut closed = std::pin::pin!(closed);
    loop {
        let ended = tokio::select! {
            biased;
            () = &mut closed => true,
            () = sleep(IDLE) => false,
        };
        let (Some(pool), Some(pooled)) = (pool.upgrade(), pooled.upgrade()) else { return };
        let unused = !pooled.used.swap(false, Relaxed) && pooled.connection.in_flight() == 0;
        if ended || (unused && pool.lock().spare()) {
            pool.retire(&pooled);
            return;
        }
    }
}
