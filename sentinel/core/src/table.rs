//! The table that decisions are tested on: one sentinel, and a world around it that answers at once as it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::action::{Action, Task};
use super::config::{Change, Fencing, Settings};
use super::durable::{Durable, DurableMaster, DurablePeer, PeerKind};
use super::event::{Answer, Cause, Done, Event, Failure, Following, Hello, PingReply, Question, Report, Request, Role};
use super::ids::{Address, Epoch, MasterName, Millis, ReplicationId, ReplyTo, RunId, ServerRef, Target};
use super::state::{Master, Sentinel};

/// The channels of the notices among the actions, in order.
pub(crate) fn channels(actions: &[Action]) -> Vec<&'static str> {
    actions.iter().filter_map(|a| if let Action::Announce(n) = a { Some(n.channel()) } else { None }).collect()
}

pub(crate) fn replica_address(i: usize) -> Address {
    Address::new(&format!("10.0.0.{}", 10 + i), 6379)
}

pub(crate) fn history_id(n: u64) -> ReplicationId {
    ReplicationId::from_number(n)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Well,
    /// The process is gone: connections are refused.
    Dead,
    /// Nothing comes back.
    Cut,
}

#[derive(Debug)]
struct Fake {
    life: Life,
    reply: PingReply,
    report: Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Votes {
    Nobody,
    Asker,
    Itself,
}

/// A sentinel (id 1) with peers 2 and 3, one master and some replicas.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) sentinel: Sentinel,
    now: Millis,
    servers: BTreeMap<Address, Fake>,
    says_down: BTreeSet<RunId>,
    votes: Votes,
    hold_promotions: bool,
    hold_step_downs: bool,
    fence_fails: bool,
    slow_syncs: bool,
    late_writes: u64,
    histories: u64,
}

impl Table {
    pub(crate) fn settled() -> Self {
        Self::with_replicas(2)
    }

    pub(crate) fn with_replicas(n: usize) -> Self {
        let master = Address::new("10.0.0.1", 6379);
        let report = |i: u64, role| Report {
            run_id: Some(RunId::from_number(0x100 + i)),
            role,
            replication_id: Some(history_id(1)),
            former_replication_id: None,
            offset: 100,
            replicas: Vec::new(),
            can_pause: true,
        };
        let mut servers = BTreeMap::new();
        let well = |report| Fake { life: Life::Well, reply: PingReply::Pong, report };
        servers.insert(master.clone(), well(report(0, Role::Master)));
        for i in 0..n {
            servers.insert(replica_address(i), well(report(1 + i as u64, follower(&master, true))));
        }
        let mut settings = Settings::new(2);
        (settings.down_after, settings.failover_timeout) = (1_000, 10_000);
        let mut known = DurableMaster::new(master.clone(), settings);
        known.replicas = servers.keys().filter(|a| **a != master).cloned().collect();
        for n in [2u64, 3] {
            let address = Address::new("10.0.1.1", 26_000 + n as u16);
            known.peers.insert(RunId::from_number(n), DurablePeer { address, kind: PeerKind::Ours });
        }
        let mut durable = Durable::new(RunId::from_number(1));
        durable.masters.insert(MasterName::from("mymaster"), known);
        let now = Millis(1_000_000);
        let mut table = Self {
            sentinel: Sentinel::new(durable, 7, now),
            now,
            servers,
            says_down: BTreeSet::new(),
            votes: Votes::Nobody,
            hold_promotions: false,
            hold_step_downs: false,
            fence_fails: false,
            slow_syncs: false,
            late_writes: 0,
            histories: 1,
        };
        table.step(Event::Timer);
        table.run_for(3_000);
        table
    }

    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    pub(crate) fn master(&self) -> &Master {
        self.sentinel.masters().values().next().expect("one master")
    }

    pub(crate) fn master_link(&self) -> Target {
        Target::Server(self.master().server_ref(&self.master().address))
    }

    /// The first peer tells that this server is the master, since this epoch.
    pub(crate) fn take_config(&mut self, master: &Address, epoch: u64) -> Vec<Action> {
        let (address, peer) = (Address::new("10.0.1.1", 26_002), RunId::from_number(2));
        let (current_epoch, config_epoch) = (Epoch(epoch), Epoch(epoch));
        let (master, master_address) = (self.master().name.clone(), master.clone());
        self.step(Event::Hello(Hello { address, peer, current_epoch, master, master_address, config_epoch }))
    }

    /// One event now, and all that the world answers to it.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        self.step_at(event, self.now)
    }

    pub(crate) fn step_at(&mut self, event: Event, now: Millis) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut queue = VecDeque::from([event]);
        let mut said = Vec::new();
        while let Some(event) = queue.pop_front() {
            let actions = self.sentinel.step(event, self.now);
            queue.extend(actions.iter().filter_map(|a| self.world(a)));
            said.extend(actions);
            assert!(said.len() < 10_000, "the sentinel talks to itself: {:?}", &said[9_900..]);
        }
        said
    }

    /// Wakes the sentinel whenever it wants, for so long.
    pub(crate) fn run_for(&mut self, ms: u64) -> Vec<Action> {
        self.run_until(self.now.after(ms))
    }

    pub(crate) fn run_until(&mut self, end: Millis) -> Vec<Action> {
        let mut said = Vec::new();
        while self.sentinel.wake <= end {
            said.extend(self.step_at(Event::Timer, self.sentinel.wake));
        }
        self.now = end;
        said
    }

    pub(crate) fn request(&mut self, request: Request) -> Vec<Action> {
        self.step(Event::Request(ReplyTo(1), request))
    }

    fn world(&mut self, action: &Action) -> Option<Event> {
        match action {
            Action::Connect(Target::Peer(id), _) => Some(Event::LinkUp(Target::Peer(*id))),
            Action::Connect(target @ Target::Server(server), _)
            | Action::Reconnect(target @ Target::Server(server)) => {
                Some(match self.servers.get(&server.address).map(|f| f.life) {
                    Some(Life::Well) => Event::LinkUp(target.clone()),
                    Some(Life::Dead) => Event::LinkDown(target.clone(), Cause::Refused),
                    Some(Life::Cut) | None => Event::LinkDown(target.clone(), Cause::Unreachable),
                })
            }
            Action::Ping(Target::Peer(id)) => Some(Event::Pong(Target::Peer(*id), PingReply::Pong)),
            Action::Ping(target @ Target::Server(server)) => {
                Some(Event::Pong(target.clone(), self.well(&server.address)?.reply))
            }
            Action::Inspect { server, asked } => {
                let report = self.well(&server.address)?.report.clone();
                Some(Event::Report { from: server.clone(), asked: *asked, report })
            }
            Action::Ask { peer, master, asked, question } => {
                let (asked, answer) = (*asked, self.peer_answers(*peer, question));
                Some(Event::Answer { peer: *peer, master: master.clone(), asked, answer })
            }
            Action::Do(ticket, task) => self.perform(task).map(|result| Event::Done(*ticket, result)),
            _ => None,
        }
    }

    fn peer_answers(&self, peer: RunId, question: &Question) -> Answer {
        let leader = question.candidate.and_then(|asker| match self.votes {
            Votes::Nobody => None,
            Votes::Asker => Some(asker),
            Votes::Itself => Some(peer),
        });
        let leader_epoch = if leader.is_some() { question.epoch } else { Epoch::default() };
        Answer { down: self.says_down.contains(&peer), leader, leader_epoch }
    }

    fn well(&self, address: &Address) -> Option<&Fake> {
        self.servers.get(address).filter(|f| f.life == Life::Well)
    }

    /// `None`: the outcome is held back.
    fn perform(&mut self, task: &Task) -> Option<Result<Done, Failure>> {
        let server = match task {
            Task::Fence { .. } => return Some(if self.fence_fails { Err(Failure::Refused) } else { Ok(Done::Ok) }),
            Task::Promote(s) | Task::Detach(s) | Task::ResumeWrites(s) => s,
            Task::Follow { server, .. } | Task::StepDown { server, .. } | Task::FollowOnReturn { server, .. } => server,
            Task::PauseWrites { server, .. } | Task::SetGate { server, .. } => server,
        };
        if self.well(&server.address).is_none() {
            return Some(Err(Failure::NotSent));
        }
        self.perform_at(server, task)
    }

    fn perform_at(&mut self, server: &ServerRef, task: &Task) -> Option<Result<Done, Failure>> {
        let synced = !self.slow_syncs;
        let theirs = match task {
            Task::Follow { master, .. } | Task::StepDown { master, .. } => {
                self.servers.get(master).and_then(|f| f.report.replication_id)
            }
            _ => None,
        };
        let fake = self.servers.get_mut(&server.address)?;
        let (was_master, offset) = (fake.report.role == Role::Master, fake.report.offset);
        let rested = if was_master { Ok(Done::Rested { offset }) } else { Err(Failure::NotMaster) };
        match task {
            Task::Promote(_) if self.hold_promotions => return None,
            Task::Promote(_) => {
                self.histories += 1;
                fake.report.former_replication_id = fake.report.replication_id;
                fake.report.replication_id = Some(history_id(1_000 + self.histories));
                fake.report.role = Role::Master;
            }
            Task::Follow { master, .. } => {
                fake.report.role = follower(master, synced);
                fake.report.replication_id = theirs;
            }
            Task::StepDown { .. } if self.hold_step_downs => return None,
            Task::StepDown { master, .. } => {
                fake.report.role = follower(master, synced);
                fake.report.replication_id = theirs;
                let offset = offset + self.late_writes;
                return Some(rested.map(|_| Done::Rested { offset }));
            }
            Task::Detach(_) => fake.report.role = follower(&Address::new("127.0.0.1", 1), false),
            Task::PauseWrites { .. } => return Some(rested),
            _ => {}
        }
        Some(Ok(Done::Ok))
    }

    /// Changes what a server reports, and has it report.
    pub(crate) fn edit_report(&mut self, address: &Address, edit: impl FnOnce(&mut Report)) -> Vec<Action> {
        let fake = self.servers.get_mut(address).expect("a known server");
        edit(&mut fake.report);
        let report = fake.report.clone();
        let from = self.master().server_ref(address);
        self.step(Event::Report { from, asked: self.now, report })
    }

    pub(crate) fn edit_settings(&mut self, edit: impl FnOnce(&mut Settings)) {
        edit(&mut self.sentinel.masters.values_mut().next().expect("one master").settings);
    }

    pub(crate) fn set_fencing(&mut self, fencing: Fencing) -> Vec<Action> {
        self.request(Request::Set(self.master().name.clone(), Change::Fencing(fencing)))
    }

    pub(crate) fn set_quorum(&mut self, quorum: u32) {
        self.request(Request::Set(self.master().name.clone(), Change::Quorum(quorum)));
    }

    pub(crate) fn observe_only(&mut self) {
        self.request(Request::Set(self.master().name.clone(), Change::ObserveOnly(true)));
    }

    pub(crate) fn kill(&mut self, address: &Address) {
        self.servers.get_mut(address).expect("a known server").life = Life::Dead;
        let link = Target::Server(self.master().server_ref(address));
        self.step(Event::LinkDown(link.clone(), Cause::Closed));
        self.step(Event::LinkDown(link, Cause::Refused));
    }

    pub(crate) fn kill_master(&mut self) {
        self.kill(&self.master().address.clone());
    }

    /// The master is dead; that its link is gone was told already.
    pub(crate) fn kill_master_quietly(&mut self) {
        let address = self.master().address.clone();
        self.servers.get_mut(&address).expect("the master").life = Life::Dead;
    }

    fn cut(&mut self, address: &Address) {
        self.servers.get_mut(address).expect("a known server").life = Life::Cut;
    }

    pub(crate) fn cut_master(&mut self) {
        self.cut(&self.master().address.clone());
    }

    pub(crate) fn cut_one_replica(&mut self) {
        self.cut(&replica_address(0));
    }

    pub(crate) fn revive(&mut self, address: &Address) -> Vec<Action> {
        self.servers.get_mut(address).expect("a known server").life = Life::Well;
        self.step(Event::LinkUp(Target::Server(self.master().server_ref(address))))
    }

    pub(crate) fn master_answers(&mut self, reply: PingReply) {
        let address = self.master().address.clone();
        self.servers.get_mut(&address).expect("the master").reply = reply;
    }

    /// The master's replicas stay behind what it has.
    pub(crate) fn lag_replicas(&mut self) {
        let address = self.master().address.clone();
        self.servers.get_mut(&address).expect("the master").report.offset += 1_000;
    }

    /// They reach it.
    pub(crate) fn catch_up(&mut self) {
        let most = self.servers.values().map(|f| f.report.offset).max().unwrap_or_default();
        self.servers.values_mut().for_each(|f| f.report.offset = most);
    }

    /// So many bytes are written after the pause of a switchover and before the master steps down.
    pub(crate) fn write_before_the_end(&mut self, bytes: u64) {
        self.late_writes = bytes;
    }

    /// Somebody has made a server follow another one; nobody has told.
    pub(crate) fn follows_quietly(&mut self, server: &Address, master: &Address) {
        self.servers.get_mut(server).expect("a known server").report.role = follower(master, true);
    }

    /// Somebody else has made the master a replica of the first replica; nobody has told.
    pub(crate) fn demote_master_quietly(&mut self) {
        let address = self.master().address.clone();
        self.servers.get_mut(&address).expect("the master").report.role = follower(&replica_address(0), true);
    }

    pub(crate) fn slow_syncs(&mut self, slow: bool) {
        self.slow_syncs = slow;
        for fake in self.servers.values_mut().filter(|_| !slow) {
            if let Role::Replica(following) = &mut fake.report.role {
                following.link_up = true;
            }
        }
    }

    pub(crate) fn peers_say(&mut self, down: bool) {
        self.says_down = if down { self.master().peers.keys().copied().collect() } else { BTreeSet::new() };
    }

    pub(crate) fn one_peer_says_down(&mut self) {
        self.says_down = self.master().peers.keys().copied().take(1).collect();
    }

    pub(crate) fn peers_vote(&mut self, for_the_asker: bool) {
        self.votes = if for_the_asker { Votes::Asker } else { Votes::Nobody };
    }

    pub(crate) fn peers_vote_for_each_other(&mut self) {
        self.votes = Votes::Itself;
    }

    pub(crate) fn peers_are(&mut self, kind: PeerKind) {
        for id in self.master().peers.keys().copied().collect::<Vec<_>>() {
            self.step(Event::PeerKind(id, kind));
        }
    }

    /// Only the first `n` peers stay connected, and they say nothing.
    pub(crate) fn all_peers_lost_but(&mut self, n: usize) {
        for id in self.master().peers.keys().copied().skip(n).collect::<Vec<_>>() {
            self.step(Event::LinkDown(Target::Peer(id), Cause::Unreachable));
        }
    }

    pub(crate) fn hold_promotions(&mut self) {
        self.hold_promotions = true;
    }

    /// Whoever is told to step down does not, and gives no answer.
    pub(crate) fn hold_step_downs(&mut self) {
        self.hold_step_downs = true;
    }

    pub(crate) fn fence_fails(&mut self, fails: bool) {
        self.fence_fails = fails;
    }

    /// This sentinel is kept from being a candidate, as a voter that is only asked.
    pub(crate) fn never_candidate(&mut self) {
        self.edit_settings(|s| s.observe_only = true);
    }
}

fn follower(master: &Address, link_up: bool) -> Role {
    let (master, link_down_ms) = (master.clone(), 0);
    Role::Replica(Following { master, link_up, link_down_ms, priority: 100, announced: true })
}
