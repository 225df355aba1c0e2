//! Exhaustive search over votes and epochs, at small bounds.
//!
//! Some sentinels hold the master for down and may become candidates. From there every order of what can happen is
//! tried: any message that was ever sent arrives, again or never; a sentinel's time goes on; one crashes, between any two
//! states of its disk. Clocks play no part in what is promised, so one step of time is as good as any. States that were
//! seen are not entered again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::node::{Tamper, first_disk};
use super::{Digest, Setup, master_name, node_id, node_of, server_address};
use crate::action::Action;
use crate::durable::{Durable, PeerKind};
use crate::event::{Answer, Cause, Event, PingReply, Question};
use crate::ids::{Epoch, Millis, ReplyTo, RunId, ServerRef, Target};
use crate::notice::What;
use crate::state::Sentinel;

/// A step of a sentinel's time, in milliseconds: longer than `down-after` and any wait of an election.
const STEP: u64 = 1_100;

/// What is searched.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The sentinels and their settings.
    pub setup: Setup,
    /// What they know each other as.
    pub kind: PeerKind,
    /// How often each sentinel's time goes on.
    pub time_steps: u8,
    /// How many crashes there are.
    pub crashes: u8,
    /// How many states are looked at before the search gives up.
    pub states: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// So many different states.
    pub states: usize,
    /// All of them, within the bounds.
    pub complete: bool,
    /// In so many states somebody was elected.
    pub elections: usize,
    /// The first broken promise.
    pub violation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Question { from: usize, to: usize, epoch: Epoch },
    Answer { from: usize, to: usize, down: bool, leader: Option<RunId>, epoch: Epoch },
}

#[derive(Debug, Clone, Hash)]
struct Place {
    core: Sentinel,
    disk: Durable,
    now: Millis,
    time_steps: u8,
}

/// What most steps leave as it is is shared with the world before.
#[derive(Debug, Clone)]
struct World {
    places: Vec<Rc<Place>>,
    /// Of each place.
    digests: Vec<u64>,
    sent: Rc<BTreeSet<Message>>,
    crashes: u8,
    votes: BTreeMap<(usize, Epoch), RunId>,
    leaders: BTreeMap<Epoch, usize>,
    violation: Option<String>,
}

/// Where in a list of actions a sentinel crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    No,
    BeforeSave,
    AfterSave,
}

/// Searches, depth first: what is kept of a state that was left is its hash.
pub fn search(bounds: &Bounds, tamper: Tamper) -> Found {
    let mut found = Found { states: 0, complete: true, elections: 0, violation: None };
    let mut seen = HashSet::new();
    let mut open = vec![World::new(bounds, tamper)];
    while let Some(world) = open.pop() {
        found.states += 1;
        found.elections += usize::from(!world.leaders.is_empty());
        if world.violation.is_some() {
            found.violation = world.violation;
            return found;
        }
        if found.states >= bounds.states {
            found.complete = false;
            return found;
        }
        world.successors(tamper, &mut |next| {
            if seen.insert(next.hash_value()) {
                open.push(next);
            }
        });
    }
    found
}

impl World {
    fn new(bounds: &Bounds, tamper: Tamper) -> Self {
        let now = Millis(1_000_000);
        let place = |i| {
            let disk = first_disk(i, &bounds.setup, Some(bounds.kind));
            Rc::new(Place {
                core: Sentinel::new(disk.clone(), i as u64, now),
                disk,
                now,
                time_steps: bounds.time_steps,
            })
        };
        let mut world = Self {
            places: (0..bounds.setup.sentinels).map(place).collect(),
            digests: vec![0; bounds.setup.sentinels],
            sent: Rc::default(),
            crashes: bounds.crashes,
            votes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            violation: None,
        };
        for i in 0..world.places.len() {
            world.begin(i, tamper);
            world.digests[i] = digest(&world.places[i]);
        }
        world
    }

    /// The peers answer to their PINGs.
    fn hear_peers(&mut self, i: usize, tamper: Tamper) {
        for peer in (0..self.places.len()).filter(|peer| *peer != i) {
            self.happen(i, Event::Pong(Target::Peer(node_id(peer)), PingReply::Pong), Crash::No, tamper);
        }
    }

    fn hash_value(&self) -> u64 {
        digest(&(&self.digests, &self.sent, self.crashes, &self.votes, &self.leaders, &self.violation))
    }

    fn place(&mut self, i: usize) -> &mut Place {
        Rc::make_mut(&mut self.places[i])
    }

    /// A life begins: the peers are there, the master is not.
    fn begin(&mut self, i: usize, tamper: Tamper) {
        self.happen(i, Event::Timer, Crash::No, tamper);
        for peer in (0..self.places.len()).filter(|peer| *peer != i) {
            self.happen(i, Event::LinkUp(Target::Peer(node_id(peer))), Crash::No, tamper);
        }
        self.hear_peers(i, tamper);
        let master = Target::Server(ServerRef { master: master_name(), address: server_address(0) });
        self.happen(i, Event::LinkDown(master, Cause::Refused), Crash::No, tamper);
    }

    fn successors(&self, tamper: Tamper, next: &mut dyn FnMut(Self)) {
        for message in &*self.sent {
            let (to, event) = message.event(&self.places);
            self.branch(to, &event, tamper, next);
        }
        for (i, place) in self.places.iter().enumerate() {
            if place.time_steps > 0 {
                let mut later = self.clone();
                later.place(i).time_steps -= 1;
                later.place(i).now = place.now.after(STEP);
                later.hear_peers(i, tamper);
                later.branch(i, &Event::Timer, tamper, next);
            }
        }
    }

    /// Lets an event happen, with and without a crash around the save it causes.
    fn branch(&self, i: usize, event: &Event, tamper: Tamper, next: &mut dyn FnMut(Self)) {
        for crash in [Crash::No, Crash::BeforeSave, Crash::AfterSave] {
            if crash != Crash::No && self.crashes == 0 {
                return;
            }
            let mut world = self.clone();
            world.happen(i, event.clone(), crash, tamper);
            world.digests[i] = digest(&world.places[i]);
            next(world);
        }
    }

    fn happen(&mut self, i: usize, mut event: Event, crash: Crash, tamper: Tamper) {
        (tamper.event)(&mut event);
        let now = self.places[i].now;
        let mut actions = self.place(i).core.step(event, now);
        (tamper.actions)(&mut actions);
        for action in actions {
            if let Action::Persist(durable) = action {
                if crash != Crash::BeforeSave {
                    self.place(i).disk = *durable;
                }
                if crash != Crash::No {
                    return self.restart(i, tamper);
                }
                continue;
            }
            self.carry_out(i, action, tamper);
        }
        // Without a save the crash comes after everything was said.
        if crash == Crash::AfterSave {
            self.restart(i, tamper);
        }
    }

    fn restart(&mut self, i: usize, tamper: Tamper) {
        self.crashes = self.crashes.saturating_sub(1);
        let place = self.place(i);
        place.core = Sentinel::new(place.disk.clone(), i as u64, place.now);
        place.now = place.now.after(STEP);
        self.begin(i, tamper);
    }

    fn carry_out(&mut self, i: usize, action: Action, tamper: Tamper) {
        match action {
            Action::Ask { peer, question, .. } if question.candidate.is_some() => {
                self.send(Message::Question { from: i, to: node_of(peer), epoch: question.epoch });
            }
            // Whether the master is down is no secret: asked and answered at once.
            Action::Ask { peer, asked, .. } => {
                let down = self.places[node_of(peer)].core.masters()[&master_name()].down().is_some();
                let answer = Answer { down, leader: None, leader_epoch: Epoch::default() };
                let event = Event::Answer { peer, master: master_name(), asked, answer };
                self.happen(i, event, Crash::No, tamper);
            }
            Action::Answer(ReplyTo(to), answer) => {
                if let Some(leader) = answer.leader {
                    self.vote(i, answer.leader_epoch, leader);
                }
                let Answer { down, leader, leader_epoch: epoch } = answer;
                self.send(Message::Answer { from: i, to: to as usize, down, leader, epoch });
            }
            Action::Announce(notice) => match notice.what {
                What::Voted(candidate, epoch) => self.vote(i, epoch, candidate),
                What::ElectedLeader => self.leader(i),
                _ => {}
            },
            _ => {}
        }
    }

    fn send(&mut self, message: Message) {
        if !self.sent.contains(&message) {
            Rc::make_mut(&mut self.sent).insert(message);
        }
    }

    fn vote(&mut self, i: usize, epoch: Epoch, candidate: RunId) {
        let first = *self.votes.entry((i, epoch)).or_insert(candidate);
        if first != candidate {
            self.violation.get_or_insert(format!("sentinel {i} voted twice in epoch {epoch:?}"));
        }
    }

    fn leader(&mut self, i: usize) {
        let Some(f) = self.places[i].core.masters().values().find_map(|m| m.failover.as_ref()) else { return };
        let first = *self.leaders.entry(f.epoch).or_insert(i);
        if first != i {
            self.violation.get_or_insert(format!("sentinels {first} and {i} both lead epoch {:?}", f.epoch));
        }
        let votes = (0..self.places.len()).filter(|v| self.votes.get(&(*v, f.epoch)) == Some(&node_id(i))).count();
        if votes <= self.places.len() / 2 {
            self.violation.get_or_insert(format!("sentinel {i} leads epoch {:?} with {votes} votes", f.epoch));
        }
    }
}

fn digest(of: &impl Hash) -> u64 {
    let mut digest = Digest::default();
    of.hash(&mut digest);
    digest.finish()
}

impl Message {
    fn event(&self, places: &[Rc<Place>]) -> (usize, Event) {
        match self {
            Self::Question { from, to, epoch } => {
                let (address, candidate) = (server_address(0), Some(node_id(*from)));
                let question = Question { address, epoch: *epoch, candidate, planned: false };
                (*to, Event::Asked { reply_to: ReplyTo(*from as u64), question })
            }
            Self::Answer { from, to, down, leader, epoch } => {
                let answer = Answer { down: *down, leader: *leader, leader_epoch: *epoch };
                // What is said is never too old here: clocks play no part.
                let asked = places[*to].now;
                (*to, Event::Answer { peer: node_id(*from), master: master_name(), asked, answer })
            }
        }
    }
}
