//! What a leader does, stage by stage: choose, fence, promote, re-point, switch.
//!
//! Every stage is evaluated at each event about its master, and stages follow each other within one step where nothing
//! is waited for. The outcome of the promotion is what the transaction and the server's own role tell at once; a report
//! that shows it counts as well.

use std::collections::BTreeMap;

use super::action::Task;
use super::config::Fencing;
use super::election::Attempt;
use super::event::{Done, Failure};
use super::ids::{Address, Epoch, Millis, Ticket};
use super::notice::What;
use super::state::{Errand, Master, Reconf, Sentinel};
use super::switchover::Phase;
use super::wake;

/// How long a leader waits for a replica it may promote, in milliseconds, before it gives up.
const PATIENCE: u64 = 1_000;
/// The wait before something that failed is tried again.
const AGAIN: u64 = 100;

/// A failover or switchover in progress.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failover {
    /// Its epoch; that of the configuration once the promotion is seen.
    pub epoch: Epoch,
    /// Why it was begun.
    pub reason: Reason,
    /// When it was begun.
    pub started: Millis,
    /// Where it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Millis,
    /// Replicas taken off the old master, and when that was confirmed.
    pub(super) detached: BTreeMap<Address, Option<Millis>>,
    /// Something failed and is tried again then.
    pub(super) again: Millis,
    /// An operator's, for which nobody could be asked.
    pub(super) without_votes: bool,
}

/// Why a failover was begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The master is objectively down.
    Down,
    /// An operator wants it, with whatever loss asynchronous replication brings.
    Forced,
    /// An operator wants it without loss, perhaps with this replica.
    Planned(Option<Address>),
}

/// Where a failover is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Gaining votes.
    WaitStart(Attempt),
    /// Choosing a replica, after fencing by detaching where the settings want that.
    Select,
    /// The fence script runs.
    Fence {
        /// The chosen replica.
        to: Address,
    },
    /// The replica is being promoted.
    Promote {
        /// The chosen replica.
        to: Address,
        /// An outcome is not known: it may be a master, so no other is chosen in this epoch.
        unknown: bool,
    },
    /// A switchover without loss.
    Switch {
        /// The chosen replica.
        to: Address,
        /// Where it is.
        phase: Phase,
    },
    /// It is the master; the others are being re-pointed.
    Reconfigure {
        /// The new master.
        to: Address,
    },
}

/// Whether a stage goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Something is waited for.
    Stay,
    /// On to the next stage at once.
    Go,
    /// The failover is over.
    End,
}

impl Failover {
    pub(super) fn new(epoch: Epoch, reason: Reason, stage: Stage, now: Millis) -> Self {
        let (detached, again) = (BTreeMap::new(), now);
        Self { epoch, reason, started: now, stage, since: now, detached, again, without_votes: false }
    }

    pub(super) fn enter(&mut self, stage: Stage, now: Millis) {
        (self.stage, self.since, self.again) = (stage, now, now);
    }

    /// An operator asked for it.
    pub fn planned(&self) -> bool {
        self.reason != Reason::Down
    }

    /// It holds writes back instead of losing some.
    pub(super) fn lossless(&self) -> bool {
        matches!(self.reason, Reason::Planned(_))
    }

    /// The text of `failover-state`.
    pub fn state_name(&self) -> &'static str {
        match &self.stage {
            Stage::WaitStart(_) => "wait_start",
            Stage::Select | Stage::Fence { .. } => "select_slave",
            Stage::Switch { phase: Phase::Pause | Phase::CatchUp(_), .. } => "select_slave",
            Stage::Switch { phase: Phase::StepDown(_) | Phase::Drain(_), .. } => "send_slaveof_noone",
            Stage::Promote { .. } | Stage::Switch { .. } => "wait_promotion",
            Stage::Reconfigure { .. } => "reconf_slaves",
        }
    }

    /// The replica that is being or was promoted.
    pub fn chosen(&self) -> Option<&Address> {
        match &self.stage {
            Stage::WaitStart(_) | Stage::Select => None,
            Stage::Fence { to } | Stage::Promote { to, .. } | Stage::Switch { to, .. } => Some(to),
            Stage::Reconfigure { to } => Some(to),
        }
    }
}

impl Sentinel {
    /// Takes the failover as far as it goes now.
    pub(super) fn advance(&mut self, m: &mut Master) {
        while let Some(mut f) = m.failover.take() {
            let flow = match f.stage.clone() {
                Stage::WaitStart(_) => self.advance_election(m, &mut f),
                Stage::Select | Stage::Fence { .. } if self.deposed(m, &f) => self.step_aside(m),
                Stage::Select => self.advance_select(m, &mut f),
                Stage::Fence { to } => self.advance_fence(m, &mut f, to),
                Stage::Promote { to, .. } => self.advance_promote(m, &mut f, to),
                Stage::Switch { to, phase } => self.advance_switch(m, &mut f, to, phase),
                Stage::Reconfigure { to } => self.advance_reconf(m, &mut f, &to),
            };
            if flow != Flow::End {
                m.failover = Some(f);
            }
            if flow != Flow::Go {
                return;
            }
        }
    }

    fn advance_select(&mut self, m: &mut Master, f: &mut Failover) -> Flow {
        if f.reason == Reason::Down && m.objectively_down.is_none() {
            return self.give_up(m, f, What::AbortMasterBack);
        }
        let Some(fresh_since) = self.detach_replicas(m, f) else {
            return self.wait_or_give_up(m, f, m.settings.failover_timeout, What::AbortNoGoodReplica);
        };
        let wanted = match &f.reason {
            Reason::Planned(to) => to.clone(),
            Reason::Down | Reason::Forced => None,
        };
        let master = m.server().filter(|s| f.planned() && s.visible());
        if master.is_some_and(|s| s.asked_at >= f.since && !s.says_master()) {
            return self.not_master(m);
        }
        let missing = wanted.is_none() && self.reports_missing(m, fresh_since);
        let missing = missing || master.is_some_and(|s| s.asked_at < f.since);
        if missing && self.now.since(fresh_since.max(f.since)) < PATIENCE / 2 {
            wake(m, fresh_since.max(f.since).after(PATIENCE / 2));
            return Flow::Stay;
        }
        let choice = match wanted {
            Some(to) => self.may_promote(m, &to, fresh_since).map(|()| to),
            None => self.choose_detached(m, f, fresh_since),
        };
        match choice {
            Ok(_) if !self.still_leads(m, f) => {
                self.wait_or_give_up(m, f, m.settings.failover_timeout, What::AbortNotElected)
            }
            Ok(to) => {
                self.tell_server(m, &to, What::SelectedReplica);
                self.leave_select(m, f, to)
            }
            Err(_) => {
                let fenced = !f.detached.is_empty();
                let patience = if fenced { m.settings.failover_timeout } else { PATIENCE };
                self.wait_or_give_up(m, f, patience, What::AbortNoGoodReplica)
            }
        }
    }

    fn leave_select(&mut self, m: &Master, f: &mut Failover, to: Address) -> Flow {
        let stage = match (&f.reason, &m.settings.fencing) {
            (Reason::Planned(_), _) => self.pause_writes(m, f.epoch, to),
            (_, Fencing::Command { script }) => {
                self.run_fence(m, f.epoch, script, &to);
                Stage::Fence { to }
            }
            _ => self.promote(m, f.epoch, to),
        };
        f.enter(stage, self.now);
        Flow::Go
    }

    fn advance_fence(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        if f.again == Millis::NEVER && self.still_leads(m, f) {
            // The script succeeded.
            let stage = self.promote(m, f.epoch, to);
            f.enter(stage, self.now);
            return Flow::Go;
        }
        if f.again > f.since && f.again <= self.now {
            if let Fencing::Command { script } = &m.settings.fencing {
                self.run_fence(m, f.epoch, script, &to);
            }
            f.again = f.since;
        }
        wake(m, if f.again > self.now { f.again } else { Millis::NEVER });
        let what = if f.again == Millis::NEVER { What::AbortNotElected } else { What::AbortNotFenced };
        self.wait_or_give_up(m, f, m.settings.failover_timeout, what)
    }

    /// Sends the promotion.
    pub(super) fn promote(&mut self, m: &Master, epoch: Epoch, to: Address) -> Stage {
        self.tell_server(m, &to, What::SendPromotion);
        self.run(m, Errand::Promote(epoch), Task::Promote(m.server_ref(&to)));
        self.tell_server(m, &to, What::WaitPromotion);
        Stage::Promote { to, unknown: false }
    }

    fn advance_promote(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        if self.seen_as_master(m, f, &to) {
            return self.promoted(m, f, to);
        }
        self.promote_again(m, f, &to);
        self.wait_or_give_up(m, f, m.settings.failover_timeout, What::AbortReplicaTimeout)
    }

    /// A promotion of unknown outcome is repeated, which changes nothing at a master, while nobody else can promote.
    pub(super) fn promote_again(&mut self, m: &mut Master, f: &mut Failover, to: &Address) {
        if f.again > f.since && f.again <= self.now && self.still_leads(m, f) {
            self.run(m, Errand::Promote(f.epoch), Task::Promote(m.server_ref(to)));
            f.again = f.since;
        }
        wake(m, if f.again > self.now { f.again } else { Millis::NEVER });
    }

    /// Its report, asked for after the promotion was sent, shows a master.
    pub(super) fn seen_as_master(&self, m: &Master, f: &Failover, to: &Address) -> bool {
        m.servers.get(to).is_some_and(|s| s.says_master() && s.asked_at > f.since)
    }

    /// The replica is a master: publish that with the failover's epoch, and re-point the others.
    pub(super) fn promoted(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        self.tell_server(m, &to, What::PromotedReplica);
        m.config_epoch = f.epoch;
        self.dirty = true;
        self.tell_master(m, What::ReconfigureReplicas);
        self.run_reconfig_script(m, "leader", &m.address.clone(), &to);
        self.demote_on_return(m, &to);
        for server in m.servers.values_mut() {
            server.reconf = Reconf::None;
        }
        self.time_the_news(m);
        Self::greet_at_once(m);
        f.enter(Stage::Reconfigure { to }, self.now);
        Flow::Go
    }

    /// Stays until the stage has lasted `patience`, then gives up.
    pub(super) fn wait_or_give_up(&mut self, m: &mut Master, f: &mut Failover, patience: u64, what: What) -> Flow {
        let end = f.since.after(patience);
        if end > self.now {
            wake(m, end);
            return Flow::Stay;
        }
        self.give_up(m, f, what)
    }

    /// Ends a failover that has promoted nobody: what was taken off the master is put back.
    pub(super) fn give_up(&mut self, m: &mut Master, f: &mut Failover, what: What) -> Flow {
        for address in f.detached.keys() {
            let task = Task::Follow { server: m.server_ref(address), master: m.address.clone() };
            self.run(m, Errand::Courtesy, task);
        }
        let rest = match what {
            What::AbortMasterBack => 0,
            _ => 2 * m.settings.failover_timeout,
        };
        m.barrier.rest(self.now, rest);
        m.barrier.no_replica = what == What::AbortNoGoodReplica && f.detached.is_empty();
        self.tell_master(m, what);
        Flow::End
    }

    /// The outcome of something this sentinel had done.
    pub(super) fn done(&mut self, ticket: Ticket, result: Result<Done, Failure>) {
        let Some((name, errand)) = self.pending.remove(&ticket) else { return };
        self.with(&name, |s, m| match &errand {
            Errand::Repair(address) | Errand::Gate(address) => s.repaired(m, address, &errand, result),
            Errand::Courtesy => {}
            Errand::Detach(epoch, _)
            | Errand::Fence(epoch)
            | Errand::Promote(epoch)
            | Errand::Pause(epoch)
            | Errand::StepDown(epoch)
            | Errand::TurnBack(epoch)
            | Errand::Reconf(epoch, _) => {
                let Some(mut f) = m.failover.take() else { return };
                let flow = if f.epoch == *epoch { s.outcome(m, &mut f, &errand, result) } else { Flow::Stay };
                m.failover = (flow != Flow::End).then_some(f);
            }
        });
    }

    fn outcome(&mut self, m: &mut Master, f: &mut Failover, errand: &Errand, result: Result<Done, Failure>) -> Flow {
        let now = self.now;
        match (errand, &mut f.stage) {
            (Errand::Detach(_, address), _) => self.detach_outcome(m, f, address, result),
            (Errand::Fence(_), Stage::Fence { .. }) => {
                f.again = if result.is_ok() { Millis::NEVER } else { now.after(10 * AGAIN) };
            }
            (Errand::Promote(_), Stage::Promote { to, unknown }) => match result {
                Ok(_) => {
                    let to = to.clone();
                    return self.promoted(m, f, to);
                }
                Err(Failure::NotSent) if !*unknown => {
                    f.enter(Stage::Select, now);
                    Self::inspect_at_once(m);
                }
                Err(failure) => {
                    *unknown |= failure == Failure::Unknown;
                    f.again = now.after(AGAIN);
                }
            },
            (_, Stage::Switch { to, phase }) => {
                let (to, phase) = (to.clone(), phase.clone());
                return self.switch_outcome(m, f, errand, to, phase, result);
            }
            (Errand::Reconf(_, address), Stage::Reconfigure { .. }) => self.reconf_outcome(m, address, result),
            _ => {}
        }
        Flow::Stay
    }
}

#[cfg(test)]
mod tests {
    use crate::action::{Action, Task};
    use crate::event::{Done, Event, Failure};
    use crate::ids::Epoch;
    use crate::table::{Table, channels};

    #[test]
    fn the_events_of_a_leader_come_in_redis_order() {
        let mut t = Table::settled();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let heard = channels(&t.run_for(3_000));
        let order = [
            "+sdown",
            "+odown",
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
            "+failover-state-send-slaveof-noone",
            "+failover-state-wait-promotion",
            "+promoted-slave",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+failover-end",
            "+switch-master",
            "+slave",
        ];
        let places: Vec<_> = order.iter().map(|c| heard.iter().position(|h| h == c).expect(c)).collect();
        assert!(places.is_sorted(), "{heard:?}");
        assert_eq!(t.master().config_epoch, Epoch(1));
    }

    #[test]
    fn a_promotion_of_unknown_outcome_is_repeated_at_the_same_replica() {
        let mut t = Table::settled();
        t.hold_promotions();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let said = t.run_for(1_300);
        let (ticket, first) = promotion(&said).expect("promotes");
        let said = [t.step(Event::Done(ticket, Err(Failure::Unknown))), t.run_for(200)].concat();
        let (again, second) = promotion(&said).expect("promotes again");
        assert_eq!(first, second);
        let said = t.step(Event::Done(again, Ok(Done::Ok)));
        assert!(channels(&said).contains(&"+promoted-slave"), "seen in the same step");
        assert!(said.iter().any(|a| matches!(a, Action::PublishHello(_, h) if h.config_epoch == Epoch(1))));
    }

    #[test]
    fn a_promotion_that_was_never_sent_may_go_to_another() {
        let mut t = Table::settled();
        t.hold_promotions();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let (ticket, first) = promotion(&t.run_for(1_300)).expect("promotes");
        t.kill(&first.address);
        let said = [t.step(Event::Done(ticket, Err(Failure::NotSent))), t.run_for(1_000)].concat();
        let (_, second) = promotion(&said).expect("promotes another");
        assert_ne!(first, second);
    }

    #[test]
    fn a_master_that_comes_back_in_time_stays() {
        let mut t = Table::settled();
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(false);
        t.run_for(1_300);
        assert!(t.master().failover.is_some());
        let master = t.master().address.clone();
        assert!(channels(&t.revive(&master)).contains(&"-failover-abort-not-elected"));
        assert!(t.master().failover.is_none());
    }

    fn promotion(actions: &[Action]) -> Option<(crate::ids::Ticket, crate::ids::ServerRef)> {
        actions.iter().find_map(|a| match a {
            Action::Do(ticket, Task::Promote(server)) => Some((*ticket, server.clone())),
            _ => None,
        })
    }
}
