//! Services in a simulated network, on a virtual clock, with faults: the same story each time for the same seed.
//!
//! Each host runs what it would run elsewhere: a [`Server`](crate::server::Server), clients of
//! [`connect`](crate::client::connect), code of one's own. Connections, discovery and time are the simulation's, so that half a
//! minute of outages takes a tenth of a second, and the seed of a run that failed brings it back. Wants the feature `sim`;
//! for tests.
//!
//! ```
//! use mainstay::{prelude::*, server::Server, sim::{Ended, Failed, Fault, Host, Rng, Sim, Story}};
//! use std::time::Duration;
//!
//! #[mainstay::service]
//! pub trait Stock {
//!     #[rpc(idempotent)]
//!     async fn left(&self, item: String) -> Result<u32>;
//! }
//!
//! struct Shelf;
//!
//! impl Stock for Shelf {
//!     async fn left(&self, item: String) -> Result<u32> {
//!         Ok(item.len() as u32)
//!     }
//! }
//!
//! async fn provider(host: Host) -> Ended {
//!     let server = Server::new().serve(StockServer::new(Shelf));
//!     Ok(host.serve("stock", server).await?.ended().await?)
//! }
//!
//! /// One of two providers crashes at some time, and the shop notices nothing.
//! fn run(seed: u64) -> Result<Story, Failed> {
//!     let ms = Duration::from_millis;
//!     let crash = Fault::crash("stock-1").drawn(&mut Rng::new(seed), ms(200)..ms(800), ms(100)..ms(500));
//!     Sim::new(seed)
//!         .host("stock-1", provider)
//!         .host("stock-2", provider)
//!         .client("shop", |host| async move {
//!             let stock: StockClient = host.connect(StockClient::connect("stock")).build()?;
//!             while host.now() < Duration::from_secs(2) {
//!                 assert_eq!(stock.left("apples".into()).await?, 6);
//!                 tokio::time::sleep(Duration::from_millis(10)).await;
//!             }
//!             Ok(())
//!         })
//!         .fault(crash)
//!         .run()
//! }
//!
//! for seed in 0..5 {
//!     let story = run(seed).expect("a good end");
//!     assert_eq!(story.fired().len(), 1, "the crash came");
//!     assert_eq!(run(seed).expect("the same").hash(), story.hash());
//! }
//! ```
//!
//! # What repeats, and what would not
//!
//! Time is tokio's, paused and moved by the simulation; [`std::time`] goes on by itself. Chance is the seed's for the network,
//! for clients of [`Host::connect`], and for [`Host::rng`]; other dice are not. All hosts share one thread, and whatever leaves it
//! (`spawn_blocking`, an access log, files, real sockets) leaves the simulation. In `tokio::select!` of one's own, `biased`
//! keeps chance out.
//!
//! The network delays and loses whole segments, and never sends one again, as TCP would: a connection over which something was
//! lost has a hole for good. Clients of [`Host::connect`] find such holes by asking after a fifth of a second.
//!
//! | file | what |
//! |---|---|
//! | `fault` | what goes wrong, where, when and for how long |
//! | `host` | what software sees of the host that it runs on |
//! | `net` | connections over the simulated network |
//! | `registry` | the simulated registry |
//! | `story` | what happened, and its hash |

mod fault;
mod host;
mod net;
mod registry;
mod story;

pub use fault::Fault;
pub use host::{Host, Serving};
pub use mainstay_registry::Rng;
pub use net::Listener;
pub use story::{Failed, Line, Story};

use fault::{Kind, Link};
use registry::Records;
use std::{
    error::Error,
    fmt,
    ops::Range,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use story::Recorder;

/// What a host or a client ends with: an error ends the run.
pub type Ended = Result<(), Box<dyn Error>>;

type Software = Pin<Box<dyn Future<Output = Ended>>>;

/// The name of the simulated registry, where faults ask for one.
pub const REGISTRY: &str = "registry";

/// A simulation being set up.
pub struct Sim {
    seed: u64,
    latency: Range<Duration>,
    lasting: Duration,
    members: Vec<(Arc<str>, Role)>,
    faults: Vec<Fault>,
    recorder: Recorder,
    records: Records,
}

enum Role {
    Host(Box<dyn Fn(Host) -> Software>),
    Client(Box<dyn FnOnce(Host) -> Software>),
}

impl Sim {
    /// A simulation of nobody yet. Messages take 1 to 10 ms, and a run may take a minute.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            latency: Duration::from_millis(1)..Duration::from_millis(10),
            lasting: Duration::from_secs(60),
            members: Vec::new(),
            faults: Vec::new(),
            recorder: Recorder::default(),
            records: Records::default(),
        }
    }

    /// How long messages take.
    #[must_use]
    pub fn latency(mut self, latency: Range<Duration>) -> Self {
        self.latency = latency;
        self
    }

    /// How long a run may take, in virtual time: one that takes longer has failed.
    #[must_use]
    pub fn lasting(mut self, lasting: Duration) -> Self {
        self.lasting = lasting;
        self
    }

    /// A host that may crash, and starts again then: its software is called for each of its lives.
    #[must_use]
    pub fn host<F>(mut self, name: &str, software: impl Fn(Host) -> F + 'static) -> Self
    where
        F: Future<Output = Ended> + 'static,
    {
        self.members.push((name.into(), Role::Host(Box::new(move |host| Box::pin(software(host))))));
        self
    }

    /// A host that does what the test is about. The run ends when all clients have.
    #[must_use]
    pub fn client<F>(mut self, name: &str, software: impl FnOnce(Host) -> F + 'static) -> Self
    where
        F: Future<Output = Ended> + 'static,
    {
        self.members.push((name.into(), Role::Client(Box::new(move |host| Box::pin(software(host))))));
        self
    }

    /// Something that goes wrong.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// When a host or a client ends with an error or a panic, when it takes too long, or when a fault is about nobody.
    pub fn run(mut self) -> Result<Story, Failed> {
        let outcome = self.known().and_then(|()| self.play());
        let story = self.recorder.story(self.seed);
        outcome.map(|()| story.clone()).map_err(|why| Failed { why, story })
    }

    /// Faults are about who is there, and only hosts crash.
    fn known(&self) -> Result<(), String> {
        for fault in &self.faults {
            let role = |name: &str| self.members.iter().find(|(known, _)| **known == *name).map(|(_, role)| role);
            let wrong = fault.names().find(|name| *name != REGISTRY && role(name).is_none());
            if let Some(name) = wrong {
                return Err(format!("{fault}: there is no {name}"));
            }
            if let Kind::Crash(name) = &fault.kind
                && matches!(role(name), Some(Role::Client(_)))
            {
                return Err(format!("{fault}: a client starts only once"));
            }
        }
        Ok(())
    }

    fn play(&mut self) -> Result<(), String> {
        let mut net = turmoil::Builder::new()
            .rng_seed(self.seed)
            .enable_random_order()
            .epoch(SystemTime::UNIX_EPOCH + EPOCH)
            .min_message_latency(self.latency.start)
            .max_message_latency(self.latency.end)
            .simulation_duration(self.lasting)
            .build();
        for (name, role) in std::mem::take(&mut self.members) {
            self.enter(&mut net, name, role);
        }
        let mut acts = fault::acts(&self.faults).into_iter().peekable();
        loop {
            while let Some((_, fault, begins)) = acts.next_if(|(at, ..)| *at <= net.elapsed()) {
                self.act(&mut net, &self.faults[fault], begins);
            }
            if net.step().map_err(|error| error.to_string())? {
                return Ok(());
            }
        }
    }

    fn enter(&self, net: &mut turmoil::Sim<'static>, name: Arc<str>, role: Role) {
        let host = Host::new(name.clone(), self.seed, self.recorder.clone(), self.records.clone());
        // Software begins inside of its host's first turn: before that its clock says nothing.
        match role {
            Role::Host(start) => {
                let (start, lives) = (Rc::<dyn Fn(Host) -> Software>::from(start), AtomicU32::new(0));
                net.host(&*name, move || {
                    let host = host.born(lives.fetch_add(1, Relaxed) + 1);
                    let start = start.clone();
                    async move {
                        host.note("starts");
                        start(host).await
                    }
                });
            }
            Role::Client(start) => net.client(&*name, async move { start(host.born(1)).await }),
        }
    }

    /// A fault begins or ends.
    fn act(&self, net: &mut turmoil::Sim<'static>, fault: &Fault, begins: bool) {
        match &fault.kind {
            Kind::Crash(name) if &**name == REGISTRY => self.records.set_away(begins),
            Kind::Crash(name) if begins && !net.is_host_running(&**name) => return,
            Kind::Crash(name) if begins => net.crash(&**name),
            Kind::Crash(name) => net.bounce(&**name),
            Kind::Forget if begins => self.records.forget(),
            Kind::Forget => return,
            Kind::Link(_, one, other) | Kind::Link(_, other, one) if &**one == REGISTRY => {
                self.records.set_cut(other, begins);
            }
            Kind::Link(link, from, to) => self.link(net, link, [&**from, &**to], begins),
        }
        self.recorder.fault(net.elapsed(), fault, begins);
    }

    fn link(&self, net: &turmoil::Sim<'static>, link: &Link, [from, to]: [&str; 2], begins: bool) {
        match (link, begins) {
            (Link::Cut, true) => net.partition(from, to),
            (Link::Cut, false) => net.repair(from, to),
            (Link::OneWay, true) => net.partition_oneway(from, to),
            (Link::OneWay, false) => net.repair_oneway(from, to),
            (Link::Held, true) => net.hold(from, to),
            (Link::Held, false) => net.release(from, to),
            (Link::Slow(most), true) => net.set_link_max_message_latency(from, to, *most),
            (Link::Slow(_), false) => net.set_link_max_message_latency(from, to, self.latency.end),
        }
    }
}

/// When simulations begin: the time of day is theirs too.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sim").field("seed", &self.seed).field("members", &members).finish_non_exhaustive()
    }
}
