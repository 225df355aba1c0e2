//! A sentinel in the world: the pure core, and a driver that carries its actions out over a clock, a disk and links that
//! can each go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::net::Host;
use super::server::{Command, ToServer};
use super::{MS, Micros, Setup, Sim, What, master_name, node_address, node_id, node_of, server_address, server_at};
use crate::core::action::{Action, HelloBody, Task};
use crate::core::durable::{Durable, DurableMaster, DurablePeer, PeerKind};
use crate::core::event::{Cause, Done, Event, Failure, Hello, Request};
use crate::core::ids::{Address, Epoch, Millis, ReplyTo, RunId, ServerRef, Target, Ticket};
use crate::core::rng::Rng;
use crate::core::state::Sentinel;

/// How long a driver waits for the outcome of a command.
const COMMAND_TIMEOUT: Micros = 1_000 * MS;

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
    index: usize,
    core: Option<Sentinel>,
    disk: Durable,
    pub(crate) life: u32,
    pub(crate) busy_until: Micros,
    tamper: Tamper,
    drift_ppm: i64,
    leap: u64,
    wake: u64,
    wanted: BTreeSet<usize>,
    connections: BTreeMap<usize, u64>,
    next_connection: u64,
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
        }
    }

    /// The node's own clock.
    fn clock(&self, now: Micros) -> Millis {
        let drifted = i128::from(now) * (1_000_000 + i128::from(self.drift_ppm)) / 1_000_000;
        Millis(drifted as u64 / MS + self.leap)
    }

    /// When the node's own clock shows this.
    fn shows(&self, at: Millis) -> Micros {
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
        let life = n.life;
        self.node_event(node, life, Event::Timer);
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

    fn datagram(&mut self, from: usize, to: usize, event: Event) {
        let life = self.nodes[to].life;
        for at in self.net.datagram(&mut self.rng, self.now, Host::Node(from), Host::Node(to)) {
            self.at(at, What::Node { node: to, life, event: event.clone() });
        }
    }

    pub(crate) fn node_wake(&mut self, node: usize, life: u32, number: u64) {
        if self.nodes[node].wake == number {
            self.node_event(node, life, Event::Timer);
        }
    }

    pub(crate) fn link_event(&mut self, node: usize, life: u32, server: usize, up: bool, event: Event) {
        let n = &mut self.nodes[node];
        if n.life != life || n.core.is_none() || !n.wanted.contains(&server) {
            return;
        }
        if up {
            n.next_connection += 1;
            n.connections.insert(server, n.next_connection);
        } else {
            n.connections.remove(&server);
            let again = self.now + 50 * MS + self.rng.below(100 * MS);
            self.at(again, What::Connect { node, life, server });
        }
        self.node_event(node, life, event);
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

    pub(crate) fn node_event(&mut self, node: usize, life: u32, mut event: Event) {
        let n = &mut self.nodes[node];
        let now = n.clock(self.now);
        let Some(core) = n.core.as_mut().filter(|_| n.life == life) else { return };
        (n.tamper.event)(&mut event);
        let mut actions = core.step(event, now);
        (n.tamper.actions)(&mut actions);
        self.perform(node, actions);
    }

    /// Carries a list of actions out. A save takes its time, and what comes after it waits.
    fn perform(&mut self, node: usize, actions: Vec<Action>) {
        let life = self.nodes[node].life;
        let (arrived, mut saves) = (self.now, 0);
        for action in actions {
            if let Action::Persist(durable) = action {
                saves += 1;
                let crash = self.rng.below(1_000) < self.setup.crash_at_save;
                if !crash || self.rng.below(2) == 0 {
                    self.nodes[node].disk = *durable;
                }
                if crash {
                    self.now = arrived;
                    return self.node_crash_briefly(node);
                }
                self.now += 500 + self.rng.below(12 * MS);
                continue;
            }
            let spoke = matches!(action, Action::Answer(..));
            self.perform_one(node, life, action);
            if spoke && self.rng.below(1_000) < self.setup.crash_at_save {
                self.now = arrived;
                return self.node_crash_briefly(node);
            }
        }
        if saves > 0 {
            self.nodes[node].busy_until = self.now;
            self.now = arrived;
        }
    }

    fn perform_one(&mut self, node: usize, life: u32, action: Action) {
        self.check_action(node, &action);
        let me = node_id(node);
        match action {
            Action::Connect(Target::Server(server), _) => {
                let server = server_at(&server.address);
                if self.nodes[node].wanted.insert(server) {
                    self.at(self.now, What::Connect { node, life, server });
                }
            }
            Action::Connect(Target::Peer(id), _) | Action::Reconnect(Target::Peer(id)) => {
                self.at(self.now, What::Meet { node, life, peer: node_of(id) });
            }
            Action::Disconnect(Target::Server(server)) => {
                let server = server_at(&server.address);
                self.nodes[node].wanted.remove(&server);
                self.nodes[node].connections.remove(&server);
            }
            Action::Reconnect(Target::Server(server)) => {
                let server = server_at(&server.address);
                self.nodes[node].connections.remove(&server);
                self.at(self.now, What::Connect { node, life, server });
            }
            Action::Ping(Target::Server(server)) => self.command(node, server_at(&server.address), Command::Ping),
            Action::Ping(Target::Peer(id)) => self.ping_peer(node, id),
            Action::Inspect { server, asked } => {
                self.command(node, server_at(&server.address), Command::Inspect(asked));
            }
            Action::Ask { peer, question, .. } => {
                let reply_to = ReplyTo(node as u64);
                self.datagram(node, node_of(peer), Event::Asked { reply_to, question });
            }
            Action::Answer(ReplyTo(to), answer) => {
                self.datagram(node, to as usize, Event::Answer { peer: me, master: master_name(), answer });
            }
            Action::PublishHello(to, body) => self.publish(node, to, body),
            Action::Do(ticket, task) => self.task(node, life, ticket, task),
            Action::WakeAt(at) => {
                let n = &mut self.nodes[node];
                n.wake += 1;
                let (number, at) = (n.wake, n.shows(at));
                self.at(at, What::Wake { node, life, number });
            }
            _ => {}
        }
    }

    fn ping_peer(&mut self, node: usize, id: RunId) {
        let peer = node_of(id);
        let there = self.net.reaches(Host::Node(node), Host::Node(peer)) && self.nodes[peer].core.is_some();
        if there && self.nodes[peer].busy_until < self.now + 100 * MS {
            let pong = crate::core::event::PingReply::Pong;
            self.datagram(peer, node, Event::Pong(Target::Peer(id), pong));
        }
    }

    fn publish(&mut self, node: usize, to: Target, body: HelloBody) {
        let hello = Hello {
            address: node_address(node),
            peer: node_id(node),
            current_epoch: body.current_epoch,
            master: body.master,
            master_address: body.address,
            config_epoch: body.config_epoch,
        };
        match to {
            Target::Server(server) => self.command(node, server_at(&server.address), Command::Publish(hello)),
            Target::Peer(id) => self.datagram(node, node_of(id), Event::Hello(hello)),
        }
    }

    fn command(&mut self, node: usize, server: usize, command: Command) {
        let n = &self.nodes[node];
        let Some(connection) = n.connection(server) else { return };
        let message = ToServer::Command { life: n.life, connection, command };
        let (from, to) = (Host::Node(node), Host::Server(server));
        match self.net.stream(&mut self.rng, self.now, from, to, 0) {
            Some(at) => self.at(at, What::Server { server, from, message }),
            // In a cut some of it waits in a buffer for the end of the cut.
            None if self.rng.below(3) == 0 => {
                let at = self.now + self.rng.below(8_000 * MS);
                self.at(at, What::Server { server, from, message });
            }
            None => {}
        }
    }

    fn task(&mut self, node: usize, life: u32, ticket: Ticket, task: Task) {
        let server = match &task {
            Task::Fence { old, .. } => {
                // The fence is one that works: it kills.
                self.kill_server(server_at(old));
                let event = Event::Done(ticket, Ok(Done::Ok));
                return self.at(self.now + 50 * MS, What::Node { node, life, event });
            }
            Task::Promote(s) | Task::Detach(s) | Task::ResumeWrites(s) => s,
            Task::Follow { server, .. } | Task::FollowOnReturn { server, .. } => server,
            Task::PauseWrites { server, .. } | Task::SetGate { server, .. } => server,
        };
        let server = server_at(&server.address);
        let (failure, after) = match self.nodes[node].connection(server) {
            Some(_) => (Failure::Unknown, COMMAND_TIMEOUT),
            None => (Failure::NotSent, 0),
        };
        let event = Event::Done(ticket, Err(failure));
        self.at(self.now + after, What::Node { node, life, event });
        let (epoch, promotes) = self.promotion_in(node, &task);
        self.command(node, server, Command::Do { ticket, task, epoch, promotes });
    }

    /// The epoch a promotion is made in, and whether it is one: turning the old master back is none.
    fn promotion_in(&self, node: usize, task: &Task) -> (Epoch, bool) {
        let master = self.nodes[node].core.as_ref().and_then(|c| c.masters().values().next());
        let Some(master) = master else { return (Epoch::default(), false) };
        let epoch = master.failover.as_ref().map_or(Epoch::default(), |f| f.epoch);
        let promotes = matches!(task, Task::Promote(s) if s.address != master.address);
        (epoch, promotes)
    }

    /// An operator asks this sentinel for something.
    pub(crate) fn operator(&mut self, node: usize, request: Request) {
        let life = self.nodes[node].life;
        self.at(self.now, What::Node { node, life, event: Event::Request(ReplyTo(0), request) });
    }

    /// This sentinel believes that a peer is of that kind.
    pub(crate) fn believe(&mut self, node: usize, peer: usize, kind: PeerKind) {
        let life = self.nodes[node].life;
        self.at(self.now, What::Node { node, life, event: Event::PeerKind(node_id(peer), kind) });
    }

    fn check_action(&mut self, node: usize, action: &Action) {
        let n = &self.nodes[node];
        let Some(core) = &n.core else { return };
        self.check.action(self.now, n.index, action, core);
    }
}
