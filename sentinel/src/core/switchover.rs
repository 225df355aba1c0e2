//! A planned switchover that loses nothing: a moment with no master, never two.
//!
//! Writes are paused at the master, the replica reaches its offset, the old master follows the new, and only then the
//! new one is promoted. Demoting first costs nothing and holds also when this sentinel stalls and the pause runs out:
//! then the old master goes on, or both are replicas and the old one is turned back. A demotion that is confirmed only
//! after the pause may have ended is turned back too, since writes could have slipped between.

use super::action::Task;
use super::event::{Done, Failure};
use super::failover::{Failover, Flow, Stage};
use super::ids::{Address, Epoch, Millis};
use super::notice::What;
use super::state::{Errand, Master, Sentinel};
use super::wake;

/// How long the master holds writes at most, in milliseconds.
const PAUSE: u64 = 5_000;
/// How long each step until the demotion may take.
const STEP: u64 = 1_500;
/// The wait before something that failed is tried again.
const AGAIN: u64 = 50;

/// Where a switchover is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Writes are being paused; asked for at this time.
    Pause(Millis),
    /// The replica has this offset to reach.
    CatchUp(Paused),
    /// The old master was told to follow.
    Demote(Paused),
    /// The new one is being promoted.
    Promote {
        /// An outcome is not known: it may be a master.
        unknown: bool,
    },
    /// The old one is being turned back into the master.
    TurnBack(&'static str),
}

/// A pause of writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Paused {
    /// Writes may begin again by themselves after this time.
    pub until: Millis,
    /// Where the master stands.
    pub offset: u64,
}

impl Sentinel {
    /// Begins with the pause.
    pub(super) fn pause_writes(&mut self, m: &Master, epoch: Epoch) -> Phase {
        let server = m.server_ref(&m.address);
        self.run(m, Errand::Pause(epoch), Task::PauseWrites { server, ms: PAUSE });
        Phase::Pause(self.now)
    }

    pub(super) fn advance_switch(&mut self, m: &mut Master, f: &mut Failover, to: Address, phase: Phase) -> Flow {
        match phase {
            Phase::Pause(_) => self.step_or_undo(m, f, "the master did not pause"),
            Phase::CatchUp(paused) => self.catch_up(m, f, to, paused),
            Phase::Demote(_) if f.since.after(STEP) <= self.now => {
                self.turn_back(m, f, to, "the old master did not follow in time")
            }
            Phase::Demote(_) => {
                wake(m, f.since.after(STEP));
                Flow::Stay
            }
            Phase::Promote { .. } => self.promote_or_turn_back(m, f, to),
            Phase::TurnBack(why) => self.turn_back_again(m, f, why),
        }
    }

    fn catch_up(&mut self, m: &mut Master, f: &mut Failover, to: Address, paused: Paused) -> Flow {
        let history = m.server().and_then(super::state::Server::history);
        let report = m.servers.get(&to).filter(|s| s.asked_at >= f.since).and_then(|s| s.report.as_ref());
        let reached = report.is_some_and(|r| r.replication_id == history && r.offset >= paused.offset);
        if !reached || history.is_none() {
            return self.step_or_undo(m, f, "the replica did not catch up");
        }
        let task = Task::Follow { server: m.server_ref(&m.address), master: to.clone() };
        self.run(m, Errand::Demote(f.epoch), task);
        f.enter(Stage::Switch { to, phase: Phase::Demote(paused) }, self.now);
        Flow::Go
    }

    fn promote_or_turn_back(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        if self.seen_as_master(m, f, &to) {
            return self.switched(m, f, to);
        }
        let server = m.servers.get(&to);
        let dead = server.is_none_or(|s| s.link.proves_death());
        if dead || f.since.after(m.settings.failover_timeout) <= self.now {
            return self.turn_back(m, f, to, "the replica was not promoted");
        }
        wake(m, f.since.after(m.settings.failover_timeout));
        self.promote_again(m, f, &to);
        Flow::Stay
    }

    /// A step before the demotion: nothing has changed yet but the pause.
    fn step_or_undo(&mut self, m: &mut Master, f: &mut Failover, why: &'static str) -> Flow {
        if f.since.after(STEP) > self.now {
            wake(m, f.since.after(STEP));
            return Flow::Stay;
        }
        self.undo(m, why)
    }

    fn undo(&mut self, m: &mut Master, why: &'static str) -> Flow {
        self.resume_writes(m);
        self.tell_master(m, What::SwitchoverUndone(why));
        Flow::End
    }

    pub(super) fn resume_writes(&mut self, m: &Master) {
        self.run(m, Errand::Courtesy, Task::ResumeWrites(m.server_ref(&m.address)));
    }

    /// Makes the old one the master again, which changes nothing if it never followed.
    fn turn_back(&mut self, m: &mut Master, f: &mut Failover, to: Address, why: &'static str) -> Flow {
        self.run(m, Errand::TurnBack(f.epoch), Task::Promote(m.server_ref(&m.address)));
        f.enter(Stage::Switch { to, phase: Phase::TurnBack(why) }, self.now);
        Flow::Stay
    }

    fn turn_back_again(&mut self, m: &mut Master, f: &mut Failover, why: &'static str) -> Flow {
        if f.since.after(m.settings.failover_timeout) <= self.now {
            return self.undo(m, why);
        }
        wake(m, f.since.after(m.settings.failover_timeout));
        if f.again > f.since && f.again <= self.now {
            self.run(m, Errand::TurnBack(f.epoch), Task::Promote(m.server_ref(&m.address)));
            f.again = f.since;
        }
        wake(m, if f.again > self.now { f.again } else { Millis::NEVER });
        Flow::Stay
    }

    fn switched(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        self.resume_writes(m);
        self.promoted(m, f, to)
    }

    pub(super) fn switch_outcome(
        &mut self,
        m: &mut Master,
        f: &mut Failover,
        errand: &Errand,
        to: Address,
        phase: Phase,
        result: Result<Done, Failure>,
    ) -> Flow {
        match (errand, phase, result) {
            (Errand::Pause(_), Phase::Pause(asked), Ok(Done::Paused { offset })) => {
                let paused = Paused { until: asked.after(PAUSE), offset };
                self.tell_master(m, What::WritesPaused);
                f.enter(Stage::Switch { to, phase: Phase::CatchUp(paused) }, self.now);
                Self::inspect_at_once(m);
            }
            (Errand::Pause(_), Phase::Pause(_), _) => return self.undo(m, "the master did not pause"),
            (Errand::Demote(_), Phase::Demote(paused), Ok(_)) if paused.until > self.now => {
                self.tell_server(m, &to, What::SendPromotion);
                self.run(m, Errand::Promote(f.epoch), Task::Promote(m.server_ref(&to)));
                self.tell_server(m, &to, What::WaitPromotion);
                f.enter(Stage::Switch { to, phase: Phase::Promote { unknown: false } }, self.now);
            }
            (Errand::Demote(_), Phase::Demote(_), Err(Failure::NotSent)) => {
                return self.undo(m, "the old master is not connected");
            }
            (Errand::Demote(_), Phase::Demote(_), _) => {
                return self.turn_back(m, f, to, "the old master did not follow in time");
            }
            (Errand::Promote(_), Phase::Promote { .. }, Ok(_)) => return self.switched(m, f, to),
            (Errand::Promote(_), Phase::Promote { unknown }, Err(failure)) => {
                // Once an outcome was unknown, a later "not sent" does not tell that the first was not.
                if !unknown && failure != Failure::Unknown {
                    return self.turn_back(m, f, to, "the replica was not promoted");
                }
                f.stage = Stage::Switch { to, phase: Phase::Promote { unknown: true } };
                f.again = self.now.after(AGAIN);
            }
            (Errand::TurnBack(_), Phase::TurnBack(why), Ok(_)) => return self.undo(m, why),
            (Errand::TurnBack(_), Phase::TurnBack(_), Err(_)) => f.again = self.now.after(AGAIN),
            _ => {}
        }
        Flow::Stay
    }
}

#[cfg(test)]
mod tests {
    use crate::core::action::{Action, Task};
    use crate::core::event::{Done, Event, Failure, Request};
    use crate::core::ids::{ReplyTo, Ticket};
    use crate::core::table::{Table, channels};

    fn switching() -> (Table, Vec<Action>) {
        let mut t = Table::settled();
        t.peers_vote(true);
        t.hold_promotions();
        let request = Request::Switchover { master: t.master().name.clone(), to: None };
        let mut said = t.step(Event::Request(ReplyTo(1), request));
        said.extend(t.run_for(200));
        (t, said)
    }

    fn tasks(actions: &[Action]) -> Vec<(Ticket, &Task)> {
        actions.iter().filter_map(|a| if let Action::Do(t, task) = a { Some((*t, task)) } else { None }).collect()
    }

    #[test]
    fn the_old_master_follows_before_the_new_one_is_promoted() {
        let (mut t, said) = switching();
        let old = t.master().address.clone();
        let place = |wanted: fn(&Task) -> bool| tasks(&said).iter().position(|(_, task)| wanted(task));
        let pause = place(|t| matches!(t, Task::PauseWrites { .. })).expect("pauses");
        let demote = place(|t| matches!(t, Task::Follow { .. })).expect("demotes");
        let promote = place(|t| matches!(t, Task::Promote(_))).expect("promotes");
        assert!(pause < demote && demote < promote);
        let ticket = tasks(&said)[promote].0;
        let said = [t.step(Event::Done(ticket, Ok(Done::Ok))), t.run_for(1_000)].concat();
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::ResumeWrites(s) if s.address == old)));
        assert_ne!(t.master().address, old);
        assert!(channels(&said).contains(&"+switch-master"));
    }

    #[test]
    fn a_refused_promotion_turns_the_old_one_back() {
        let (mut t, said) = switching();
        let old = t.master().address.clone();
        let (ticket, _) = *tasks(&said).last().expect("promotes");
        let said = t.step(Event::Done(ticket, Err(Failure::Refused)));
        let back = tasks(&said);
        assert!(matches!(back[0].1, Task::Promote(s) if s.address == old));
        let said = t.step(Event::Done(back[0].0, Ok(Done::Ok)));
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::ResumeWrites(_))));
        assert!(channels(&said).contains(&"-switchover-abort"));
        assert!(t.master().failover.is_none() && t.master().address == old);
    }

    #[test]
    fn an_unknown_outcome_never_makes_two_masters() {
        let (mut t, said) = switching();
        let old = t.master().address.clone();
        let (ticket, _) = *tasks(&said).last().expect("promotes");
        let said = [t.step(Event::Done(ticket, Err(Failure::Unknown))), t.run_for(1_000)].concat();
        assert!(!tasks(&said).iter().any(|(_, task)| matches!(task, Task::Promote(s) if s.address == old)));
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::Promote(_))), "asked again");
    }

    #[test]
    fn a_replica_that_does_not_catch_up_changes_nothing() {
        let mut t = Table::settled();
        t.peers_vote(true);
        t.lag_replicas();
        let request = Request::Switchover { master: t.master().name.clone(), to: None };
        let mut said = t.step(Event::Request(ReplyTo(1), request));
        said.extend(t.run_for(3_000));
        assert!(!tasks(&said).iter().any(|(_, task)| matches!(task, Task::Follow { .. } | Task::Promote(_))));
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::ResumeWrites(_))));
    }
}
