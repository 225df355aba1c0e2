//! Why nothing happens: the first condition of a failover that is not met, as a value.

use super::failover::Stage;
use super::ids::{Address, Epoch, MasterName, Millis, RunId};
use super::state::{Master, Sentinel};
use super::{fence, odown};

/// A condition that is not met. Its text also says what would change it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unmet {
    /// Decisions are paused by an operator.
    #[error("{by} paused decisions about this master; `resume` lets them be made")]
    Paused {
        /// Who did.
        by: String,
    },
    /// The loop stalled a moment ago.
    #[error("this sentinel stalled and trusts nothing it knew; it decides again in {ms} ms")]
    Tilt {
        /// How long still.
        ms: u64,
    },
    /// The master answers.
    #[error("the master answers; an operator can ask for a switchover")]
    MasterUp,
    /// Too few sentinels hold it for down.
    #[error("{have} of {need} sentinels hold the master for down; more have to lose it")]
    NoQuorum {
        /// So many.
        have: usize,
        /// Of so many.
        need: usize,
    },
    /// This sentinel only observes.
    #[error("this sentinel only observes; `observe-only no` lets it act")]
    ObserveOnly,
    /// Too few sentinels would vote.
    #[error(
        "{have} of {need} sentinels are there to vote for this one; bring back others, or reset those gone for good"
    )]
    NoMajority {
        /// So many.
        have: usize,
        /// Of so many.
        need: usize,
    },
    /// The vote went to somebody else.
    #[error("sentinel {leader} has this one's vote for epoch {epoch} and may be at work")]
    VotedFor {
        /// To this one.
        leader: RunId,
        /// In this epoch.
        epoch: Epoch,
    },
    /// The last failover failed a moment ago.
    #[error("the last attempt failed; the next one is due in {ms} ms")]
    Resting {
        /// How long still.
        ms: u64,
    },
    /// Votes are being gathered.
    #[error("{have} of {need} votes in epoch {epoch}; the others are being asked, and a lost attempt is repeated")]
    Election {
        /// So many.
        have: usize,
        /// Of so many.
        need: usize,
        /// In this epoch.
        epoch: Epoch,
    },
    /// Too few replicas have been taken off the old master.
    #[error("{have} of {need} replicas are off the old master; bring back replicas, or change `fencing`")]
    Detaching {
        /// So many.
        have: usize,
        /// Of so many.
        need: usize,
    },
    /// The write gate may still be open.
    #[error("the old master's write gate closes within {ms} ms")]
    GateOpen {
        /// At most so long still.
        ms: u64,
    },
    /// There are no replicas.
    #[error("no replica is known; attach one to the master, its reports make it known here")]
    NoReplicas,
    /// A replica may not be promoted.
    #[error("replica {replica}: {reason}")]
    Unfit {
        /// This one.
        replica: Address,
        /// Why.
        reason: &'static str,
    },
    /// There are replicas of several histories, and confirmed writes to keep.
    #[error(
        "the replicas' histories are not related and none is known to be the master's; bring back the master, or turn \
         `confirmed-writes` off"
    )]
    Histories,
    /// The fence has not succeeded.
    #[error("the fence script has not succeeded yet; see what it says, or change `fencing`")]
    NotFenced,
    /// The promotion is on its way.
    #[error("{replica} is being promoted")]
    Promoting {
        /// This one.
        replica: Address,
    },
    /// It is done; others are being re-pointed.
    #[error("{replica} is promoted; other replicas are being re-pointed")]
    Reconfiguring {
        /// This one.
        replica: Address,
    },
}

impl Unmet {
    /// The condition's name, which does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Paused { .. } => "paused",
            Self::Tilt { .. } => "tilt",
            Self::MasterUp => "master-up",
            Self::NoQuorum { .. } => "no-quorum",
            Self::ObserveOnly => "observe-only",
            Self::NoMajority { .. } => "no-majority",
            Self::VotedFor { .. } => "voted-for-another",
            Self::Resting { .. } => "resting",
            Self::Election { .. } => "election",
            Self::Detaching { .. } => "detaching",
            Self::GateOpen { .. } => "gate-open",
            Self::NoReplicas => "no-replicas",
            Self::Unfit { .. } => "unfit-replica",
            Self::Histories => "unrelated-histories",
            Self::NotFenced => "not-fenced",
            Self::Promoting { .. } => "promoting",
            Self::Reconfiguring { .. } => "reconfiguring",
        }
    }
}

impl Sentinel {
    /// The first condition that keeps this sentinel from promoting a replica of this master now; `None` if it is about to
    /// act, or the master is unknown.
    pub fn why_not(&self, name: &MasterName, now: Millis) -> Option<Unmet> {
        let mut m = self.masters.get(name)?.clone();
        if self.tilt.is_some() {
            return Some(Unmet::Tilt { ms: self.tilt_end().since(now) });
        }
        if m.failover.is_some() {
            return self.stage_waits_for(&m, now);
        }
        self.barred(&mut m).or_else(|| self.choose(&m, Millis::default()).err())
    }

    fn stage_waits_for(&self, m: &Master, now: Millis) -> Option<Unmet> {
        let f = m.failover.as_ref()?;
        match &f.stage {
            Stage::WaitStart(_) => {
                let (have, need) = (super::election::votes(m, self.me, f.epoch), m.votes_needed());
                Some(Unmet::Election { have, need, epoch: f.epoch })
            }
            Stage::Select => {
                let need = if f.lossless() { 0 } else { fence::detach_needed(m) };
                let have = f.detached.values().flatten().count();
                if have < need {
                    return Some(Unmet::Detaching { have, need });
                }
                let closes = fence::confirmed_at(f, need).map(|at| at.after(fence::GATE_CLOSES));
                match closes.filter(|at| fence::gate_counts(m) && *at > now) {
                    Some(at) => Some(Unmet::GateOpen { ms: at.since(now) }),
                    None => self.choose_detached(m, f, Millis::default()).err(),
                }
            }
            Stage::Fence { .. } => Some(Unmet::NotFenced),
            Stage::Promote { to, .. } | Stage::Switch { to, .. } => Some(Unmet::Promoting { replica: to.clone() }),
            Stage::Reconfigure { to } => Some(Unmet::Reconfiguring { replica: to.clone() }),
        }
    }

    /// How many sentinels hold this master for down, as known here.
    pub fn down_votes(&self, name: &MasterName) -> usize {
        self.masters.get(name).map_or(0, odown::down_votes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fencing;
    use crate::durable::Pause;
    use crate::event::Request;
    use crate::table::Table;

    fn why(t: &Table) -> Option<Unmet> {
        t.sentinel.why_not(&t.master().name, t.now())
    }

    #[test]
    fn the_first_unmet_condition_is_named() {
        let mut t = Table::settled();
        assert_eq!(why(&t), Some(Unmet::MasterUp));
        t.kill_master();
        t.peers_say(false);
        t.run_for(1_200);
        assert_eq!(why(&t), Some(Unmet::NoQuorum { have: 1, need: 2 }));
        let pause = Pause { by: "ann".into(), at: 7 };
        t.request(Request::Pause(t.master().name.clone(), pause));
        assert_eq!(why(&t), Some(Unmet::Paused { by: "ann".into() }));
        t.request(Request::Resume(t.master().name.clone()));
        t.peers_say(true);
        t.peers_vote(false);
        t.run_for(1_200);
        assert!(matches!(why(&t), Some(Unmet::Election { have: 1, need: 2, .. })));
    }

    #[test]
    fn a_gate_that_cannot_close_says_so() {
        let mut t = Table::settled();
        t.set_fencing(Fencing::Gate { min_replicas: 1 });
        t.cut_master();
        t.cut_one_replica();
        t.peers_say(true);
        t.peers_vote(true);
        t.run_for(5_000);
        assert_eq!(why(&t), Some(Unmet::Detaching { have: 1, need: 2 }));
    }
}
