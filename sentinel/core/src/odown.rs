//! Held for down by a quorum (ODOWN): asking the peers, and counting what they say.
//!
//! Peers are asked while the master is held for down here, and for their vote while this sentinel is a candidate or
//! leads. The first questions follow each other within milliseconds, since peers find a master down at about the same
//! time; a peer that does not agree is asked more and more seldom, down to Redis' once a second.

use super::action::Action;
use super::event::{Answer, Question};
use super::failover::{Failover, Stage};
use super::ids::{Millis, RunId};
use super::notice::What;
use super::state::{Master, Sentinel, Watcher};
use super::wake;

/// The first wait between two questions to a peer.
const FIRST_GAP: u64 = 5;
/// The wait between a leader's questions: each renews the hold its voters keep for it.
const LEADER_GAP: u64 = 80;
/// After how many times the usual wait a question without an answer is repeated.
const UNANSWERED: u64 = 8;
/// The same for a leader, before whose voters' hold would end.
const UNANSWERED_LEADER: u64 = 2;
/// After how many ask periods what a peer was asked is forgotten.
const FORGET_AFTER: u64 = 5;

impl Sentinel {
    /// A peer answered.
    pub(super) fn answer(&mut self, m: &mut Master, peer: RunId, asked: Millis, answer: Answer) {
        let now = self.now;
        // Who has promoted asks about the new master, which says nothing of the old one.
        let about_new = m.current_address() != &m.address;
        let Some(w) = m.peers.get_mut(&peer) else { return };
        w.answered = Some(now);
        if !about_new {
            (w.says_down, w.said) = (answer.down, asked);
        }
        if answer.leader == Some(self.me) {
            w.voted_for_me = w.voted_for_me.max(Some(asked));
        }
        if answer.leader.is_some() && answer.leader_epoch >= w.vote.epoch {
            w.vote = super::durable::Vote { epoch: answer.leader_epoch, candidate: answer.leader };
        }
        self.note_other_leader(m, peer);
    }

    /// Re-evaluates ODOWN.
    pub(super) fn check_objectively_down(&mut self, m: &mut Master) {
        let (now, forget) = (self.now, FORGET_AFTER * self.globals.timings.ask_period);
        let mut next = Millis::NEVER;
        for w in m.peers.values_mut().filter(|w| w.says_down) {
            let until = w.said.after(forget);
            if until <= now {
                w.says_down = false;
            } else {
                next = next.min(until);
            }
        }
        wake(m, next);
        let (have, need) = (down_votes(m), m.settings.quorum);
        let down = m.down().is_some() && have >= need as usize;
        let was = m.objectively_down;
        m.objectively_down = down.then(|| was.unwrap_or(now));
        match (was, down) {
            (None, true) => {
                self.tell_master(m, What::ObjectivelyDown(have, need));
                Self::inspect_at_once(m);
            }
            (Some(_), false) => self.tell_master(m, What::ObjectivelyUp),
            _ => {}
        }
    }

    /// Asks the peers whose turn it is.
    pub(super) fn ask_peers(&mut self, m: &mut Master) {
        let Some(question) = self.question(m) else { return };
        let leads = m.failover.as_ref().is_some_and(|f| !matches!(f.stage, Stage::WaitStart(_)));
        let (now, period) = (self.now, self.globals.timings.ask_period);
        let unanswered = if leads { UNANSWERED_LEADER } else { UNANSWERED };
        let mut next = Millis::NEVER;
        for (id, w) in &mut m.peers {
            if !self.peers.get(id).is_some_and(|p| p.link.up) {
                continue;
            }
            if ask_due(w, period, unanswered) <= now {
                w.asked = Some(now);
                w.ask_gap = if leads { LEADER_GAP } else { (w.ask_gap * 2).clamp(FIRST_GAP, period) };
                let (peer, master, question) = (*id, m.name.clone(), question.clone());
                self.out.push(Action::Ask { peer, master, asked: now, question });
            }
            next = next.min(ask_due(w, period, unanswered));
        }
        wake(m, next);
    }

    /// A redis-sentinel asks in the tick in which it finds the master down, and is a candidate in the next: whoever has not
    /// said so yet is asked again at once.
    pub(super) fn ask_back(&self, m: &mut Master) {
        if m.down().is_none() || super::vote::all_ours(self, m) {
            return;
        }
        let late = |w: &&mut Watcher| !w.says_down && w.asked.is_none_or(|asked| asked.after(FIRST_GAP) <= self.now);
        m.peers.values_mut().filter(late).for_each(|w| (w.asked, w.ask_gap) = (None, 0));
    }

    /// What there is to ask: nothing, an opinion, or a vote. A leader asks on for the vote it has, which is then held; what
    /// it asks about once it has promoted is the new master.
    fn question(&self, m: &Master) -> Option<Question> {
        let holds = super::vote::all_ours(self, m);
        let (epoch, candidate, planned) = match m.failover.as_ref() {
            Some(Failover { stage: Stage::Reconfigure { .. }, epoch, .. }) if holds => (*epoch, Some(self.me), true),
            Some(Failover { stage: Stage::Reconfigure { .. }, .. }) => return None,
            // Between two attempts nothing is asked for, so that the voters become free.
            Some(Failover { stage: Stage::WaitStart(attempt), epoch, .. }) if attempt.retry_at.is_some() => {
                (*epoch, None, false)
            }
            Some(f) => (f.epoch, Some(self.me), f.planned()),
            None if m.down().is_some() => (self.current_epoch, None, false),
            None => return None,
        };
        Some(Question { address: m.current_address().clone(), epoch, candidate, planned })
    }
}

/// When a peer is due to be asked: at once if nothing was asked, some time after its answer, or a period after a question
/// without one.
fn ask_due(w: &Watcher, period: u64, unanswered: u64) -> Millis {
    match (w.asked, w.answered) {
        (None, _) => Millis::default(),
        (Some(asked), Some(answered)) if answered >= asked => answered.after(w.ask_gap),
        (Some(asked), _) => asked.after(period.min(w.ask_gap.saturating_mul(unanswered))),
    }
}

/// How many sentinels hold the master for down, this one included if it does.
pub(super) fn down_votes(m: &Master) -> usize {
    usize::from(m.down().is_some()) + m.peers.values().filter(|w| w.says_down).count()
}

#[cfg(test)]
mod tests {
    use crate::action::Action;
    use crate::durable::PeerKind;
    use crate::event::{Event, Question};
    use crate::ids::{Epoch, ReplyTo};
    use crate::table::{Table, channels};

    fn questions(actions: &[Action]) -> Vec<&Question> {
        let question = |a: &'_ Action| matches!(a, Action::Ask { .. });
        actions
            .iter()
            .filter(|a| question(a))
            .map(|a| match a {
                Action::Ask { question, .. } => question,
                _ => unreachable!(),
            })
            .collect()
    }

    #[test]
    fn peers_are_asked_only_while_the_master_is_down() {
        let mut t = Table::settled();
        assert!(questions(&t.run_for(5_000)).is_empty());
        t.kill_master();
        let said = t.run_for(1_100);
        assert!(questions(&said).iter().all(|q| q.candidate.is_none() && q.address == t.master().address));
        assert!(!questions(&said).is_empty());
        assert!(!channels(&said).contains(&"+odown"), "nobody agreed");
    }

    #[test]
    fn a_peer_that_disagrees_is_asked_more_and_more_seldom() {
        let mut t = Table::settled();
        t.kill_master();
        t.peers_say(false);
        t.run_for(1_000);
        let first = questions(&t.run_for(200)).len();
        t.run_for(5_000);
        let later = questions(&t.run_for(200)).len();
        assert!(first >= 8 && later <= 2, "{first} then {later}");
    }

    #[test]
    fn beside_redis_sentinels_who_asks_is_asked_back() {
        let asked_back = |kind| {
            let mut t = Table::settled();
            t.peers_are(kind);
            t.kill_master();
            t.peers_say(false);
            t.run_for(1_900);
            let question =
                Question { address: t.master().address.clone(), epoch: Epoch(0), candidate: None, planned: false };
            !questions(&t.step(Event::Asked { reply_to: ReplyTo(1), question })).is_empty()
        };
        assert!(asked_back(PeerKind::Redis) && !asked_back(PeerKind::Ours));
    }

    #[test]
    fn a_quorum_makes_it_objectively_down_and_its_loss_undoes_that() {
        let mut t = Table::settled();
        t.never_candidate();
        t.kill_master();
        t.peers_say(true);
        assert!(channels(&t.run_for(1_200)).contains(&"+odown"));
        t.peers_say(false);
        assert!(channels(&t.run_for(2_000)).contains(&"-odown"));
    }
}
