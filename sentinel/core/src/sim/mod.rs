//! A world in one process: sentinels over a virtual network, servers that replicate, a client that writes, and faults.
//!
//! Everything that happens is an entry in one queue, ordered by virtual time; everything random comes from one seed. So a
//! run is a function of scenario and seed, and its trace (a hash over all that was delivered) repeats exactly. The world
//! is harsher than TCP and disks are: messages between sentinels are lost, doubled and reordered, a crash can come between
//! any two actions and loses what was not yet saved, clocks drift and leap.
//!
//! | file | what |
//! |---|---|
//! | [`node`] | a sentinel and its driver: clock, disk, links |
//! | `act` | what its actions do |
//! | [`server`] | a model of a data server: roles, histories, asynchronous replication, write gate, pause of writes |
//! | `replication` | how those servers follow each other |
//! | [`client`] | a client that writes and remembers what was acknowledged |
//! | [`net`] | who can reach whom, and how long it takes |
//! | [`check`] | the invariants |
//! | [`scenario`] | faults, and what is expected at the end |
//! | `switchovers` | the faults of planned switchovers |
//! | [`explore`] | exhaustive search over votes and epochs at small bounds |

mod act;
pub mod check;
pub mod client;
pub mod explore;
pub mod net;
pub mod node;
mod replication;
pub mod scenario;
pub mod server;
mod switchovers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{Hash, Hasher};

use crate::config::Settings;
use crate::event::Event;
use crate::ids::{Address, MasterName, RunId};
use crate::rng::{Rng, mix};
use check::Checker;
use client::Client;
use net::{Host, Net};
use node::{Node, Tamper};
use server::{Server, ToServer};

/// Virtual time in microseconds.
pub type Micros = u64;

/// One millisecond.
pub const MS: Micros = 1_000;

/// What a queue entry does when its time comes.
#[derive(Debug, Clone, Hash)]
pub(crate) enum What {
    /// An event for a sentinel, in this life of it.
    Node { node: usize, life: u32, event: Event },
    /// A connection's fate, which changes the driver's links before the core hears of it.
    Link { node: usize, life: u32, server: usize, up: bool, event: Event },
    /// The time a sentinel asked for.
    Wake { node: usize, life: u32, number: u64 },
    /// A sentinel may not be busy any more.
    Resume { node: usize },
    /// A sentinel starts.
    Start { node: usize },
    /// The driver tries to connect.
    Connect { node: usize, life: u32, server: usize },
    /// The driver tries to reach a peer.
    Meet { node: usize, life: u32, peer: usize },
    /// Something arrives at a server, from this host.
    Server { server: usize, from: Host, message: ToServer },
    /// Something arrives at the client.
    Client(client::ToClient),
    /// A fault begins or ends.
    Fault(scenario::Fault),
}

struct Entry {
    at: Micros,
    number: u64,
    /// Boxed: entries move within the queue.
    what: Box<What>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How big a world is, and how it is set.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many sentinels.
    pub sentinels: usize,
    /// How many replicas.
    pub replicas: usize,
    /// The settings all sentinels share.
    pub settings: Settings,
    /// Sentinels know each other as ours from the start.
    pub all_ours: bool,
    /// The client confirms each write with this many replicas.
    pub confirm: Option<usize>,
    /// Greatest clock drift, in parts per million.
    pub drift_ppm: u64,
    /// Of 1000 messages between sentinels so many are lost, and as many doubled.
    pub lossy: u64,
    /// Of 1000 saves so many end in a crash.
    pub crash_at_save: u64,
    /// There is a moment with no master, never two: nobody is promoted beside a master.
    pub one_master: bool,
}

/// The world.
pub(crate) struct Sim {
    pub(crate) now: Micros,
    pub(crate) rng: Rng,
    pub(crate) setup: Setup,
    pub(crate) net: Net,
    pub(crate) nodes: Vec<Node>,
    pub(crate) servers: Vec<Server>,
    pub(crate) client: Client,
    pub(crate) check: Checker,
    queue: BinaryHeap<Reverse<Entry>>,
    number: u64,
    trace: Digest,
}

impl Sim {
    pub(crate) fn new(setup: Setup, seed: u64, tamper: Tamper) -> Self {
        let mut rng = Rng::new(seed);
        let (sentinels, servers) = (setup.sentinels, setup.replicas + 1);
        let nodes = (0..sentinels).map(|i| Node::new(i, &setup, &mut rng, tamper)).collect();
        let mut sim = Self {
            now: 0,
            net: Net::new(sentinels, servers, setup.lossy),
            nodes,
            servers: (0..servers).map(|i| Server::new(i, &mut rng)).collect(),
            client: Client::new(setup.confirm),
            check: Checker::new(&setup),
            rng,
            setup,
            queue: BinaryHeap::new(),
            number: 0,
            trace: Digest::default(),
        };
        for node in 0..sentinels {
            let at = sim.rng.below(200 * MS);
            sim.at(at, What::Start { node });
        }
        for server in 0..servers {
            sim.tick_server(server);
        }
        sim.at(500 * MS, What::Client(client::ToClient::Next { attempt: 0 }));
        sim
    }

    /// Puts something into the queue.
    pub(crate) fn at(&mut self, at: Micros, what: What) {
        self.number += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), number: self.number, what: Box::new(what) }));
    }

    /// Lets the world go on until `end`, or a violation.
    pub(crate) fn run_until(&mut self, end: Micros) {
        while self.queue.peek().is_some_and(|Reverse(entry)| entry.at <= end) && self.check.violation.is_none() {
            let Some(Reverse(entry)) = self.queue.pop() else { return };
            self.now = entry.at;
            if let Some(later) = self.not_yet(&entry.what) {
                self.at(later, *entry.what);
                continue;
            }
            (entry.at, &entry.what).hash(&mut self.trace);
            self.deliver(*entry.what);
        }
        self.now = self.now.max(end);
    }

    /// A stopped server takes nothing: when it will.
    fn not_yet(&self, what: &What) -> Option<Micros> {
        let until = match what {
            What::Server { server, .. } => self.servers[*server].stopped_until,
            _ => 0,
        };
        (until > self.now).then_some(until)
    }

    fn deliver(&mut self, what: What) {
        match what {
            What::Node { node, .. } | What::Link { node, .. } | What::Wake { node, .. } => self.node_takes(node, what),
            What::Resume { node } => self.node_resumes(node),
            What::Start { node } => self.node_start(node),
            What::Connect { node, life, server } => self.node_connect(node, life, server),
            What::Meet { node, life, peer } => self.node_meets(node, life, peer),
            What::Server { server, from, message } => self.server_message(server, from, message),
            What::Client(message) => self.client_message(message),
            What::Fault(fault) => self.fault(fault),
        }
    }

    /// What the run looked like: equal for equal scenario and seed.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.finish()
    }
}

/// The one master that a world monitors.
pub(crate) fn master_name() -> MasterName {
    MasterName::from("m")
}

/// Where server `i` listens.
pub(crate) fn server_address(i: usize) -> Address {
    Address::new("s", 6_000 + i as u16)
}

/// Which server listens there.
pub(crate) fn server_at(address: &Address) -> usize {
    usize::from(address.port - 6_000)
}

/// Where sentinel `i` listens.
pub(crate) fn node_address(i: usize) -> Address {
    Address::new("n", 26_000 + i as u16)
}

/// The id of sentinel `i`.
pub(crate) fn node_id(i: usize) -> RunId {
    RunId::from_number(1 + i as u64)
}

/// Which sentinel has this id.
pub(crate) fn node_of(id: RunId) -> usize {
    usize::from_str_radix(id.as_str().trim_start_matches('0'), 16).map_or(0, |n| n - 1)
}

/// A hash that is fixed for ever, so that a trace can be compared across builds; a word at a time, since everything that
/// is delivered, and every state of a search, passes through it.
#[derive(Debug, Default)]
pub(crate) struct Digest(u64);

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ n);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}
