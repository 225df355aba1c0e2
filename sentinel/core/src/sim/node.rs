//! A sentinel in the world: the pure core, and a driver that carries its actions out over a clock, a disk and links that
//! can each go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::net::Host;
use super::{MS, Micros, Setup, Sim, What, master_name, node_address, node_id, server_address};
use crate::action::Action;
use crate::durable::{Durable, DurableMaster, DurablePeer, PeerKind};
use crate::event::{Cause, Event};
use crate::ids::{Address, Millis, ServerRef, Target};
use crate::rng::Rng;
use crate::state::Sentinel;

/// A change to what passes between a core and its driver: how a test shows that a fault in the product would be found.
#[derive(Debug, Clone, Copy)]
pub struct Tamper {
    /// Applied to each list of actions.
    pub actions: fn(&mut Vec<Action>),
    /// Applied to each event.
    pub event: fn(&mut Event),
}

impl Default for Tamper {
    fn default() -> Self {
        Self { actions: |_| (), event: |_| () }
    }
}

/// A sentinel and its driver.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) index: usize,
    pub(super) core: Option<Sentinel>,
    disk: Durable,
    pub(crate) life: u32,
    pub(crate) busy_until: Micros,
    tamper: Tamper,
    drift_ppm: i64,
    leap: u64,
    pub(super) wake: u64,
    pub(super) wanted: BTreeSet<usize>,
    pub(super) connections: BTreeMap<usize, u64>,
    next_connection: u64,
    /// What came while it was busy.
    inbox: Vec<What>,
}

impl Node {
    pub(crate) fn new(index: usize, setup: &Setup, rng: &mut Rng, tamper: Tamper) -> Self {
        let peers = if setup.all_ours { Some(PeerKind::Ours) } else { None };
        let disk = first_disk(index, setup, peers);
        let drift = rng.below(2 * setup.drift_ppm + 1) as i64 - setup.drift_ppm as i64;
        Self {
            index,
            core: None,
            disk,
            life: 0,
            busy_until: 0,
            tamper,
            drift_ppm: drift,
            leap: rng.below(1_000_000),
            wake: 0,
            wanted: BTreeSet::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            inbox: Vec::new(),
        }
    }

    /// The node's own clock.
    fn clock(&self, now: Micros) -> Millis {
        let drifted = i128::from(now) * (1_000_000 + i128::from(self.drift_ppm)) / 1_000_000;
        Millis(drifted as u64 / MS + self.leap)
    }

    /// When the node's own clock shows this.
    pub(super) fn shows(&self, at: Millis) -> Micros {
        let own = i128::from(at.0.saturating_sub(self.leap)) * i128::from(MS);
        (own * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm)) + 2) as Micros
    }

    /// The connection to a server, if it stands.
    pub(crate) fn connection(&self, server: usize) -> Option<u64> {
        self.connections.get(&server).copied()
    }

    pub(crate) fn core(&self) -> Option<&Sentinel> {
        self.core.as_ref()
    }

    /// Which master a client is told.
    pub(crate) fn tells(&self) -> Option<Address> {
        let master = self.core.as_ref()?.masters().values().next()?;
        Some(master.current_address().clone())
    }
}

/// What a sentinel finds when it starts for the first time; it knows its peers if their kind is given.
pub(crate) fn first_disk(index: usize, setup: &Setup, peers: Option<PeerKind>) -> Durable {
    let mut master = DurableMaster::new(server_address(0), setup.settings.clone());
    master.replicas = (1..=setup.replicas).map(server_address).collect();
    for peer in (0..setup.sentinels).filter(|i| *i != index) {
        if let Some(kind) = peers {
            master.peers.insert(node_id(peer), DurablePeer { address: node_address(peer), kind });
        }
    }
    let mut disk = Durable::new(node_id(index));
    disk.masters.insert(master_name(), master);
    disk
}

impl Sim {
    pub(crate) fn node_start(&mut self, node: usize) {
        let seed = self.rng.next_u64();
        let n = &mut self.nodes[node];
        if n.core.is_some() {
            return;
        }
        n.life += 1;
        n.core = Some(Sentinel::new(n.disk.clone(), seed, n.clock(self.now)));
        self.batch(node, vec![Event::Timer]);
    }

    /// The process dies; what is on its disk stays.
    pub(crate) fn node_crash(&mut self, node: usize, down_for: Micros) {
        let n = &mut self.nodes[node];
        if n.core.take().is_none() {
            return;
        }
        n.connections.clear();
        n.wanted.clear();
        n.busy_until = 0;
        n.inbox.clear();
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            if self.net.reaches(Host::Node(node), Host::Node(peer)) {
                let (life, lost) = (self.nodes[peer].life, Event::LinkDown(Target::Peer(node_id(node)), Cause::Closed));
                self.at(self.now + MS, What::Node { node: peer, life, event: lost });
                self.at(self.now + 100 * MS, What::Meet { node: peer, life, peer: node });
            }
        }
        self.at(self.now + down_for, What::Start { node });
    }

    /// The process dies and is started again, often at once.
    fn node_crash_briefly(&mut self, node: usize) {
        let longest = if self.rng.below(2) == 0 { 100 * MS } else { 3_000 * MS };
        let down_for = 10 * MS + self.rng.below(longest);
        self.node_crash(node, down_for);
    }

    /// The node's clock leaps, as after the sleep of a virtual machine.
    pub(crate) fn node_leap(&mut self, node: usize, ms: u64) {
        self.nodes[node].leap += ms;
        let life = self.nodes[node].life;
        self.at(self.now, What::Node { node, life, event: Event::Timer });
    }

    pub(crate) fn node_meets(&mut self, node: usize, life: u32, peer: usize) {
        if self.nodes[node].life != life {
            return;
        }
        let (a, b) = (Host::Node(node), Host::Node(peer));
        let there = self.net.reaches(a, b) && self.net.reaches(b, a) && self.nodes[peer].core.is_some();
        if there {
            let event = Event::LinkUp(Target::Peer(node_id(peer)));
            self.at(self.now + MS, What::Node { node, life, event });
        } else {
            self.at(self.now + 200 * MS, What::Meet { node, life, peer });
        }
    }

    pub(super) fn datagram(&mut self, from: usize, to: usize, event: Event) {
        let life = self.nodes[to].life;
        for at in self.net.datagram(&mut self.rng, self.now, Host::Node(from), Host::Node(to)) {
            self.at(at, What::Node { node: to, life, event: event.clone() });
        }
    }

    /// Something comes to a sentinel: at once, or when it is not busy any more.
    pub(crate) fn node_takes(&mut self, node: usize, what: What) {
        if self.nodes[node].busy_until > self.now {
            return self.nodes[node].inbox.push(what);
        }
        if let Some(event) = self.note(what) {
            self.batch(node, vec![event]);
        }
    }

    /// What the driver makes of it; an event, if it is one still.
    fn note(&mut self, what: What) -> Option<Event> {
        match what {
            What::Node { node, life, event } => (self.nodes[node].life == life).then_some(event),
            What::Wake { node, life, number } => {
                let n = &self.nodes[node];
                (n.life == life && n.wake == number).then_some(Event::Timer)
            }
            What::Link { node, life, server, up, event } => {
                let n = &mut self.nodes[node];
                if n.life != life || n.core.is_none() || !n.wanted.contains(&server) {
                    return None;
                }
                if up {
                    n.next_connection += 1;
                    n.connections.insert(server, n.next_connection);
                } else {
                    n.connections.remove(&server);
                    let again = self.now + 50 * MS + self.rng.below(100 * MS);
                    self.at(again, What::Connect { node, life, server });
                }
                Some(event)
            }
            _ => None,
        }
    }

    pub(crate) fn node_connect(&mut self, node: usize, life: u32, server: usize) {
        let n = &self.nodes[node];
        if n.life != life || !n.wanted.contains(&server) || n.connections.contains_key(&server) {
            return;
        }
        let (a, b) = (Host::Node(node), Host::Server(server));
        let target = Target::Server(ServerRef { master: master_name(), address: server_address(server) });
        let reaches = self.net.reaches(a, b) && self.net.reaches(b, a);
        let (up, event, takes) = match (reaches, self.servers[server].alive) {
            (true, true) => (true, Event::LinkUp(target), MS),
            (true, false) => (false, Event::LinkDown(target, Cause::Refused), MS),
            (false, _) => (false, Event::LinkDown(target, Cause::Unreachable), 500 * MS),
        };
        self.at(self.now + takes, What::Link { node, life, server, up, event });
    }

    /// A server's process died: whoever can hear it learns that the connection was reset.
    pub(crate) fn nodes_lose(&mut self, server: usize) {
        for node in 0..self.nodes.len() {
            let connected = self.nodes[node].connections.contains_key(&server);
            if connected && self.net.reaches(Host::Server(server), Host::Node(node)) {
                let target = Target::Server(ServerRef { master: master_name(), address: server_address(server) });
                let (life, event) = (self.nodes[node].life, Event::LinkDown(target, Cause::Closed));
                let at = self.now + self.rng.below(MS);
                self.at(at, What::Link { node, life, server, up: false, event });
            }
        }
    }

    /// A process that was busy takes what has come meanwhile, all at once.
    pub(crate) fn node_resumes(&mut self, node: usize) {
        if self.nodes[node].busy_until > self.now {
            return;
        }
        let waiting = std::mem::take(&mut self.nodes[node].inbox);
        let events = waiting.into_iter().filter_map(|what| self.note(what)).collect();
        self.batch(node, events);
    }

    /// Carries the lists of several events out, as the runtime does: they share one save, and what follows a `Persist` in
    /// its list or a later one waits for it, but for what promises nothing.
    fn batch(&mut self, node: usize, events: Vec<Event>) {
        let life = self.nodes[node].life;
        let (mut durable, mut promises) = (None, Vec::new());
        for mut event in events {
            let n = &mut self.nodes[node];
            let now = n.clock(self.now);
            let Some(core) = n.core.as_mut().filter(|_| n.life == life) else { return };
            (n.tamper.event)(&mut event);
            let mut actions = core.step(event, now);
            (n.tamper.actions)(&mut actions);
            for action in actions {
                match action {
                    Action::Persist(state) => durable = Some(state),
                    action if durable.is_none() || action.is_free() => {
                        if !self.say(node, life, action) {
                            return;
                        }
                    }
                    action => promises.push(action),
                }
            }
        }
        let Some(durable) = durable else { return };
        let crash = self.rng.below(1_000) < self.setup.crash_at_save;
        if !crash || self.rng.below(2) == 0 {
            self.nodes[node].disk = *durable;
        }
        if crash {
            return self.node_crash_briefly(node);
        }
        let arrived = self.now;
        self.now += 500 + self.rng.below(12 * MS);
        self.node_is_busy(node, self.now);
        for action in promises {
            if !self.say(node, life, action) {
                break;
            }
        }
        self.now = arrived;
    }

    /// Carries an action out, and perhaps crashes after an answer; whether the process lives.
    fn say(&mut self, node: usize, life: u32, action: Action) -> bool {
        let spoke = matches!(action, Action::Answer(..));
        self.perform_one(node, life, action);
        let crash = spoke && self.rng.below(1_000) < self.setup.crash_at_save;
        if crash {
            self.node_crash_briefly(node);
        }
        !crash
    }

    /// The process takes nothing until then.
    pub(crate) fn node_is_busy(&mut self, node: usize, until: Micros) {
        let n = &mut self.nodes[node];
        n.busy_until = n.busy_until.max(until);
        let until = n.busy_until;
        self.at(until, What::Resume { node });
    }
}
