//! Every decision of the sentinel, as one pure step: `Sentinel::step(event, now) -> actions`.
//!
//! The vocabulary comes first: [`event::Event`] is all that can happen, [`action::Action`] all that can be asked for. A
//! driver (the runtime, a simulation, an exhaustive search, a table in a test) feeds events and carries the actions out
//! strictly in order. Time and randomness are inputs; there is no tick: every event that could unblock a decision has it
//! made at once, and what only time can unblock is asked for with `WakeAt`.
//!
//! | file | topic |
//! |---|---|
//! | [`ids`], [`config`], [`durable`], [`event`], [`action`], [`notice`] | the vocabulary |
//! | [`state`] | what a sentinel knows |
//! | `probe` | links, and what is sent on them with time |
//! | `down`, `odown` | held for down here; by a quorum |
//! | `vote`, `election` | giving votes; gaining them |
//! | [`failover`], `fence`, `select`, [`switchover`], `reconf` | what a leader does |
//! | `topology`, `hello`, `news` | what servers and peers tell; what redis-sentinels are told when |
//! | `tilt`, `operator`, [`why`] | a stalled loop; requests; why nothing happens |
//! | `sim` | a world for those decisions: virtual network, servers, faults, invariants (feature `sim`) |
//!
//! # Invariants
//!
//! 1. At most one leader per master and epoch.
//! 2. One vote per master and epoch, across restarts: a vote is on disk before it is spoken.
//! 3. No failover without a quorum of sentinels that hold the master for down and the votes of a majority
//!    (an operator's switchover is the exception; it says so in an event).
//! 4. At most one promotion per master and epoch.
//! 5. The configuration epoch that a sentinel publishes never goes back.
//!
//! They rest on no clock. What does (the promise of the write gate) is said in [`config::Fencing`].
//!
//! A package of its own, so that it is built for speed also where the rest is built for the debugger: the simulation and the
//! search step it some hundred million times in a run of the suite. `mainstay-sentinel` shows it as its module `core`.

pub mod action;
pub mod config;
mod down;
pub mod durable;
mod election;
pub mod event;
pub mod failover;
mod fence;
mod hello;
pub mod ids;
mod news;
pub mod notice;
mod odown;
mod operator;
mod probe;
mod reconf;
mod rng;
mod select;
#[cfg(feature = "sim")]
pub mod sim;
pub mod state;
pub mod switchover;
#[cfg(test)]
mod table;
mod tilt;
mod topology;
mod vote;
pub mod why;

use action::Action;
use event::Event;
use ids::{MasterName, Millis, RunId, ServerRef, Target};
use notice::{Notice, Part, Subject, What};
use state::{Master, Sentinel};

impl Sentinel {
    /// Handles one event and returns what to do, in order. Total: an event about something unknown does nothing. `now`
    /// never goes back.
    pub fn step(&mut self, event: Event, now: Millis) -> Vec<Action> {
        self.now = self.now.max(now);
        self.dirty = false;
        self.check_tilt();
        if !self.started {
            self.start();
        }
        self.dispatch(event);
        if self.peers_wake <= self.now {
            self.tend_peers();
        }
        for name in self.due() {
            self.with(&name, |_, _| ());
        }
        self.finish()
    }

    fn start(&mut self) {
        self.started = true;
        self.connect_all();
        let names: Vec<MasterName> = self.masters.keys().cloned().collect();
        for name in names {
            self.with(&name, |s, m| s.tell_master(m, What::Monitor(m.settings.quorum)));
        }
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Timer => {}
            Event::LinkUp(target) => self.link_up(target),
            Event::LinkDown(target, cause) => self.link_down(target, cause),
            Event::Pong(target, reply) => self.pong(target, reply),
            Event::Report { from, asked, report } => self.with(&from.master, |s, m| s.report(m, &from, asked, report)),
            Event::Hello(hello) => self.hello(hello),
            Event::Answer { peer, master, asked, answer } => {
                self.with(&master, |s, m| s.answer(m, peer, asked, answer));
            }
            Event::PeerKind(id, kind) => self.peer_kind(id, kind),
            Event::Asked { reply_to, question } => self.asked(reply_to, question),
            Event::Done(ticket, result) => self.done(ticket, result),
            Event::PersistFailed => self.persist_failed(),
            Event::Resolved { name, ip } => {
                self.names.insert(name, ip);
            }
            Event::Request(reply_to, request) => self.request(reply_to, request),
        }
    }

    /// Runs `change` on a master, and then every decision about it.
    pub(crate) fn with(&mut self, name: &MasterName, change: impl FnOnce(&mut Self, &mut Master)) {
        let Some((name, mut m)) = self.masters.remove_entry(name) else { return };
        change(self, &mut m);
        self.evaluate(&mut m);
        self.masters.insert(name, m);
    }

    /// Every decision about a master. What time alone can change sets `m.wake`.
    fn evaluate(&mut self, m: &mut Master) {
        m.wake = Millis::NEVER;
        if self.tilt.is_none() {
            self.check_down(m);
            self.check_objectively_down(m);
            self.start_failover_if_due(m);
            self.advance(m);
            self.repair(m);
            self.keep_gate(m);
        }
        self.ask_peers(m);
        self.probe_servers(m);
        self.greet(m);
    }

    fn due(&self) -> Vec<MasterName> {
        let now = self.now;
        self.masters.values().filter(|m| m.wake <= now).map(|m| m.name.clone()).collect()
    }

    /// Puts the list in order: what promises nothing, the durable state, what rests on it, the next wake.
    fn finish(&mut self) -> Vec<Action> {
        let mut list = std::mem::take(&mut self.out);
        // It keeps the order of equals.
        list.sort_by_key(|action| !action.is_free());
        let free = list.partition_point(Action::is_free);
        let speaks = list[free..].iter().any(|action| !matches!(action, Action::Announce(_)));
        if self.dirty || (self.unsaved && speaks) {
            self.unsaved = false;
            list.insert(free, Action::Persist(Box::new(self.durable())));
        }
        let due = self.masters.values().map(|m| m.wake).fold(self.peers_wake.min(self.tilt_end()), Millis::min);
        self.wake = due.max(self.now.after(1));
        list.push(Action::WakeAt(self.wake));
        list
    }

    fn persist_failed(&mut self) {
        self.unsaved = true;
        self.tell(What::NotSaved);
    }

    pub(crate) fn put(&mut self, action: Action) {
        self.out.push(action);
    }

    pub(crate) fn tell(&mut self, what: What) {
        let epoch = self.current_epoch;
        self.put(Action::Announce(Notice { what, subject: None, epoch }));
    }

    /// Announces something about the sentinel that a master's affairs have brought about.
    pub(crate) fn tell_because_of(&mut self, m: &Master, what: What) {
        let epoch = self.current_epoch;
        self.announce(m, Notice { what, subject: None, epoch });
    }

    /// Announces something about the master.
    pub(crate) fn tell_master(&mut self, m: &Master, what: What) {
        self.tell_of(m, Part::Master, &m.address, what);
    }

    /// Announces something about a server in the part it plays.
    pub(crate) fn tell_server(&mut self, m: &Master, address: &ids::Address, what: What) {
        let part = if *address == m.address { Part::Master } else { Part::Replica };
        self.tell_of(m, part, address, what);
    }

    /// Announces something about a peer.
    pub(crate) fn tell_peer(&mut self, m: &Master, id: RunId, what: What) {
        if let Some(address) = self.peers.get(&id).map(|p| p.address.clone()) {
            self.tell_of(m, Part::Sentinel(id), &address, what);
        }
    }

    fn tell_of(&mut self, m: &Master, part: Part, address: &ids::Address, what: What) {
        let subject =
            Subject { part, address: address.clone(), master: m.name.clone(), master_address: m.address.clone() };
        let begun = m.failover.as_ref().map_or_else(Default::default, |f| f.epoch);
        let epoch = m.vote.epoch.max(m.config_epoch).max(begun);
        self.announce(m, Notice { what, subject: Some(subject), epoch });
    }

    /// Announces it, and runs the master's notification script with a warning.
    fn announce(&mut self, m: &Master, notice: Notice) {
        let script = m.settings.notification_script.clone().filter(|_| notice.what.is_warning());
        let args = vec![notice.channel().to_owned(), notice.payload()];
        self.put(Action::Announce(notice));
        if let Some(path) = script {
            self.put(Action::RunScript(action::Script { path, args }));
        }
    }

    /// Makes, again if need be, every link; a driver that has one does nothing.
    pub(crate) fn connect_all(&mut self) {
        let servers: Vec<_> = self.masters.values().flat_map(Self::server_targets).collect();
        let peers: Vec<_> = self.peers.iter().map(|(id, p)| (Target::Peer(*id), p.address.clone())).collect();
        for (target, address) in servers.into_iter().chain(peers) {
            self.put(Action::Connect(target, address));
        }
    }
}

/// A wish to be woken for a master.
pub(crate) fn wake(m: &mut Master, at: Millis) {
    m.wake = m.wake.min(at);
}

/// The link's other end.
pub(crate) fn target(server: &ServerRef) -> Target {
    Target::Server(server.clone())
}
