//! A model of a data server: what of Redis the sentinels' promises rest on.
//!
//! Data is a log of write numbers, an offset its length. A master streams its log to whoever follows, does not wait, and
//! acknowledges; a follower says once a second how far it is. Histories have ids: a promotion starts a new one and
//! remembers the old, a follower with another history than its master's takes the whole log anew.

use std::collections::BTreeMap;

use super::client::ToClient;
use super::net::Host;
use super::{MS, Micros, Sim, What, server_address, server_at};
use crate::action::Task;
use crate::event::{Done, Event, Failure, Following, Hello, PingReply, Report, Role};
use crate::ids::{Epoch, Millis, ReplicationId, RunId, ServerRef, Target, Ticket};
use crate::rng::Rng;

/// What arrives at a server.
#[derive(Debug, Clone, Hash)]
pub(crate) enum ToServer {
    /// A sentinel's command, on this connection of this life of it.
    Command { life: u32, connection: u64, command: Command },
    /// The client writes.
    Write { id: u32, attempt: u32 },
    /// A replica asks to follow.
    Follow { generation: u32, history: u64, offset: usize },
    /// The answer: from `start` on, or the whole log.
    Sync { generation: u32, copy: DataCopy },
    /// New writes.
    Stream { generation: u32, start: usize, log: Vec<u32> },
    /// A replica has come so far.
    Ack { generation: u32, offset: usize },
    /// The server it followed is gone or plays another part.
    Lost { generation: u32 },
    /// Once a second.
    Tick { life: u32 },
    /// A pause of writes may be over.
    PauseOver,
}

/// What a master gives a replica that asks to follow.
#[derive(Debug, Clone, Hash)]
pub(crate) struct DataCopy {
    pub(super) history: u64,
    pub(super) former: Option<(u64, usize)>,
    /// The log from here on.
    pub(super) start: usize,
    pub(super) log: Vec<u32>,
    /// It replaces what the replica has.
    pub(super) whole: bool,
}

/// A sentinel's command.
#[derive(Debug, Clone, Hash)]
pub(crate) enum Command {
    Ping,
    Inspect(Millis),
    Publish(Hello),
    /// With the epoch of the failover it belongs to, for the checker, and whether it promotes a replica.
    Do {
        ticket: Ticket,
        task: Task,
        epoch: Epoch,
        promotes: bool,
    },
}

/// Whom a server follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Master,
    /// `of: None`: nobody, and takes no writes.
    Replica {
        of: Option<usize>,
        synced: bool,
        lost_since: Micros,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Follower {
    pub(super) generation: u32,
    pub(super) offset: usize,
    pub(super) heard: Micros,
}

/// A data server.
#[derive(Debug)]
pub(crate) struct Server {
    index: usize,
    pub(crate) alive: bool,
    pub(crate) stopped_until: Micros,
    life: u32,
    pub(super) part: Part,
    pub(super) history: u64,
    pub(super) former: Option<(u64, usize)>,
    pub(crate) log: Vec<u32>,
    pub(super) followers: BTreeMap<usize, Follower>,
    pub(super) generation: u32,
    gate: Option<u32>,
    pub(super) good: usize,
    paused_until: Micros,
    held: Vec<(u32, u32)>,
    pub(super) unconfirmed: Vec<(u32, usize)>,
    tick_phase: Micros,
}

impl Server {
    pub(crate) fn new(index: usize, rng: &mut Rng) -> Self {
        let part = match index {
            0 => Part::Master,
            _ => Part::Replica { of: Some(0), synced: false, lost_since: 0 },
        };
        Self {
            index,
            alive: true,
            stopped_until: 0,
            life: 1,
            part,
            history: 1 + index as u64,
            former: None,
            log: Vec::new(),
            followers: BTreeMap::new(),
            generation: 1,
            gate: None,
            good: 0,
            paused_until: 0,
            held: Vec::new(),
            unconfirmed: Vec::new(),
            tick_phase: rng.below(1_000 * MS),
        }
    }

    pub(crate) fn is_master(&self) -> bool {
        self.part == Part::Master
    }

    /// It follows this server, and has what that one had.
    pub(crate) fn follows(&self, master: usize) -> bool {
        matches!(self.part, Part::Replica { of: Some(of), synced: true, .. } if of == master)
    }

    fn report(&self, now: Micros) -> Report {
        let id = |history| Some(ReplicationId::from_number(history));
        let role = match &self.part {
            Part::Master => Role::Master,
            Part::Replica { of, synced, lost_since } => Role::Replica(Following {
                master: server_address(of.unwrap_or(99)),
                link_up: *synced,
                link_down_ms: if *synced { 0 } else { (now - lost_since) / MS },
                priority: 100,
                announced: true,
            }),
        };
        Report {
            run_id: Some(RunId::from_number(0x1000 + 0x100 * u64::from(self.life) + self.index as u64)),
            role,
            replication_id: id(self.history),
            former_replication_id: self.former.and_then(|(history, _)| id(history)),
            offset: self.log.len() as u64,
            replicas: self.followers.keys().map(|i| server_address(*i)).collect(),
            can_pause: true,
        }
    }

    /// Redis counts lag in whole seconds, once a second.
    pub(super) fn count_good(&mut self, now: Micros) {
        let second = |t: Micros| t / (1_000 * MS);
        self.good = self.followers.values().filter(|f| second(now) - second(f.heard) <= 1).count();
    }
}

impl Sim {
    pub(crate) fn tick_server(&mut self, server: usize) {
        let (at, life) = (self.now + self.servers[server].tick_phase, self.servers[server].life);
        self.server_later(at, server, ToServer::Tick { life });
    }

    fn server_later(&mut self, at: Micros, server: usize, message: ToServer) {
        self.at(at, What::Server { server, from: Host::Server(server), message });
    }

    pub(super) fn server_sends(&mut self, from: usize, to: usize, message: ToServer, extra: Micros) {
        let (a, b) = (Host::Server(from), Host::Server(to));
        if let Some(at) = self.net.stream(&mut self.rng, self.now, a, b, extra) {
            self.at(at, What::Server { server: to, from: a, message });
        }
    }

    pub(crate) fn server_message(&mut self, s: usize, from: Host, message: ToServer) {
        if !self.servers[s].alive {
            if let ToServer::Write { attempt, .. } = message {
                self.answer_client(s, ToClient::Refused { attempt });
            }
            return;
        }
        match (message, from) {
            (ToServer::Command { life, connection, command }, Host::Node(node)) => {
                self.server_command(s, node, (life, connection), command);
            }
            (ToServer::Write { id, attempt }, _) => self.server_write(s, id, attempt),
            (ToServer::Follow { generation, history, offset }, Host::Server(replica)) => {
                self.server_followed(s, replica, generation, history, offset);
            }
            (ToServer::Sync { generation, copy }, Host::Server(master)) => {
                self.server_synced(s, master, generation, copy);
            }
            (ToServer::Stream { generation, start, log }, Host::Server(master)) => {
                self.server_streamed(s, master, generation, start, log);
            }
            (ToServer::Ack { generation, offset }, Host::Server(replica)) => {
                self.server_acked(s, replica, generation, offset);
            }
            (ToServer::Lost { generation }, _) if self.servers[s].generation == generation => self.server_asks(s),
            (ToServer::Tick { life }, _) if self.servers[s].life == life => self.server_tick(s),
            (ToServer::PauseOver, _) => self.server_unpaused(s),
            _ => {}
        }
    }

    fn server_command(&mut self, s: usize, node: usize, connection: (u32, u64), command: Command) {
        let target = || Target::Server(ServerRef { master: super::master_name(), address: server_address(s) });
        match command {
            Command::Ping => {
                let event = Event::Pong(target(), PingReply::Pong);
                self.answer_node(s, node, connection, event);
            }
            Command::Inspect(asked) => {
                let report = self.servers[s].report(self.now);
                let from = ServerRef { master: super::master_name(), address: server_address(s) };
                self.answer_node(s, node, connection, Event::Report { from, asked, report });
            }
            Command::Publish(hello) => {
                for other in 0..self.nodes.len() {
                    self.answer_subscriber(s, other, Event::Hello(hello.clone()));
                }
            }
            Command::Do { ticket, task, epoch, promotes } => {
                let done = self.server_does(s, node, &task, epoch, promotes);
                self.answer_node(s, node, connection, Event::Done(ticket, done));
            }
        }
    }

    fn server_does(
        &mut self,
        s: usize,
        node: usize,
        task: &Task,
        epoch: Epoch,
        promotes: bool,
    ) -> Result<Done, Failure> {
        let now = self.now;
        let (is_master, offset) = (self.servers[s].is_master(), self.servers[s].log.len() as u64);
        let rested = if is_master { Ok(Done::Rested { offset }) } else { Err(Failure::NotMaster) };
        match task {
            Task::Promote(_) => {
                self.check.promotion(now, node, s, epoch, promotes);
                if !self.servers[s].is_master() {
                    let others = self.servers.iter().filter(|o| o.alive && o.is_master()).map(|o| o.index);
                    self.check.becomes_master(now, s, others);
                    let history = 1_000 + self.rng.below(1 << 40);
                    let server = &mut self.servers[s];
                    server.former = Some((server.history, server.log.len()));
                    (server.history, server.part) = (history, Part::Master);
                    self.server_drops_followers(s);
                }
            }
            Task::Follow { master, .. } | Task::FollowOnReturn { master, .. } => {
                self.server_follows(s, Some(server_at(master)));
            }
            Task::StepDown { master, .. } => {
                self.server_follows(s, Some(server_at(master)));
                return rested;
            }
            Task::Detach(_) => self.server_follows(s, None),
            Task::PauseWrites { .. } if !is_master => return rested,
            Task::PauseWrites { ms, .. } => {
                let until = now + ms * MS;
                self.servers[s].paused_until = until;
                self.server_later(until, s, ToServer::PauseOver);
                return rested;
            }
            Task::ResumeWrites(_) => {
                self.servers[s].paused_until = 0;
                self.server_unpaused(s);
            }
            Task::SetGate { min_replicas, .. } => self.servers[s].gate = Some(*min_replicas),
            Task::Fence { .. } => {}
        }
        Ok(Done::Ok)
    }

    fn server_tick(&mut self, s: usize) {
        let now = self.now;
        let server = &mut self.servers[s];
        server.count_good(now);
        let (life, generation, offset) = (server.life, server.generation, server.log.len());
        let behind: Vec<_> =
            server.followers.iter().filter(|(_, f)| f.offset < offset).map(|(i, f)| (*i, f.clone())).collect();
        match server.part.clone() {
            Part::Replica { of: Some(of), synced: true, .. } => {
                self.server_sends(s, of, ToServer::Ack { generation, offset }, 0);
            }
            Part::Replica { synced: false, .. } => self.server_asks(s),
            _ => {}
        }
        // Lost pieces are sent again, as TCP does.
        for (replica, follower) in behind {
            let (generation, start) = (follower.generation, follower.offset);
            let log = self.servers[s].log[start..].to_vec();
            self.server_sends(s, replica, ToServer::Stream { generation, start, log }, 0);
        }
        self.server_later(now + 1_000 * MS, s, ToServer::Tick { life });
    }

    fn server_write(&mut self, s: usize, id: u32, attempt: u32) {
        let now = self.now;
        let server = &mut self.servers[s];
        if server.paused_until > now {
            return server.held.push((id, attempt));
        }
        let open = server.gate.is_none_or(|m| server.good >= m as usize);
        if !server.is_master() || !open {
            return self.answer_client(s, ToClient::Refused { attempt });
        }
        let start = server.log.len();
        server.log.push(id);
        if self.setup.confirm.is_some() {
            server.unconfirmed.push((id, start + 1));
        }
        let followers: Vec<_> = server.followers.iter().map(|(i, f)| (*i, f.generation)).collect();
        for (replica, generation) in followers {
            self.server_sends(s, replica, ToServer::Stream { generation, start, log: vec![id] }, 0);
        }
        self.check.acknowledged(now, s, id);
        self.answer_client(s, ToClient::Acknowledged { id, attempt });
    }

    fn server_unpaused(&mut self, s: usize) {
        if self.servers[s].paused_until <= self.now {
            for (id, attempt) in std::mem::take(&mut self.servers[s].held) {
                self.server_write(s, id, attempt);
            }
        }
    }

    /// The process dies: connections are reset, what it held in memory is gone but for its data.
    pub(crate) fn kill_server(&mut self, s: usize) {
        self.servers[s].alive = false;
        self.server_drops_followers(s);
        self.servers[s].held.clear();
        self.servers[s].unconfirmed.clear();
        self.nodes_lose(s);
    }

    /// The process is started again with its data and configuration.
    pub(crate) fn start_server(&mut self, s: usize) {
        if std::mem::replace(&mut self.servers[s].alive, true) {
            return;
        }
        let server = &mut self.servers[s];
        server.life += 1;
        (server.paused_until, server.good) = (0, 0);
        server.generation += 1;
        self.tick_server(s);
        self.server_asks(s);
    }

    fn answer_node(&mut self, s: usize, node: usize, (life, connection): (u32, u64), event: Event) {
        let (from, to) = (Host::Server(s), Host::Node(node));
        if self.nodes[node].connection(s) != Some(connection) {
            return;
        }
        if let Some(at) = self.net.stream(&mut self.rng, self.now, from, to, 0) {
            self.at(at, What::Node { node, life, event });
        }
    }

    fn answer_subscriber(&mut self, s: usize, node: usize, event: Event) {
        let Some(connection) = self.nodes[node].connection(s) else { return };
        let life = self.nodes[node].life;
        self.answer_node(s, node, (life, connection), event);
    }

    pub(super) fn answer_client(&mut self, s: usize, message: ToClient) {
        if let Some(at) = self.net.stream(&mut self.rng, self.now, Host::Server(s), Host::Client, 0) {
            self.at(at, What::Client(message));
        }
    }
}
