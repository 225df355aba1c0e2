//! What a sentinel knows: itself, its masters, their servers, its peers.
//!
//! Ordered collections and plain values: a state can be cloned, compared and hashed, which the exhaustive search lives
//! on. Public to read (commands, metrics and the view for clients are made from it), changed only by `step`.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Task};
use super::config::{Globals, Settings};
use super::durable::{Durable, DurableMaster, DurablePeer, Pause, PeerKind, Vote};
use super::election::Barrier;
use super::event::Report;
use super::failover::{Failover, Stage};
use super::ids::{Address, Epoch, MasterName, Millis, RunId, ServerRef, Target, Ticket};
use super::rng::Rng;

/// A sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sentinel {
    pub(super) me: RunId,
    pub(super) current_epoch: Epoch,
    pub(super) globals: Globals,
    pub(super) masters: BTreeMap<MasterName, Master>,
    pub(super) peers: BTreeMap<RunId, Peer>,
    /// Host name to IP literal, as resolved.
    pub(super) names: BTreeMap<String, String>,
    pub(super) tilt: Option<Millis>,
    pub(super) rng: Rng,
    pub(super) tickets: u64,
    /// What is awaited, and for which master.
    pub(super) pending: BTreeMap<Ticket, (MasterName, Errand)>,
    pub(super) started: bool,
    /// The last `WakeAt`.
    pub(super) wake: Millis,
    pub(super) peers_wake: Millis,
    /// The disk refused the last state: nothing may be promised before it takes one.
    pub(super) unsaved: bool,
    /// The durable state changed in this step.
    pub(super) dirty: bool,
    /// The time of this step.
    pub(super) now: Millis,
    pub(super) out: Vec<Action>,
}

/// One monitored master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Master {
    /// Its name.
    pub name: MasterName,
    /// Address of the configured master; during a failover still the old one, see [`Master::current_address`].
    pub address: Address,
    /// Its settings.
    pub settings: Settings,
    /// The epoch of the configuration that is published.
    pub config_epoch: Epoch,
    /// The last vote given here.
    pub vote: Vote,
    /// The configured master and its replicas.
    pub servers: BTreeMap<Address, Server>,
    /// The other sentinels that watch it.
    pub peers: BTreeMap<RunId, Watcher>,
    /// Since when a quorum holds it for down.
    pub objectively_down: Option<Millis>,
    /// The failover or switchover this sentinel is at.
    pub failover: Option<Failover>,
    /// An operator stopped decisions about it.
    pub paused: Option<Pause>,
    /// What keeps this sentinel from being a candidate.
    pub(super) barrier: Barrier,
    /// The server was announced that an observer would have promoted, in this outage.
    pub(super) observed: bool,
    /// When redis-sentinels may hear of the present master.
    pub(super) news_after: Millis,
    /// When something is due next.
    pub(super) wake: Millis,
}

/// A data server under a master's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its link.
    pub link: Link,
    /// Since when it is held for down here.
    pub down: Option<Millis>,
    /// Identity of its present life, as reported last.
    pub run_id: Option<RunId>,
    /// What it reported last.
    pub report: Option<Report>,
    /// When that arrived.
    pub reported_at: Millis,
    /// When the question was asked that the report answers.
    pub asked_at: Millis,
    /// Since when it reports the role it reports.
    pub role_since: Millis,
    /// Since when it reports to follow the master it follows.
    pub following_since: Millis,
    /// The last question for a report.
    pub inspect_sent: Option<Millis>,
    /// The last hello published there.
    pub hello_sent: Option<Millis>,
    /// How far its re-pointing in the present failover has come.
    pub reconf: Reconf,
    /// It belongs to another group: its address was reused.
    pub foreign: bool,
    /// It restarted and has not been well since.
    pub rebooted: Option<Millis>,
    /// The end of its last down period.
    pub(super) up_since: Millis,
    pub(super) script_killed: bool,
    /// A repair is under way.
    pub(super) repairing: bool,
    /// When the next repair may be tried.
    pub(super) repair_after: Millis,
    /// When the gate is to be looked after next.
    pub(super) gate_after: Millis,
}

/// What an outcome is for. Those of a failover carry its epoch: an outcome that comes late concerns nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    Detach(Epoch, Address),
    Fence(Epoch),
    Promote(Epoch),
    Pause(Epoch),
    StepDown(Epoch),
    TurnBack(Epoch),
    Reconf(Epoch, Address),
    Repair(Address),
    Gate(Address),
    /// Nothing depends on it.
    Courtesy,
}

/// How far a replica's re-pointing has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reconf {
    /// Not begun.
    #[default]
    None,
    /// Told, at this time.
    Sent(Millis),
    /// It follows the new master, since this time, and synchronises.
    InProgress(Millis),
    /// It follows the new master, or was given up.
    Done,
}

/// The state of a link, and what was heard on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// It stands.
    pub up: bool,
    /// Since when it does or does not.
    pub since: Millis,
    /// Since when a valid reply is owed: the first unanswered PING, or the loss of the link.
    pub unanswered: Option<Millis>,
    /// The last PING.
    pub ping_sent: Option<Millis>,
    /// The last reply of any sort.
    pub last_reply: Millis,
    /// The last valid reply.
    pub last_ok: Millis,
    /// The other end closed the link that stood before this outage.
    pub(super) closed: bool,
    /// And an attempt to connect was refused since.
    pub(super) refused: bool,
}

/// Another sentinel: one link for all masters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Where it listens.
    pub address: Address,
    /// Which program it is.
    pub kind: PeerKind,
    /// Its link.
    pub link: Link,
}

/// Another sentinel as a watcher of one master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Watcher {
    /// Since when it is held for down here, by this master's settings.
    pub down: Option<Millis>,
    /// It says that the master is down.
    pub says_down: bool,
    /// Since when at the latest that is so: a stall of this loop or a slow network makes no old opinion a new one.
    pub(super) said: Millis,
    /// Its last vote, as it told.
    pub vote: Vote,
    /// When it was asked last to which it answered with a vote for this sentinel.
    pub(super) voted_for_me: Option<Millis>,
    /// The last question.
    pub asked: Option<Millis>,
    /// The last answer.
    pub answered: Option<Millis>,
    /// The last hello about this master.
    pub last_hello: Millis,
    /// The last hello sent to it.
    pub hello_sent: Option<Millis>,
    /// The wait before the next question, in milliseconds.
    pub(super) ask_gap: u64,
}

impl Link {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            up: false,
            since: now,
            unanswered: Some(now),
            ping_sent: None,
            last_reply: now,
            last_ok: now,
            closed: false,
            refused: false,
        }
    }
}

impl Server {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            link: Link::new(now),
            down: None,
            run_id: None,
            report: None,
            reported_at: now,
            asked_at: Millis::default(),
            role_since: now,
            following_since: now,
            inspect_sent: None,
            hello_sent: None,
            reconf: Reconf::None,
            foreign: false,
            rebooted: None,
            up_since: now,
            script_killed: false,
            repairing: false,
            repair_after: now,
            gate_after: now,
        }
    }
}

impl Watcher {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            down: None,
            says_down: false,
            said: now,
            vote: Vote::default(),
            voted_for_me: None,
            asked: None,
            answered: None,
            last_hello: now,
            hello_sent: None,
            ask_gap: 0,
        }
    }
}

impl Master {
    pub(super) fn new(name: MasterName, durable: DurableMaster, now: Millis) -> Self {
        let addresses = durable.replicas.into_iter().chain([durable.address.clone()]);
        Self {
            name,
            address: durable.address,
            settings: durable.settings,
            config_epoch: durable.config_epoch,
            vote: durable.vote,
            servers: addresses.map(|address| (address, Server::new(now))).collect(),
            peers: durable.peers.into_keys().map(|id| (id, Watcher::new(now))).collect(),
            objectively_down: None,
            failover: None,
            paused: durable.paused,
            // Whoever has the vote from before the restart may be at work.
            barrier: Barrier::holding(durable.vote.candidate.map(|_| now)),
            observed: false,
            news_after: now,
            wake: now,
        }
    }

    /// The server under this address.
    pub(super) fn server_ref(&self, address: &Address) -> ServerRef {
        ServerRef { master: self.name.clone(), address: address.clone() }
    }

    /// The configured master's server.
    pub fn server(&self) -> Option<&Server> {
        self.servers.get(&self.address)
    }

    /// Since when the configured master is held for down here.
    pub fn down(&self) -> Option<Millis> {
        self.server().and_then(|s| s.down)
    }

    /// The replicas.
    pub fn replicas(&self) -> impl Iterator<Item = (&Address, &Server)> {
        self.servers.iter().filter(|(address, _)| **address != self.address)
    }

    /// The address that clients, peers and the durable state are told: the promoted replica as soon as it is master.
    pub fn current_address(&self) -> &Address {
        match self.failover.as_ref().map(|f| &f.stage) {
            Some(Stage::Reconfigure { to }) => to,
            _ => &self.address,
        }
    }

    /// How many sentinels watch it, this one and dead ones included.
    pub fn voters(&self) -> usize {
        self.peers.len() + 1
    }

    /// The server that is told to be the master.
    pub(super) fn current_server(&self) -> Option<&Server> {
        self.servers.get(self.current_address())
    }

    /// How many votes a leader needs.
    pub fn votes_needed(&self) -> usize {
        (self.voters() / 2 + 1).max(self.settings.quorum as usize)
    }

    fn durable(&self, peers: &BTreeMap<RunId, Peer>) -> DurableMaster {
        let current = self.current_address().clone();
        let replicas: BTreeSet<_> = self.servers.keys().filter(|a| **a != current).cloned().collect();
        let known = |id: &RunId| {
            let peer = peers.get(id)?;
            Some((*id, DurablePeer { address: peer.address.clone(), kind: peer.kind }))
        };
        DurableMaster {
            address: current,
            config_epoch: self.config_epoch,
            vote: self.vote,
            settings: self.settings.clone(),
            replicas,
            peers: self.peers.keys().filter_map(known).collect(),
            paused: self.paused.clone(),
        }
    }
}

impl Sentinel {
    /// A sentinel that goes on where `durable` ends. `seed` is all the randomness it will ever have; `now` is the
    /// driver's clock. Feed [`Event::Timer`](super::event::Event::Timer) first.
    pub fn new(durable: Durable, seed: u64, now: Millis) -> Self {
        let mut peers = BTreeMap::new();
        for (id, peer) in durable.masters.values().flat_map(|m| &m.peers) {
            let known = Peer { address: peer.address.clone(), kind: peer.kind, link: Link::new(now) };
            peers.insert(*id, known);
        }
        let masters = durable.masters.into_iter();
        Self {
            me: durable.me,
            current_epoch: durable.current_epoch,
            globals: durable.globals,
            masters: masters.map(|(name, m)| (name.clone(), Master::new(name, m, now))).collect(),
            peers,
            names: BTreeMap::new(),
            tilt: None,
            rng: Rng::new(seed),
            tickets: 0,
            pending: BTreeMap::new(),
            started: false,
            wake: now,
            peers_wake: now,
            unsaved: false,
            dirty: false,
            now,
            out: Vec::new(),
        }
    }

    /// This sentinel's id.
    pub fn me(&self) -> RunId {
        self.me
    }

    /// The greatest epoch seen.
    pub fn current_epoch(&self) -> Epoch {
        self.current_epoch
    }

    /// Settings of the whole sentinel.
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// The monitored masters.
    pub fn masters(&self) -> &BTreeMap<MasterName, Master> {
        &self.masters
    }

    /// The other sentinels, of all masters.
    pub fn peers(&self) -> &BTreeMap<RunId, Peer> {
        &self.peers
    }

    /// Since when no decisions are made because the loop stalled.
    pub fn tilt(&self) -> Option<Millis> {
        self.tilt
    }

    /// What a restart must find.
    pub fn durable(&self) -> Durable {
        Durable {
            me: self.me,
            current_epoch: self.current_epoch,
            globals: self.globals.clone(),
            masters: self.masters.iter().map(|(name, m)| (name.clone(), m.durable(&self.peers))).collect(),
        }
    }

    /// Both texts mean the same machine and port.
    pub(super) fn same(&self, a: &Address, b: &Address) -> bool {
        let ip = |host: &str| self.names.get(host).cloned().unwrap_or_else(|| host.to_owned());
        a == b || (a.port == b.port && !self.names.is_empty() && ip(&a.host) == ip(&b.host))
    }

    /// All links of a master's servers.
    pub(super) fn server_targets(m: &Master) -> impl Iterator<Item = (Target, Address)> + '_ {
        m.servers.keys().map(|a| (Target::Server(m.server_ref(a)), a.clone()))
    }

    /// Has something done whose outcome is awaited.
    pub(super) fn run(&mut self, m: &Master, errand: Errand, task: Task) {
        self.tickets += 1;
        self.pending.insert(Ticket(self.tickets), (m.name.clone(), errand));
        self.put(Action::Do(Ticket(self.tickets), task));
    }
}
