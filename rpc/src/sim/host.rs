//! What software sees of the simulated host that it runs on.

use super::{
    net::{Listener, Net, now},
    registry::{Records, Seat},
    story::Recorder,
};
use crate::{
    client::{Client, ConnectBuilder},
    server::{Drained, Running, Server},
    transport::Http2Limits,
    wall::since_the_epoch,
};
use mainstay_registry::{Hub, Instance, InstanceId, Lease, Registration, Registry as _, Rng, sim::Digest};
use std::{
    fmt::Display,
    hash::{Hash, Hasher},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The port that [`Host::serve`] listens on.
const PORT: u16 = 80;
/// How long a silent connection that owes an answer is believed, and how long it has to answer then.
const KEEPALIVE: Duration = Duration::from_millis(200);
/// How long connecting may take: what asks for it may be lost, and is not sent again.
const CONNECTS: Duration = Duration::from_millis(500);
/// How long the registry has to take a registration back.
const WITHDRAW: Duration = Duration::from_secs(3);

/// A simulated host, in one of its lives. Clones are the same.
#[derive(Clone, Debug)]
pub struct Host {
    name: Arc<str>,
    life: u32,
    seed: u64,
    /// How many seeds were drawn in this life.
    seeds: Arc<AtomicU64>,
    recorder: Recorder,
    records: Records,
}

impl Host {
    pub(super) fn new(name: Arc<str>, seed: u64, recorder: Recorder, records: Records) -> Self {
        Self { name, life: 0, seed, seeds: Arc::default(), recorder, records }
    }

    /// The same host in another life.
    pub(super) fn born(&self, life: u32) -> Self {
        Self { life, seeds: Arc::default(), ..self.clone() }
    }

    /// Its name, by which others connect to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of its lives this is: 1, and one more after each crash.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// How long the run has been going on.
    pub fn now(&self) -> Duration {
        now()
    }

    /// Notes something that happened: it becomes part of the story, and of its hash.
    pub fn note(&self, what: impl Display) {
        self.recorder.note(now(), &self.name, what.to_string());
    }

    /// Numbers from the run's seed: other ones with each call.
    pub fn rng(&self) -> Rng {
        Rng::new(self.draw())
    }

    fn draw(&self) -> u64 {
        let mut digest = Digest::default();
        (self.seed, &self.name, self.life, self.seeds.fetch_add(1, Relaxed)).hash(&mut digest);
        digest.finish()
    }

    /// The registry, as this host sees it.
    pub fn registry(&self) -> Hub {
        Hub::new(Seat { host: self.name.clone(), records: self.records.clone(), seed: self.draw() })
    }

    /// Listens on the simulated network.
    ///
    /// # Errors
    /// When somebody listens there already.
    pub async fn listen(&self, port: u16) -> io::Result<Listener> {
        self.net().listen(port).await
    }

    fn net(&self) -> Net {
        Net { host: self.name.clone(), recorder: self.recorder.clone() }
    }

    /// Serves on port 80, and registers what is served as `application`'s.
    ///
    /// # Errors
    /// When somebody listens there already.
    pub async fn serve(&self, application: &str, server: Server) -> io::Result<Serving> {
        let keys = server.keys();
        let server = server.start(self.listen(PORT).await?);
        let id = InstanceId::new(format!("{}:{PORT}#{}", self.name, self.life));
        let mut instance = Instance::new(application, &*self.name, PORT).with_id(id);
        instance.started_at = u64::try_from(since_the_epoch().as_millis()).unwrap_or(u64::MAX);
        let lease = self.registry().register(Registration::new(instance, keys));
        Ok(Serving { server, lease })
    }

    /// Makes a client one of this host: it connects over the simulated network, looks into the simulated registry unless an
    /// address is said, finds out after a fifth of a second that a connection is broken, and has its chance from the seed. What
    /// is said after this wins.
    pub fn connect<C: From<Client>>(&self, client: ConnectBuilder<C>) -> ConnectBuilder<C> {
        let mut limits = Http2Limits::default();
        (limits.keepalive, limits.keepalive_timeout) = (KEEPALIVE, KEEPALIVE);
        let client = client.connector(self.net()).registry(self.registry()).limits(limits);
        client.connect_timeout(CONNECTS).seed(self.draw())
    }
}

/// A server on a simulated host, and its registration.
#[derive(Debug)]
pub struct Serving {
    server: Running,
    lease: Lease,
}

impl Serving {
    /// The server.
    pub fn server(&self) -> &Running {
        &self.server
    }

    /// The registration: to change what is announced, or take it back.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Waits until nothing can be accepted any more.
    ///
    /// # Errors
    /// When the listener failed.
    pub async fn ended(mut self) -> io::Result<()> {
        self.server.ended().await
    }

    /// Ends as an application does: the registration first, then, after a pause in which it still serves, the server.
    pub async fn drain(self, pause: Duration, grace: Duration) -> Drained {
        // A registry that is away finds out by itself.
        let _ = self.lease.withdraw(WITHDRAW).await;
        tokio::time::sleep(pause).await;
        self.server.drain(grace).await
    }
}
