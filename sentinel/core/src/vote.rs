//! Giving votes: at most one per master and epoch, on disk before it is spoken.
//!
//! With redis-sentinels in the quorum the rules are Redis': whoever asks first in a new epoch gets the vote. When every
//! peer is one of ours the vote also asks for agreement: only a voter that sees the master down itself gives it (or the
//! vote is for a planned switchover), and a vote is held for its candidate for a moment, which the candidate's own
//! questions renew until it has re-pointed all servers. A leader acts only while a majority holds for it, so no two act
//! at the same time. The promise of one vote per epoch rests on the epoch alone, never on the hold.
//!
//! A candidate that asks about another server than the one that is master here has not heard of the newer configuration
//! (or it is this sentinel that has not): it gets no vote, and is told.

use super::action::Action;
use super::durable::{PeerKind, Vote};
use super::event::{Answer, Question};
use super::failover::Stage;
use super::ids::{Epoch, Millis, ReplyTo, RunId};
use super::notice::What;
use super::state::{Master, Sentinel};

/// How long a vote is held for its candidate, in milliseconds, by voters of our own kind.
pub(super) const HOLD: u64 = 250;

impl Sentinel {
    /// Answers a peer's question about the master at an address.
    pub(super) fn asked(&mut self, reply_to: ReplyTo, question: Question) {
        let found = self.masters.values().find(|m| self.same(m.current_address(), &question.address));
        let Some(name) = found.map(|m| m.name.clone()) else {
            self.tell_config(&question);
            let unknown = Answer { down: false, leader: None, leader_epoch: Epoch::default() };
            return self.put(Action::Answer(reply_to, unknown));
        };
        self.with(&name, |s, m| {
            if let Some(candidate) = question.candidate {
                s.see_epoch(m, question.epoch);
                s.consider(m, candidate, &question);
            }
            let down = s.tilt.is_none() && m.current_server().is_some_and(|server| server.down.is_some());
            let answer = Answer { down, leader: m.vote.candidate, leader_epoch: m.vote.epoch };
            s.put(Action::Answer(reply_to, answer));
            s.ask_back(m);
        });
    }

    /// Makes the hello due to a candidate that asks about a former master.
    fn tell_config(&mut self, question: &Question) {
        let Some(candidate) = question.candidate else { return };
        let former = |m: &Master| m.servers.keys().any(|a| self.same(a, &question.address));
        let names: Vec<_> = self.masters.values().filter(|m| former(m)).map(|m| m.name.clone()).collect();
        for name in names {
            self.with(&name, |_, m| {
                if let Some(w) = m.peers.get_mut(&candidate) {
                    w.hello_sent = None;
                }
            });
        }
    }

    /// Takes a greater epoch for the current one.
    pub(super) fn see_epoch(&mut self, m: &Master, epoch: Epoch) {
        if epoch > self.current_epoch {
            self.current_epoch = epoch;
            self.dirty = true;
            self.tell_because_of(m, What::NewEpoch(epoch));
        }
    }

    /// Votes; the state is marked to be saved before anything is said.
    pub(super) fn cast_vote(&mut self, m: &mut Master, candidate: RunId, epoch: Epoch) {
        m.vote = Vote { epoch, candidate: Some(candidate) };
        self.dirty = true;
        self.tell_because_of(m, What::Voted(candidate, epoch));
    }

    fn consider(&mut self, m: &mut Master, candidate: RunId, question: &Question) {
        let strict = all_ours(self, m);
        if strict && !question.planned {
            // Who asks for a vote of an unplanned failover holds the master for down; it may have asked as long ago as a
            // stall lasts that is no TILT.
            let said = Millis(self.now.0.saturating_sub(self.globals.timings.tilt_trigger));
            if let Some(w) = m.peers.get_mut(&candidate) {
                (w.says_down, w.said) = (true, w.said.max(said));
            }
        }
        if m.vote.candidate == Some(candidate) && m.vote.epoch == question.epoch {
            m.barrier.hold_renewed(self.now);
            return;
        }
        let new = question.epoch > m.vote.epoch && question.epoch > m.config_epoch;
        if !new || (strict && !self.agrees(m, candidate, question)) {
            return;
        }
        self.cast_vote(m, candidate, question.epoch);
        if candidate != self.me {
            self.stand_back(m, candidate);
        }
    }

    /// The further conditions of a voter among its own kind.
    fn agrees(&self, m: &Master, candidate: RunId, question: &Question) -> bool {
        let sees_down = self.tilt.is_none() && m.down().is_some();
        let leads = m.failover.as_ref().is_some_and(|f| !matches!(f.stage, Stage::WaitStart(_)));
        let held = m.vote.candidate != Some(candidate) && m.barrier.held(self.now, HOLD);
        (sees_down || question.planned) && !leads && !held
    }
}

/// Every peer is one of ours.
pub(super) fn all_ours(s: &Sentinel, m: &Master) -> bool {
    m.peers.keys().all(|id| s.peers.get(id).is_some_and(|p| p.kind == PeerKind::Ours))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::durable::Durable;
    use crate::event::Event;
    use crate::ids::Target;
    use crate::table::{Table, replica_address};

    fn ask(t: &mut Table, candidate: u64, epoch: u64, planned: bool) -> (Vec<Action>, Answer) {
        let candidate = Some(RunId::from_number(candidate));
        let question = Question { address: t.master().address.clone(), epoch: Epoch(epoch), candidate, planned };
        let actions = t.step(Event::Asked { reply_to: ReplyTo(1), question });
        let answer = actions.iter().find_map(|a| match a {
            Action::Answer(_, answer) => Some(*answer),
            _ => None,
        });
        let answer = answer.expect("every question is answered");
        (actions, answer)
    }

    #[test]
    fn redis_rules_when_a_peer_is_not_known_to_be_ours() {
        let mut t = Table::settled();
        t.peers_are(PeerKind::Redis);
        let (actions, answer) = ask(&mut t, 2, 1, false);
        assert_eq!((answer.leader, answer.leader_epoch), (Some(RunId::from_number(2)), Epoch(1)));
        assert!(!answer.down, "the vote does not need the master to be down");
        let persist = actions.iter().position(|a| matches!(a, Action::Persist(_)));
        let said = actions.iter().position(|a| matches!(a, Action::Answer(..)));
        assert!(persist.unwrap() < said.unwrap(), "the vote is on disk before it is spoken");
        let (_, other) = ask(&mut t, 3, 1, false);
        assert_eq!(other.leader, Some(RunId::from_number(2)), "one vote per epoch");
        assert_eq!(ask(&mut t, 3, 2, false).1.leader, Some(RunId::from_number(3)));
    }

    #[test]
    fn among_our_own_kind_only_who_sees_it_down_votes() {
        let mut t = Table::settled();
        assert_eq!(ask(&mut t, 2, 1, false).1.leader, None);
        assert_eq!(t.sentinel.current_epoch(), Epoch(1), "the epoch is taken all the same");
        assert_eq!(ask(&mut t, 2, 1, true).1.leader, Some(RunId::from_number(2)), "a planned one needs it not");
        let mut t = Table::settled();
        t.never_candidate();
        t.kill_master();
        t.run_for(1_100);
        assert_eq!(ask(&mut t, 2, 1, false).1.leader, Some(RunId::from_number(2)));
        assert_eq!(ask(&mut t, 3, 2, false).1.leader, Some(RunId::from_number(2)), "held for its candidate");
        t.run_for(HOLD + 1);
        assert_eq!(ask(&mut t, 3, 2, false).1.leader, Some(RunId::from_number(3)));
    }

    #[test]
    fn who_asks_about_a_former_master_gets_no_vote_and_the_news() {
        let mut t = Table::settled();
        let former = t.master().address.clone();
        t.peers_are(PeerKind::Redis);
        t.run_for(10);
        t.take_config(&replica_address(0), 3);
        let candidate = RunId::from_number(2);
        let question = Question { address: former, epoch: Epoch(9), candidate: Some(candidate), planned: true };
        let said = t.step(Event::Asked { reply_to: ReplyTo(1), question });
        let no_vote = |a: &Action| matches!(a, Action::Answer(_, Answer { leader: None, .. }));
        assert!(said.iter().any(no_vote), "{said:?}");
        let told = |a: &Action| {
            matches!(a, Action::PublishHello(Target::Peer(id), hello)
            if *id == candidate && hello.config_epoch == Epoch(3))
        };
        assert!(said.iter().any(told), "{said:?}");
    }

    #[test]
    fn a_vote_is_held_over_a_restart() {
        let mut t = Table::settled();
        ask(&mut t, 2, 1, true);
        t.sentinel = Sentinel::new(t.sentinel.durable(), 1, t.now());
        t.step(Event::Timer);
        assert_eq!(ask(&mut t, 3, 2, true).1.leader, Some(RunId::from_number(2)));
        t.run_for(HOLD + 1);
        assert_eq!(ask(&mut t, 3, 2, true).1.leader, Some(RunId::from_number(3)));
    }

    proptest! {
        /// Whatever is asked, in whatever order and with restarts between: the candidate of an epoch never changes.
        #[test]
        fn one_vote_per_epoch(steps in prop::collection::vec((2u64..5, 1u64..6, any::<bool>(), any::<bool>()), 1..40)) {
            let mut t = Table::settled();
            t.peers_are(PeerKind::Redis);
            let mut disk: Durable = t.sentinel.durable();
            let mut given = std::collections::BTreeMap::new();
            for (candidate, epoch, planned, restart) in steps {
                if restart {
                    t.sentinel = Sentinel::new(disk.clone(), 1, t.now());
                    t.step(Event::Timer);
                }
                let (actions, answer) = ask(&mut t, candidate, epoch, planned);
                for action in actions {
                    match action {
                        Action::Persist(durable) => disk = *durable,
                        Action::WakeAt(at) => prop_assert!(at > Millis::default()),
                        _ => {}
                    }
                }
                if let Some(leader) = answer.leader {
                    prop_assert_eq!(*given.entry(answer.leader_epoch).or_insert(leader), leader);
                }
            }
        }
    }
}
