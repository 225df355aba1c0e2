//! Links, and what is sent on them with time: PING, the question for a report, hello.
//!
//! What was not answered is not asked again at once: a question is repeated after its period, so a silent server never
//! has a queue of questions.
//!
//! What is sent with time falls due on a common beat, a tenth of its period wide. So everything for one server goes out in
//! one write, and everything for a hundred masters in one waking, and again and again, since the replies come together too.
//! Nothing but sending keeps to the beat: whether somebody is down is decided to the millisecond.

use super::action::{Action, HelloBody};
use super::event::{Cause, PingReply};
use super::failover::Stage;
use super::ids::{Address, MasterName, Millis, RunId, ServerRef, Target};
use super::state::{Link, Master, Sentinel, Server};
use super::switchover::Phase;
use super::{target, wake};

/// The longest beat, in milliseconds.
const BEAT: u64 = 100;

/// The beat on which something falls due that is sent once in `period`.
fn on_beat(at: Millis, period: u64) -> Millis {
    let beat = (period / 10).clamp(1, BEAT);
    if at == Millis::NEVER { at } else { Millis(at.0 / beat * beat) }
}

/// When what is sent to a server falls due.
struct Due {
    ping: Millis,
    inspect: Millis,
    /// Its link is made anew.
    stuck: Millis,
}

impl Due {
    fn first(&self) -> Millis {
        self.ping.min(self.inspect).min(self.stuck)
    }
}

impl Link {
    /// When the next PING is due: the last reply is older than the period, the last PING than half of it.
    fn ping_due(&self, period: u64) -> Millis {
        match (self.up, self.ping_sent) {
            (false, _) => Millis::NEVER,
            (true, None) => Millis::default(),
            (true, Some(sent)) => on_beat(self.last_reply.after(period).max(sent.after(period / 2)), period),
        }
    }

    fn pinged(&mut self, now: Millis) {
        self.ping_sent = Some(now);
        self.unanswered.get_or_insert(now);
    }

    fn set_up(&mut self, now: Millis) {
        *self = Self { up: true, since: now, ping_sent: None, closed: false, refused: false, ..self.clone() };
    }

    fn set_down(&mut self, now: Millis, cause: Cause) {
        self.closed |= self.up && cause == Cause::Closed;
        self.refused |= cause == Cause::Refused;
        if self.up {
            (self.up, self.since) = (false, now);
        }
        self.unanswered.get_or_insert(now);
    }

    fn replied(&mut self, now: Millis, reply: PingReply) {
        self.last_reply = now;
        if matches!(reply, PingReply::Pong | PingReply::Loading | PingReply::MasterDown) {
            self.last_ok = now;
            self.unanswered = None;
        }
    }

    /// The process is gone: its kernel closed the connection, and nobody listens there any more.
    pub(super) fn proves_death(&self) -> bool {
        !self.up && self.closed && self.refused
    }

    /// A PING has been unanswered for so long, on a link that is not young, that the link may be what is broken.
    fn stuck_at(&self, least_age: u64, down_after: u64) -> Millis {
        match self.unanswered {
            Some(since) if self.up => since.max(self.last_reply).after(down_after / 2).max(self.since.after(least_age)),
            _ => Millis::NEVER,
        }
    }
}

impl Sentinel {
    pub(super) fn link_up(&mut self, target: Target) {
        let now = self.now;
        match target {
            Target::Server(server) => self.with(&server.master, |_, m| {
                let Some(s) = m.servers.get_mut(&server.address) else { return };
                s.link.set_up(now);
                (s.inspect_sent, s.hello_sent, s.gate_after) = (None, None, now);
            }),
            Target::Peer(id) => {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.link.set_up(now);
                self.tend_peers();
                self.with_watchers(id, |_, m| {
                    if let Some(w) = m.peers.get_mut(&id) {
                        (w.hello_sent, w.asked, w.ask_gap) = (None, None, 0);
                    }
                });
            }
        }
    }

    pub(super) fn link_down(&mut self, target: Target, cause: Cause) {
        let now = self.now;
        match target {
            Target::Server(server) => self.with(&server.master, |_, m| {
                if let Some(s) = m.servers.get_mut(&server.address) {
                    s.link.set_down(now, cause);
                }
            }),
            Target::Peer(id) => {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.link.set_down(now, cause);
                self.with_watchers(id, |_, _| ());
            }
        }
    }

    pub(super) fn pong(&mut self, target: Target, reply: PingReply) {
        let now = self.now;
        match target {
            Target::Server(server) => self.with(&server.master, |s, m| {
                let Some(known) = m.servers.get_mut(&server.address) else { return };
                known.link.replied(now, reply);
                if reply == PingReply::Pong {
                    known.rebooted = None;
                }
                if reply == PingReply::Busy && known.down.is_some() && !known.script_killed {
                    known.script_killed = true;
                    s.put(Action::KillScript(server.clone()));
                }
            }),
            Target::Peer(id) => {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                peer.link.replied(now, reply);
                self.tend_peers();
                self.with_watchers(id, |_, _| ());
            }
        }
    }

    /// Runs `change` on every master that this peer watches.
    pub(super) fn with_watchers(&mut self, id: RunId, mut change: impl FnMut(&mut Self, &mut Master)) {
        let watching = self.masters.values().filter(|m| m.peers.contains_key(&id));
        let names: Vec<MasterName> = watching.map(|m| m.name.clone()).collect();
        for name in names {
            self.with(&name, &mut change);
        }
    }

    /// PING to the peers, each over the one link to it.
    pub(super) fn tend_peers(&mut self) {
        let (now, timings) = (self.now, self.globals.timings.clone());
        let down_after = self.masters.values().map(|m| m.settings.down_after).min().unwrap_or(timings.ping_period);
        let period = down_after.min(timings.ping_period);
        self.peers_wake = Millis::NEVER;
        for (id, peer) in &mut self.peers {
            if peer.link.stuck_at(timings.min_link_reconnect_period, down_after) <= now {
                peer.link.set_down(now, Cause::Unreachable);
                self.out.push(Action::Reconnect(Target::Peer(*id)));
            }
            if peer.link.ping_due(period) <= now {
                peer.link.pinged(now);
                self.out.push(Action::Ping(Target::Peer(*id)));
            }
            let stuck = peer.link.stuck_at(timings.min_link_reconnect_period, down_after);
            self.peers_wake = self.peers_wake.min(peer.link.ping_due(period)).min(stuck);
        }
    }

    /// PING and the question for a report to the servers; stuck links made anew. Runs after every event, so nothing is made
    /// for servers of which nothing is due.
    pub(super) fn probe_servers(&mut self, m: &mut Master) {
        let (now, mut next) = (self.now, Millis::NEVER);
        let mut is_due = |(address, s): &(&Address, &Server)| {
            let first = self.probes_due(m, address, s).first();
            next = if first > now { next.min(first) } else { next };
            first <= now
        };
        let due: Vec<Address> = m.servers.iter().filter(&mut is_due).map(|(address, _)| address.clone()).collect();
        for address in due {
            self.probe_server(m, &address);
            let Some(s) = m.servers.get(&address) else { continue };
            next = next.min(self.probes_due(m, &address, s).first());
        }
        wake(m, next);
    }

    fn probe_server(&mut self, m: &mut Master, address: &Address) {
        let (now, server) = (self.now, m.server_ref(address));
        let Some(due) = m.servers.get(address).map(|s| self.probes_due(m, address, s)) else { return };
        let Some(s) = m.servers.get_mut(address) else { return };
        if due.stuck <= now {
            s.link.set_down(now, Cause::Unreachable);
            return self.out.push(Action::Reconnect(target(&server)));
        }
        if due.ping <= now {
            s.link.pinged(now);
            self.out.push(Action::Ping(target(&server)));
        }
        if due.inspect <= now {
            s.inspect_sent = Some(now);
            self.out.push(Action::Inspect { server, asked: now });
        }
    }

    fn probes_due(&self, m: &Master, address: &Address, s: &Server) -> Due {
        let (timings, down_after) = (&self.globals.timings, m.settings.down_after);
        let inspect = match s.inspect_sent {
            _ if !s.link.up => Millis::NEVER,
            None => Millis::default(),
            Some(sent) => {
                let period = self.inspect_period(m, address, s);
                on_beat(sent.after(period), period)
            }
        };
        // A demotion may be queued on the link to a master that is stopped: it is kept.
        let keep = m.settings.fencing == super::config::Fencing::OnReturn;
        let stuck = if keep { Millis::NEVER } else { s.link.stuck_at(timings.min_link_reconnect_period, down_after) };
        Due { ping: s.link.ping_due(down_after.min(timings.ping_period)), inspect, stuck }
    }

    /// How often a server is asked for its report: seldom, oftener when something is wrong, and fast while a leader waits
    /// for what the report will say.
    fn inspect_period(&self, m: &Master, address: &Address, server: &Server) -> u64 {
        let timings = &self.globals.timings;
        if let Some(f) = &m.failover {
            let elapsed = self.now.since(f.since);
            let waits = match &f.stage {
                Stage::WaitStart(_) => false,
                Stage::Select | Stage::Fence { .. } => *address != m.address,
                Stage::Promote { to, .. } => address == to,
                Stage::Switch { phase: Phase::StepDown(_), .. } => true,
                Stage::Switch { phase: Phase::TurnBack(_), .. } => *address == m.address,
                Stage::Switch { to, .. } => address == to,
                Stage::Reconfigure { to } => address != to && server.reconf != super::state::Reconf::Done,
            };
            let floor = if matches!(f.stage, Stage::Switch { .. }) { 2 } else { 10 };
            return if waits { (elapsed / 4).clamp(floor, timings.ping_period) } else { timings.ping_period };
        }
        let broken = server.report.as_ref().is_some_and(|r| match &r.role {
            super::event::Role::Replica(f) => !f.link_up,
            super::event::Role::Master => *address != m.address,
        });
        let wrong = m.down().is_some() || m.objectively_down.is_some() || broken;
        if wrong { timings.ping_period.min(timings.info_period) } else { timings.info_period }
    }

    /// Hello to the servers and peers. An observer does not show itself.
    pub(super) fn greet(&mut self, m: &mut Master) {
        if m.settings.observe_only {
            return;
        }
        let (now, period) = (self.now, self.globals.timings.publish_period);
        // Redis-sentinels listen at the servers.
        let news_after = if super::vote::all_ours(self, m) { now } else { m.news_after };
        let due = |sent: Option<Millis>, after: Millis| match sent {
            Some(sent) => on_beat(sent.after(period), period).max(after),
            None => after.max(now),
        };
        let mut next = Millis::NEVER;
        let mut to = Vec::new();
        for (address, s) in m.servers.iter_mut().filter(|(_, s)| s.link.up && !s.foreign) {
            if due(s.hello_sent, news_after) <= now {
                s.hello_sent = Some(now);
                to.push(Target::Server(ServerRef { master: m.name.clone(), address: address.clone() }));
            }
            next = next.min(due(s.hello_sent, news_after));
        }
        for (id, w) in &mut m.peers {
            if !self.peers.get(id).is_some_and(|p| p.link.up) {
                continue;
            }
            let after = if self.hears_at_once(id) { now } else { news_after };
            if due(w.hello_sent, after) <= now {
                w.hello_sent = Some(now);
                to.push(Target::Peer(*id));
            }
            next = next.min(due(w.hello_sent, after));
        }
        wake(m, next);
        for target in to {
            let body = HelloBody {
                current_epoch: self.current_epoch,
                master: m.name.clone(),
                address: m.current_address().clone(),
                config_epoch: m.config_epoch,
            };
            self.out.push(Action::PublishHello(target, body));
        }
    }

    /// Makes the next hello to everybody due now.
    pub(super) fn greet_at_once(m: &mut Master) {
        m.servers.values_mut().for_each(|s| s.hello_sent = None);
        m.peers.values_mut().for_each(|w| w.hello_sent = None);
    }

    /// Asks every server for its report now.
    pub(super) fn inspect_at_once(m: &mut Master) {
        m.servers.values_mut().for_each(|s| s.inspect_sent = None);
    }
}
