//! Gaining votes: when this sentinel becomes a candidate, and what it makes of the answers.
//!
//! Peers find a master down within the same millisecond, so candidates would split the votes nearly always. Two things
//! prevent that: each sentinel waits for its rank among those it can reach, a few ten milliseconds apart, so that
//! usually one asks first and the others vote for it; and a lost attempt is repeated under a new epoch after a random
//! wait of a few hundred milliseconds, not after minutes. An attempt is made only when those who would vote for it are
//! enough, so a sentinel that cannot win does not raise the epoch.

use super::durable::PeerKind;
use super::event::Role;
use super::failover::{Failover, Flow, Reason, Stage};
use super::ids::{Epoch, Millis, RunId};
use super::notice::{Grounds, What};
use super::rng::mix;
use super::state::{Master, Sentinel, Watcher};
use super::vote::{HOLD, all_ours};
use super::wake;
use super::why::Unmet;

/// The distance of two ranks in milliseconds: a vote with its fsync and the way to the voters fits in.
const RANK_STEP: u64 = 25;
/// How long an attempt may last, doubled for each further one.
const ATTEMPT: u64 = 500;
/// How often an attempt's times are doubled at most.
const DOUBLINGS: u32 = 4;
/// How long a switchover waits for a majority that cannot be reached.
const PLANNED_PATIENCE: u64 = 500;
/// How much earlier than its voters' hold a leader's own reckoning of it ends, in milliseconds: clocks drift.
const MARGIN: u64 = 10;

/// What keeps a sentinel from being a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Barrier {
    /// Not before this time.
    pub(super) until: Millis,
    /// Because the vote went to this one, and it may be at work.
    pub(super) leader: Option<RunId>,
    /// When it last asked for the vote it has.
    asked_at: Option<Millis>,
    /// The last attempt found no replica; a report may end that.
    pub(super) no_replica: bool,
    /// Since when all but the rank allows a candidacy.
    ready: Option<Millis>,
}

impl Barrier {
    /// Nothing but the vote's hold, which was asked for then.
    pub(super) fn holding(asked_at: Option<Millis>) -> Self {
        Self { asked_at, ..Self::default() }
    }

    /// All but the hold ends.
    pub(super) fn lift(&mut self) {
        *self = Self::holding(self.asked_at);
    }

    /// The one who has the vote asked again.
    pub(super) fn hold_renewed(&mut self, now: Millis) {
        self.asked_at = Some(now);
    }

    /// The vote was asked for less than `hold` ago.
    pub(super) fn held(&self, now: Millis, hold: u64) -> bool {
        self.asked_at.is_some_and(|at| now.since(at) < hold)
    }

    /// Nobody may start before `ms` have passed.
    pub(super) fn rest(&mut self, now: Millis, ms: u64) {
        *self = Self { until: now.after(ms), ..Self::default() };
    }
}

/// One attempt to be elected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The first is 0.
    pub number: u32,
    /// When it began.
    pub started: Millis,
    /// It is lost; the next one begins at this time.
    pub retry_at: Option<Millis>,
}

impl Sentinel {
    /// Becomes a candidate if everything allows it.
    pub(super) fn start_failover_if_due(&mut self, m: &mut Master) {
        if m.failover.is_some() {
            return;
        }
        if let Some(unmet) = self.barred(m) {
            m.barrier.ready = None;
            if matches!(unmet, Unmet::ObserveOnly | Unmet::Paused { .. }) && m.objectively_down.is_some() {
                self.observe(m);
            }
            return;
        }
        let ready = *m.barrier.ready.get_or_insert(self.now);
        let start = ready.after(self.rank(m) * RANK_STEP);
        if start > self.now {
            return wake(m, start);
        }
        self.stand(m, Reason::Down);
    }

    /// What forbids an unplanned failover now, apart from the rank; the first that holds.
    pub(super) fn barred(&self, m: &mut Master) -> Option<Unmet> {
        let (have, need) = (super::odown::down_votes(m), m.settings.quorum as usize);
        if let Some(pause) = &m.paused {
            return Some(Unmet::Paused { by: pause.by.clone() });
        }
        if m.down().is_none() {
            return Some(Unmet::MasterUp);
        }
        if m.objectively_down.is_none() {
            return Some(Unmet::NoQuorum { have, need });
        }
        if m.settings.observe_only {
            return Some(Unmet::ObserveOnly);
        }
        // An attempt was made in this configuration: another one needs a replica that may be promoted.
        if let (true, Err(unmet)) = (m.vote.epoch > m.config_epoch, self.choose(m, Millis::default())) {
            return Some(unmet);
        }
        let (have, need) = (self.would_vote(m), m.votes_needed());
        if have < need {
            return Some(Unmet::NoMajority { have, need });
        }
        let until = self.barrier_ends(m);
        if until > self.now {
            wake(m, until);
            return Some(match m.barrier.leader {
                Some(leader) => Unmet::VotedFor { leader, epoch: m.vote.epoch },
                None => Unmet::Resting { ms: until.since(self.now) },
            });
        }
        None
    }

    /// When the barrier ends: at its time; earlier once a replica is found that was missing, or once the one voted for
    /// is gone or has stopped asking.
    fn barrier_ends(&self, m: &Master) -> Millis {
        let barrier = &m.barrier;
        if barrier.no_replica && self.choose(m, Millis::default()).is_ok() {
            return Millis::default();
        }
        let Some(leader) = barrier.leader else {
            return barrier.until.max(barrier.asked_at.map_or(Millis::default(), |at| at.after(HOLD)));
        };
        let silent = barrier.asked_at.unwrap_or_default().after(2 * HOLD);
        let gone = m.peers.get(&leader).is_none_or(|w| w.down.is_some());
        if gone || all_ours(self, m) { silent.min(barrier.until) } else { barrier.until }
    }

    /// How many would vote for this sentinel: those that see the master down where only they vote, else all within reach.
    fn would_vote(&self, m: &Master) -> usize {
        if all_ours(self, m) {
            return super::odown::down_votes(m);
        }
        let reach = |id: &RunId| self.peers.get(id).is_some_and(|p| p.link.up);
        1 + m.peers.iter().filter(|(id, w)| reach(id) && w.down.is_none()).count()
    }

    /// How many of those within reach go first.
    fn rank(&self, m: &Master) -> u64 {
        let scatter = |bytes: &[u8]| bytes.iter().fold(0, |h, b| mix(h ^ u64::from(*b)));
        let place = |id: &RunId| mix(scatter(id.as_str().as_bytes()) ^ scatter(m.name.as_str().as_bytes()));
        let within = |id: &RunId| {
            let peer = self.peers.get(id);
            peer.is_some_and(|p| p.link.up) && m.peers.get(id).is_some_and(|w| w.down.is_none())
        };
        let mine = place(&self.me);
        m.peers.keys().filter(|id| within(id) && place(id) < mine).count() as u64
    }

    /// Tells, once per outage, what this observer would have done.
    fn observe(&mut self, m: &mut Master) {
        if m.observed {
            return;
        }
        if let Ok(replica) = self.choose(m, Millis::default()) {
            m.observed = true;
            let report = m.servers.get(&replica).and_then(|s| s.report.as_ref());
            let priority = report.map_or(0, |r| match &r.role {
                Role::Replica(following) => following.priority,
                Role::Master => 0,
            });
            let offset = report.map_or(0, |r| r.offset);
            let (votes, quorum) = (super::odown::down_votes(m), m.settings.quorum);
            self.tell_server(m, &replica, What::WouldPromote(Grounds { votes, quorum, priority, offset }));
        }
    }

    /// Begins a failover: a new epoch, the own vote, and the question to the others.
    pub(super) fn stand(&mut self, m: &mut Master, reason: Reason) {
        let attempt = Attempt { number: 0, started: self.now, retry_at: None };
        let epoch = self.new_epoch(m);
        m.barrier = Barrier::default();
        m.failover = Some(Failover::new(epoch, reason.clone(), Stage::WaitStart(attempt), self.now));
        self.tell_master(m, What::TryFailover(reason));
        self.cast_vote(m, self.me, epoch);
        ask_at_once(m);
    }

    fn new_epoch(&mut self, m: &Master) -> Epoch {
        let epoch = self.current_epoch.max(m.vote.epoch).max(m.config_epoch).next();
        self.see_epoch(m, epoch);
        epoch
    }

    /// The vote went to somebody else: the own candidacy ends, and nothing is begun while the other may be at work.
    pub(super) fn stand_back(&mut self, m: &mut Master, leader: RunId) {
        if m.failover.as_ref().is_some_and(|f| matches!(f.stage, Stage::WaitStart(_))) {
            m.failover = None;
            self.tell_master(m, What::AbortNotElected);
        }
        let wait = 2 * m.settings.failover_timeout + self.rng.below(1_000);
        m.barrier.rest(self.now, wait);
        m.barrier.leader = Some(leader);
        m.barrier.hold_renewed(self.now);
    }

    /// A peer's answer shows a fresh vote for somebody else: an election is under way that has not reached here yet.
    pub(super) fn note_other_leader(&mut self, m: &mut Master, peer: RunId) {
        let Some(vote) = m.peers.get(&peer).map(|w| w.vote) else { return };
        let other = vote.candidate.filter(|id| *id != self.me && *id != peer);
        let fresh = vote.epoch > m.vote.epoch && vote.epoch > m.config_epoch && vote.epoch >= self.current_epoch;
        if m.failover.is_none() && other.is_some() && fresh && m.barrier.leader.is_none() {
            m.barrier.rest(self.now, 2 * HOLD + self.rng.below(HOLD));
            m.barrier.leader = other;
        }
    }

    /// Counts the votes.
    pub(super) fn advance_election(&mut self, m: &mut Master, f: &mut Failover) -> Flow {
        let Stage::WaitStart(attempt) = f.stage.clone() else { return Flow::Stay };
        if f.reason == Reason::Down && m.down().is_none() {
            self.tell_master(m, What::AbortNotElected);
            return Flow::End;
        }
        let limit = f.started.after(self.globals.timings.election_timeout.min(m.settings.failover_timeout));
        if votes(m, self.me, f.epoch) >= m.votes_needed() {
            return self.elected(m, f);
        }
        if f.planned() && self.no_majority(m, f, limit) {
            f.without_votes = true;
            self.tell_master(m, What::WithoutVotes);
            return self.elected(m, f);
        }
        if limit <= self.now {
            m.barrier.rest(self.now, self.globals.timings.election_timeout + self.rng.below(1_000));
            self.tell_master(m, What::AbortNotElected);
            return Flow::End;
        }
        wake(m, limit);
        self.retry(m, f, attempt)
    }

    /// A lost attempt is repeated after a wait that the voters' hold does not outlast.
    fn retry(&mut self, m: &mut Master, f: &mut Failover, mut attempt: Attempt) -> Flow {
        let factor = 1 << attempt.number.min(DOUBLINGS);
        let ends = attempt.started.after(ATTEMPT * factor);
        match attempt.retry_at {
            None if ends > self.now && self.may_win(m, f.epoch) => wake(m, ends),
            None => {
                let at = self.now.after(HOLD + self.rng.below(HOLD * factor));
                attempt.retry_at = Some(at);
                f.stage = Stage::WaitStart(attempt);
                wake(m, at);
            }
            Some(at) if at > self.now => wake(m, at),
            Some(_) if self.would_vote(m) >= m.votes_needed() || f.planned() => {
                attempt = Attempt { number: attempt.number + 1, started: self.now, retry_at: None };
                f.stage = Stage::WaitStart(attempt);
                f.epoch = self.new_epoch(m);
                self.cast_vote(m, self.me, f.epoch);
                ask_at_once(m);
                wake(m, self.now.after(ATTEMPT));
            }
            Some(_) => {
                let at = self.now.after(HOLD);
                attempt.retry_at = Some(at);
                f.stage = Stage::WaitStart(attempt);
                wake(m, at);
            }
        }
        Flow::Stay
    }

    /// Enough votes are still open.
    fn may_win(&self, m: &Master, epoch: Epoch) -> bool {
        let open = m.peers.values().filter(|w| w.vote.epoch < epoch).count();
        votes(m, self.me, epoch) + open >= m.votes_needed()
    }

    /// There is no majority to ask: after a moment where too few peers can be reached, and at the election's end where too
    /// few have answered at all. One that is merely slow is waited for, since others may be at work with its vote.
    fn no_majority(&self, m: &mut Master, f: &Failover, limit: Millis) -> bool {
        let patience = f.started.after(PLANNED_PATIENCE);
        let too_few = |peers: usize| peers + 1 < m.votes_needed();
        let reach = |id: &RunId, w: &Watcher| w.down.is_none() && self.peers.get(id).is_some_and(|p| p.link.up);
        let reachable = m.peers.iter().filter(|(id, w)| reach(id, w)).count();
        let answered = m.peers.values().filter(|w| w.answered.is_some_and(|at| at >= f.started)).count();
        let end = if too_few(reachable) { patience } else { limit };
        let without = too_few(answered) && end <= self.now;
        wake(m, if end > self.now { end } else { Millis::NEVER });
        without
    }

    /// Whether this leader may act: a majority holds its votes for it, reckoned from when they were asked, so nobody else
    /// can be elected now. By Redis' rules votes are not held, and a leader may act as long as its failover lasts.
    pub(super) fn still_leads(&self, m: &Master, f: &Failover) -> bool {
        if f.without_votes || !all_ours(self, m) {
            return true;
        }
        let fresh = |w: &Watcher| w.voted_for_me.is_some_and(|at| self.now.since(at) + MARGIN < HOLD);
        let mine = |vote: &super::durable::Vote| vote.epoch == f.epoch && vote.candidate == Some(self.me);
        let held = m.peers.values().filter(|w| mine(&w.vote) && fresh(w)).count();
        usize::from(mine(&m.vote)) + held > m.voters() / 2
    }

    /// A voter of this leader has voted again since, in a later epoch, and without it there is no majority.
    pub(super) fn deposed(&self, m: &Master, f: &Failover) -> bool {
        !f.without_votes && all_ours(self, m) && votes(m, self.me, f.epoch) <= m.voters() / 2
    }

    /// Ends what a deposed leader is at, so that its own vote is free again. What it took off the old master is left to
    /// its successor, who wants it so.
    pub(super) fn step_aside(&mut self, m: &mut Master) -> Flow {
        m.barrier.rest(self.now, 2 * HOLD + self.rng.below(HOLD));
        self.tell_master(m, What::AbortNotElected);
        Flow::End
    }

    fn elected(&mut self, m: &mut Master, f: &mut Failover) -> Flow {
        self.tell_master(m, What::ElectedLeader);
        self.tell_master(m, What::SelectReplica);
        Self::inspect_at_once(m);
        f.enter(Stage::Select, self.now);
        Flow::Go
    }

    /// It was found out which program a peer is; the rules of voting may change with it.
    pub(super) fn peer_kind(&mut self, id: RunId, kind: PeerKind) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if std::mem::replace(&mut peer.kind, kind) != kind {
            self.dirty = true;
        }
        self.with_watchers(id, |_, _| ());
    }
}

/// Votes for `me` in `epoch`.
pub(super) fn votes(m: &Master, me: RunId, epoch: Epoch) -> usize {
    let mine = |vote: &super::durable::Vote| vote.epoch == epoch && vote.candidate == Some(me);
    usize::from(mine(&m.vote)) + m.peers.values().filter(|w| mine(&w.vote)).count()
}

fn ask_at_once(m: &mut Master) {
    m.peers.values_mut().for_each(|w| (w.asked, w.ask_gap) = (None, 0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::table::{Table, channels};

    #[test]
    fn a_quorum_and_a_majority_elect() {
        let mut t = Table::settled();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let said = t.run_for(1_300);
        let order = ["+sdown", "+odown", "+new-epoch", "+try-failover", "+vote-for-leader", "+elected-leader"];
        let heard = channels(&said);
        let places: Vec<_> = order.iter().map(|c| heard.iter().position(|h| h == c).expect(c)).collect();
        assert!(places.is_sorted(), "{heard:?}");
    }

    #[test]
    fn a_split_vote_is_repeated_within_a_few_hundred_milliseconds() {
        let mut t = Table::settled();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote_for_each_other();
        t.run_for(1_300);
        let first = t.master().vote.epoch;
        t.run_for(1_000);
        assert!(t.master().vote.epoch > first, "a new attempt under a new epoch");
        t.peers_vote(true);
        assert!(channels(&t.run_for(2_500)).contains(&"+elected-leader"));
    }

    #[test]
    fn who_cannot_win_does_not_raise_the_epoch() {
        let mut t = Table::settled();
        t.kill_master();
        t.one_peer_says_down();
        t.set_quorum(1);
        t.all_peers_lost_but(0);
        let said = t.run_for(20_000);
        assert!(channels(&said).contains(&"+odown"));
        assert_eq!(t.sentinel.current_epoch(), Epoch(0));
    }

    #[test]
    fn an_observer_only_tells() {
        let mut t = Table::settled();
        t.observe_only();
        t.kill_master();
        t.peers_say(true);
        let said = t.run_for(10_000);
        assert_eq!(channels(&said).iter().filter(|c| **c == "+would-promote").count(), 1);
        assert!(!said.iter().any(|a| matches!(a, Action::Do(..) | Action::PublishHello(..))));
        assert_eq!(t.sentinel.current_epoch(), Epoch(0));
    }
}
