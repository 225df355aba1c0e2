//! The invariants, checked against what really happened rather than against what any sentinel believes.

use std::collections::BTreeMap;
use std::fmt;

use super::scenario::Fault;
use super::{MS, Micros, Setup, node_id, node_of};
use crate::action::{Action, Task};
use crate::ids::{Epoch, RunId};
use crate::notice::{Notice, Part, What};
use crate::state::Sentinel;

/// How long ago a sentinel may have held the master for down to be counted: what peers said is kept for five ask periods,
/// and messages take their time.
const DOWN_IS_FRESH: Micros = 6_500 * MS;

/// What somebody told or did, and when, for people. It is put into words only when somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    at: Micros,
    what: Told,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Fault(Fault),
    Notice(usize, Notice),
    Does(usize, Task),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7}.{:03} ms ", self.at / MS, self.at % MS)?;
        match &self.what {
            Told::Fault(fault) => write!(f, "{fault:?}"),
            Told::Notice(node, notice) => write!(f, "sentinel {node}: {} {}", notice.channel(), notice.payload()),
            Told::Does(node, task) => write!(f, "sentinel {node}: does {task:?}"),
        }
    }
}

/// Watches a world.
#[derive(Debug)]
pub(crate) struct Checker {
    /// The first broken promise.
    pub(crate) violation: Option<String>,
    voters: usize,
    quorum: usize,
    votes: BTreeMap<(usize, Epoch), RunId>,
    leaders: BTreeMap<Epoch, usize>,
    promotions: BTreeMap<Epoch, usize>,
    published: BTreeMap<usize, Epoch>,
    held_down: BTreeMap<usize, Micros>,
    without_votes: BTreeMap<Epoch, usize>,
    /// What was told and done.
    pub(crate) story: Vec<Line>,
    /// Every promotion that took effect: when, which server, in which epoch.
    pub(crate) promoted: Vec<(Micros, usize, Epoch)>,
    /// Every acknowledged write: when, by which server.
    pub(crate) acknowledged: Vec<(Micros, usize, u32)>,
    /// A server that becomes a master beside another one breaks a promise.
    one_master: bool,
}

impl Checker {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            violation: None,
            voters: setup.sentinels,
            quorum: setup.settings.quorum as usize,
            votes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            promotions: BTreeMap::new(),
            published: BTreeMap::new(),
            held_down: BTreeMap::new(),
            without_votes: BTreeMap::new(),
            story: Vec::new(),
            promoted: Vec::new(),
            acknowledged: Vec::new(),
            one_master: setup.one_master,
        }
    }

    pub(crate) fn broken(&mut self, now: Micros, what: String) {
        self.violation.get_or_insert_with(|| format!("at {} ms: {what}", now / MS));
    }

    /// A sentinel speaks or acts. What it does has passed its disk.
    pub(crate) fn action(&mut self, now: Micros, node: usize, action: &Action, core: &Sentinel) {
        let Some(master) = core.masters().values().next() else { return };
        if master.down().is_some() {
            self.held_down.insert(node, now);
        }
        match action {
            Action::Announce(notice) => self.tell(now, Told::Notice(node, notice.clone())),
            Action::Do(_, task) => self.tell(now, Told::Does(node, task.clone())),
            _ => {}
        }
        match action {
            Action::Answer(_, answer) => {
                if let Some(leader) = answer.leader {
                    self.vote(now, node, answer.leader_epoch, leader);
                }
            }
            Action::PublishHello(_, hello) => {
                let last = self.published.insert(node, hello.config_epoch).unwrap_or_default();
                if hello.config_epoch < last {
                    let now_epoch = hello.config_epoch;
                    self.broken(now, format!("sentinel {node} published epoch {now_epoch:?} after {last:?}"));
                }
            }
            Action::Announce(notice) => match notice.what {
                // It may have gone on to another master in the same step: what it holds now does not show this.
                What::SubjectivelyDown if notice.subject.as_ref().is_some_and(|s| s.part == Part::Master) => {
                    self.held_down.insert(node, now);
                }
                What::Voted(candidate, epoch) => self.vote(now, node, epoch, candidate),
                What::ObjectivelyDown(..) => self.quorum_holds(now, node, "+odown"),
                What::WithoutVotes => {
                    let epoch = master.failover.as_ref().map(|f| f.epoch).unwrap_or_default();
                    self.without_votes.insert(epoch, node);
                }
                What::ElectedLeader => {
                    let Some(f) = &master.failover else { return };
                    self.leader(now, node, f.epoch, f.planned());
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn tell(&mut self, at: Micros, what: Told) {
        self.story.push(Line { at, what });
    }

    /// Something goes wrong from here on, or right again.
    pub(crate) fn fault(&mut self, now: Micros, fault: Fault) {
        self.tell(now, Told::Fault(fault));
    }

    fn vote(&mut self, now: Micros, node: usize, epoch: Epoch, candidate: RunId) {
        let first = *self.votes.entry((node, epoch)).or_insert(candidate);
        if first != candidate {
            let (first, second) = (node_of(first), node_of(candidate));
            self.broken(now, format!("sentinel {node} voted for {first} and for {second} in epoch {epoch:?}"));
        }
    }

    fn leader(&mut self, now: Micros, node: usize, epoch: Epoch, planned: bool) {
        if self.without_votes.contains_key(&epoch) {
            return;
        }
        let first = *self.leaders.entry(epoch).or_insert(node);
        if first != node {
            self.broken(now, format!("sentinels {first} and {node} both lead epoch {epoch:?}"));
        }
        let mine = node_id(node);
        let votes = (0..self.voters).filter(|v| self.votes.get(&(*v, epoch)) == Some(&mine)).count();
        let needed = (self.voters / 2 + 1).max(self.quorum);
        if votes < needed {
            self.broken(now, format!("sentinel {node} leads epoch {epoch:?} with {votes} of {needed} votes"));
        }
        if !planned {
            self.quorum_holds(now, node, "+elected-leader");
        }
    }

    fn quorum_holds(&mut self, now: Micros, node: usize, what: &str) {
        let have = self.held_down.values().filter(|at| now.saturating_sub(**at) <= DOWN_IS_FRESH).count();
        if have < self.quorum {
            let quorum = self.quorum;
            self.broken(now, format!("{what} of sentinel {node}: {have} of {quorum} hold the master for down"));
        }
    }

    /// A promotion takes effect at a server.
    pub(crate) fn promotion(&mut self, now: Micros, node: usize, server: usize, epoch: Epoch, promotes: bool) {
        if !promotes || self.without_votes.contains_key(&epoch) {
            return;
        }
        self.promoted.push((now, server, epoch));
        let first = *self.promotions.entry(epoch).or_insert(server);
        if first != server {
            self.broken(now, format!("sentinel {node} promoted server {server} in epoch {epoch:?}, after {first}"));
        }
    }

    pub(crate) fn acknowledged(&mut self, now: Micros, server: usize, id: u32) {
        self.acknowledged.push((now, server, id));
    }

    /// The write gate's promise: nothing acknowledged by server `old` after its last replica was cut off for longer than
    /// the gate needs, nor after another one was promoted.
    pub(crate) fn gate_promise(&mut self, old: usize, cut: Micros, healed: Micros) {
        // What was under way at the cut arrives a moment later.
        let closes = cut + 3_000 * MS + 10 * MS;
        let promoted = self.promoted.iter().find(|(_, s, _)| *s != old).map(|(at, ..)| *at);
        let late = |at: Micros| (at > closes && at < healed) || promoted.is_some_and(|p| at > p);
        let late = self.acknowledged.iter().find(|(at, s, _)| *s == old && late(*at)).copied();
        if let Some((at, _, id)) = late {
            self.broken(at, format!("the old master acknowledged write {id}, cut off at {} ms", cut / MS));
        }
    }

    /// Where too few replicas can be taken off the old master, nobody is promoted.
    pub(crate) fn none_promoted_before(&mut self, healed: Micros) {
        if let Some((at, server, _)) = self.promoted.iter().find(|(at, ..)| *at < healed).copied() {
            self.broken(at, format!("server {server} was promoted although the gate could be open"));
        }
    }

    /// A server becomes a master, while these others are one.
    pub(crate) fn becomes_master(&mut self, now: Micros, server: usize, mut others: impl Iterator<Item = usize>) {
        if let Some(other) = others.next().filter(|_| self.one_master) {
            self.broken(now, format!("server {server} became a master beside server {other}"));
        }
    }

    /// Never two masters that acknowledge: once the writes of one follow those of another, they do not come back.
    pub(crate) fn one_master_at_a_time(&mut self) {
        let mut past: Vec<usize> = Vec::new();
        for (at, server, id) in self.acknowledged.clone() {
            match past.last() {
                Some(last) if *last == server => {}
                _ if past.contains(&server) => {
                    return self.broken(at, format!("server {server} acknowledged write {id} after another did"));
                }
                _ => past.push(server),
            }
        }
    }
}
