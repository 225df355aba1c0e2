//! A planned switchover that loses nothing: a moment with no master, never two.
//!
//! Writes are paused at the master, the replica reaches its offset, the old master steps down and follows the new, and
//! only then the new one is promoted. Stepping down is one transaction that also tells what the server was: of several
//! leaders, whatever they have heard of each other, one alone finds a master there, and it alone promotes. The
//! transaction tells the offset at which writes ended too, so that whatever became of the pause, nothing slips between.
//! Stepping down first costs nothing and holds also when this sentinel stalls: then the old master goes on, or both are
//! replicas and the old one is turned back, by a leader that has its votes still and has seen that it was this switchover
//! that made it a replica.

use super::action::Task;
use super::event::{Done, Failure, Role};
use super::failover::{Failover, Flow, Stage};
use super::ids::{Address, Epoch, Millis, ReplicationId};
use super::notice::What;
use super::state::{Errand, Master, Sentinel, Server};
use super::wake;

/// How long the master holds writes at most, in milliseconds.
const PAUSE: u64 = 5_000;
/// How long each step until the promotion may take.
const STEP: u64 = 1_500;
/// The wait before something that failed is tried again.
const AGAIN: u64 = 50;

/// Where a switchover is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Writes are being paused.
    Pause,
    /// Writes rest at this offset of the master's, which the replica has to reach.
    CatchUp(u64),
    /// The old master was told to step down; the replica has reached it in this history.
    StepDown(ReplicationId),
    /// It has, and the replica has to reach where its writes ended, if that is further still.
    Drain(Mark),
    /// The new one is being promoted.
    Promote {
        /// An outcome is not known: it may be a master.
        unknown: bool,
    },
    /// The old one is being turned back into the master.
    TurnBack(&'static str),
}

/// A point in a history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The history.
    pub history: ReplicationId,
    /// How far it goes.
    pub offset: u64,
}

impl Mark {
    /// The server reports to have come so far.
    fn reached(&self, server: &Server) -> bool {
        let report = server.report.as_ref();
        report.is_some_and(|r| r.replication_id == Some(self.history) && r.offset >= self.offset)
    }
}

impl Sentinel {
    /// Begins with the pause.
    pub(super) fn pause_writes(&mut self, m: &Master, epoch: Epoch, to: Address) -> Stage {
        let server = m.server_ref(&m.address);
        self.run(m, Errand::Pause(epoch), Task::PauseWrites { server, ms: PAUSE });
        Stage::Switch { to, phase: Phase::Pause }
    }

    pub(super) fn advance_switch(&mut self, m: &mut Master, f: &mut Failover, to: Address, phase: Phase) -> Flow {
        match phase {
            Phase::Pause => self.step_or_undo(m, f, "the master did not pause"),
            Phase::CatchUp(offset) => self.catch_up(m, f, to, offset),
            Phase::StepDown(_) => self.step_or_turn_back(m, f, to, "the old master did not follow in time"),
            Phase::Drain(end) => self.drain(m, f, to, &end),
            Phase::Promote { .. } => self.promote_or_turn_back(m, f, to),
            Phase::TurnBack(why) => self.advance_turn_back(m, f, &to, why),
        }
    }

    fn catch_up(&mut self, m: &mut Master, f: &mut Failover, to: Address, offset: u64) -> Flow {
        let fresh = |a: &Address| m.servers.get(a).filter(|s| s.asked_at >= f.since);
        let mark = fresh(&m.address).and_then(Server::history).map(|history| Mark { history, offset });
        let Some(mark) = mark.filter(|mark| fresh(&to).is_some_and(|s| mark.reached(s))) else {
            return self.step_or_undo(m, f, "the replica did not catch up");
        };
        if !self.still_leads(m, f) {
            return self.step_or_undo(m, f, "the votes are not confirmed");
        }
        let task = Task::StepDown { server: m.server_ref(&m.address), master: to.clone() };
        self.run(m, Errand::StepDown(f.epoch), task);
        f.enter(Stage::Switch { to, phase: Phase::StepDown(mark.history) }, self.now);
        Flow::Go
    }

    fn drain(&mut self, m: &mut Master, f: &mut Failover, to: Address, end: &Mark) -> Flow {
        if !m.servers.get(&to).is_some_and(|s| end.reached(s)) {
            return self.step_or_turn_back(m, f, to, "writes went on after the pause");
        }
        if !self.still_leads(m, f) {
            return self.step_or_turn_back(m, f, to, "the votes are not confirmed");
        }
        self.tell_server(m, &to, What::SendPromotion);
        self.run(m, Errand::Promote(f.epoch), Task::Promote(m.server_ref(&to)));
        self.tell_server(m, &to, What::WaitPromotion);
        f.enter(Stage::Switch { to, phase: Phase::Promote { unknown: false } }, self.now);
        Flow::Go
    }

    fn promote_or_turn_back(&mut self, m: &mut Master, f: &mut Failover, to: Address) -> Flow {
        if self.seen_as_master(m, f, &to) {
            return self.switched(m, f, to);
        }
        if m.servers.get(&to).is_none_or(|s| s.link.proves_death()) {
            return self.turn_back(f, to, "the replica was not promoted");
        }
        let end = f.since.after(m.settings.failover_timeout);
        if end <= self.now {
            // It may be a master. If it is, or if nobody is, the others see it and decide.
            return self.undo(m, "whether the replica was promoted is not known");
        }
        wake(m, end);
        self.promote_again(m, f, &to);
        Flow::Stay
    }

    /// A step before the old master steps down: nothing has changed yet but the pause.
    fn step_or_undo(&mut self, m: &mut Master, f: &mut Failover, why: &'static str) -> Flow {
        if f.since.after(STEP) > self.now {
            wake(m, f.since.after(STEP));
            return Flow::Stay;
        }
        self.undo(m, why)
    }

    fn step_or_turn_back(&mut self, m: &mut Master, f: &mut Failover, to: Address, why: &'static str) -> Flow {
        if f.since.after(STEP) > self.now {
            wake(m, f.since.after(STEP));
            return Flow::Stay;
        }
        self.turn_back(f, to, why)
    }

    /// The configured master is a replica: the configuration here is old, or somebody else is at work.
    pub(super) fn not_master(&mut self, m: &Master) -> Flow {
        self.tell_master(m, What::SwitchoverUndone("the server is no master"));
        Flow::End
    }

    fn undo(&mut self, m: &mut Master, why: &'static str) -> Flow {
        self.resume_writes(m);
        self.tell_master(m, What::SwitchoverUndone(why));
        Flow::End
    }

    pub(super) fn resume_writes(&mut self, m: &Master) {
        self.run(m, Errand::Courtesy, Task::ResumeWrites(m.server_ref(&m.address)));
    }

    /// Makes the old one the master again, if it is to be seen that it followed.
    fn turn_back(&self, f: &mut Failover, to: Address, why: &'static str) -> Flow {
        f.enter(Stage::Switch { to, phase: Phase::TurnBack(why) }, self.now);
        Flow::Go
    }

    /// Nothing tells a server whom to obey, so an order that makes a master needs proof first: the old one says, asked
    /// after the outcome that is undone, that it follows the replica of this very switchover (another leader would have
    /// found no master to take over from), and a majority still holds its votes for this leader.
    fn advance_turn_back(&mut self, m: &mut Master, f: &mut Failover, to: &Address, why: &'static str) -> Flow {
        let end = f.since.after(m.settings.failover_timeout);
        if end <= self.now || m.down().is_some() {
            // One that is gone is for an ordinary failover to replace.
            return self.undo(m, why);
        }
        wake(m, end);
        // Asked since the outcome that is undone, and since the last try to undo it.
        let fresh = |s: &&Server| s.asked_at > f.since && s.asked_at.after(AGAIN) > f.again;
        let report = m.server().filter(|s| s.visible()).filter(fresh).and_then(|s| s.report.as_ref());
        match report.map(|r| &r.role) {
            None => return Flow::Stay,
            Some(Role::Master) => return self.undo(m, why),
            Some(Role::Replica(following)) if !self.same(&following.master, to) => return self.not_master(m),
            Some(Role::Replica(_)) => {}
        }
        // `NEVER`: it is on its way.
        if f.again <= self.now && self.still_leads(m, f) {
            self.run(m, Errand::TurnBack(f.epoch), Task::Promote(m.server_ref(&m.address)));
            f.again = Millis::NEVER;
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
            (Errand::Pause(_), Phase::Pause, Ok(Done::Rested { offset })) => {
                self.tell_master(m, What::WritesPaused);
                f.enter(Stage::Switch { to, phase: Phase::CatchUp(offset) }, self.now);
                Self::inspect_at_once(m);
            }
            (Errand::Pause(_), Phase::Pause, Err(Failure::NotMaster)) => return self.not_master(m),
            (Errand::Pause(_), Phase::Pause, _) => return self.undo(m, "the master did not pause"),
            (Errand::StepDown(_), Phase::StepDown(history), Ok(Done::Rested { offset })) => {
                f.enter(Stage::Switch { to, phase: Phase::Drain(Mark { history, offset }) }, self.now);
            }
            (Errand::StepDown(_), Phase::StepDown(_), Err(Failure::NotSent)) => {
                return self.undo(m, "the old master is not connected");
            }
            (Errand::StepDown(_), Phase::StepDown(_), Err(Failure::NotMaster)) => return self.not_master(m),
            (Errand::StepDown(_), Phase::StepDown(_), _) => {
                return self.turn_back(f, to, "the old master did not follow in time");
            }
            (Errand::Promote(_), Phase::Promote { .. }, Ok(_)) => return self.switched(m, f, to),
            (Errand::Promote(_), Phase::Promote { unknown }, Err(failure)) => {
                // Once an outcome was unknown, a later "not sent" does not tell that the first was not.
                if !unknown && failure != Failure::Unknown {
                    return self.turn_back(f, to, "the replica was not promoted");
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
    use crate::action::{Action, Task};
    use crate::event::{Done, Event, Failure, Request};
    use crate::ids::{ReplyTo, Ticket};
    use crate::table::{Table, channels};

    fn switching() -> (Table, Vec<Action>) {
        let mut t = Table::settled();
        t.peers_vote(true);
        t.hold_promotions();
        let request = Request::Switchover { master: t.master().name.clone(), to: None };
        let mut said = t.step(Event::Request(ReplyTo(1), request));
        said.extend(t.run_for(200));
        (t, said)
    }

    /// A switchover whose replica is still behind.
    fn catching_up(t: &mut Table) -> Vec<Action> {
        t.peers_vote(true);
        t.lag_replicas();
        let request = Request::Switchover { master: t.master().name.clone(), to: None };
        [t.step(Event::Request(ReplyTo(1), request)), t.run_for(100)].concat()
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
        let demote = place(|t| matches!(t, Task::StepDown { .. })).expect("steps down");
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
        let said = [t.step(Event::Done(ticket, Err(Failure::Refused))), t.run_for(50)].concat();
        let back = tasks(&said);
        assert!(matches!(back[0].1, Task::Promote(s) if s.address == old));
        let said = t.step(Event::Done(back[0].0, Ok(Done::Ok)));
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::ResumeWrites(_))));
        assert!(channels(&said).contains(&"-switchover-abort"));
        assert!(t.master().failover.is_none() && t.master().address == old);
    }

    /// A switchover whose stepping down has no outcome yet.
    fn stepping_down() -> (Table, Ticket) {
        let mut t = Table::settled();
        catching_up(&mut t);
        t.hold_step_downs();
        t.catch_up();
        let said = t.run_for(200);
        let down = |(ticket, task): &(Ticket, &Task)| matches!(task, Task::StepDown { .. }).then_some(*ticket);
        let ticket = tasks(&said).iter().find_map(down).expect("steps down");
        (t, ticket)
    }

    fn is_turned_back(t: &Table, said: &[Action]) -> bool {
        let master = t.master().address.clone();
        tasks(said).iter().any(|(_, task)| matches!(task, Task::Promote(s) if s.address == master))
    }

    #[test]
    fn after_an_unknown_outcome_only_what_this_switchover_did_is_undone() {
        let (followed, another) = (crate::table::replica_address(0), crate::table::replica_address(1));
        // Whom the old master follows then; it is turned back only from the chosen one.
        for (follows, turned) in [(None, false), (Some(&followed), true), (Some(&another), false)] {
            let (mut t, ticket) = stepping_down();
            assert_eq!(t.master().failover.as_ref().and_then(|f| f.chosen()), Some(&followed));
            let old = t.master().address.clone();
            if let Some(to) = follows {
                t.follows_quietly(&old, to);
            }
            let said = [t.step(Event::Done(ticket, Err(Failure::Unknown))), t.run_for(200)].concat();
            assert_eq!(is_turned_back(&t, &said), turned, "{follows:?}");
            assert!(channels(&said).contains(&"-switchover-abort") && t.master().failover.is_none());
        }
    }

    #[test]
    fn who_has_lost_its_votes_turns_nobody_back() {
        let (mut t, ticket) = stepping_down();
        let old = t.master().address.clone();
        t.follows_quietly(&old, &crate::table::replica_address(0));
        t.peers_vote(false);
        t.run_for(300);
        let said = [t.step(Event::Done(ticket, Err(Failure::Unknown))), t.run_for(1_000)].concat();
        assert!(!is_turned_back(&t, &said));
        t.peers_vote(true);
        let said = t.run_for(500);
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::Promote(s) if s.address == old)));
    }

    #[test]
    fn a_master_that_dies_in_a_switchover_is_failed_over() {
        let (mut t, ticket) = stepping_down();
        t.kill_master();
        t.peers_say(true);
        let said = [t.step(Event::Done(ticket, Err(Failure::Unknown))), t.run_for(2_500)].concat();
        assert!(channels(&said).contains(&"+switch-master"), "{:?}", channels(&said));
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
        let said = [catching_up(&mut t), t.run_for(3_000)].concat();
        assert!(!tasks(&said).iter().any(|(_, task)| matches!(task, Task::StepDown { .. } | Task::Promote(_))));
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::ResumeWrites(_))));
    }

    #[test]
    fn a_configured_master_that_is_a_replica_is_left_alone() {
        let mut t = Table::settled();
        t.peers_vote(true);
        t.demote_master_quietly();
        let request = Request::Failover(t.master().name.clone());
        let said = [t.step(Event::Request(ReplyTo(1), request)), t.run_for(1_000)].concat();
        assert!(channels(&said).contains(&"-switchover-abort"));
        assert!(tasks(&said).is_empty(), "{:?}", tasks(&said));
    }

    #[test]
    fn who_finds_no_master_to_step_down_promotes_nobody() {
        let mut t = Table::settled();
        assert!(channels(&catching_up(&mut t)).contains(&"+switchover-paused"));
        t.catch_up();
        t.demote_master_quietly();
        let said = t.run_for(1_000);
        assert!(tasks(&said).iter().any(|(_, task)| matches!(task, Task::StepDown { .. })));
        assert!(channels(&said).contains(&"-switchover-abort"));
        assert!(!tasks(&said).iter().any(|(_, task)| matches!(task, Task::Promote(_))));
        assert!(t.master().failover.is_none());
    }

    #[test]
    fn writes_after_the_pause_are_waited_for_or_the_old_one_is_turned_back() {
        for late in [false, true] {
            let mut t = Table::settled();
            t.hold_promotions();
            let said = catching_up(&mut t);
            let (ticket, _) = tasks(&said)[0];
            assert!(matches!(tasks(&said)[0].1, Task::PauseWrites { .. }), "{ticket:?}");
            t.catch_up();
            t.write_before_the_end(if late { 1 } else { 0 });
            let said = t.run_for(2_000);
            let promoted: Vec<_> = tasks(&said)
                .iter()
                .filter_map(|(_, t)| if let Task::Promote(s) = t { Some(s) } else { None })
                .cloned()
                .collect();
            assert_eq!(promoted[0].address == t.master().address, late, "{promoted:?}");
        }
    }

    #[test]
    fn a_leader_acts_only_while_its_votes_are_held() {
        let mut t = Table::settled();
        catching_up(&mut t);
        t.peers_vote(false);
        t.run_for(300);
        t.catch_up();
        let steps_down = |said: &[Action]| tasks(said).iter().any(|(_, t)| matches!(t, Task::StepDown { .. }));
        assert!(!steps_down(&t.run_for(500)), "the votes may be somebody else's by now");
        t.peers_vote(true);
        assert!(steps_down(&t.run_for(200)));
    }
}
