//! What operators ask for.

use super::action::{Action, Refusal};
use super::config::{Change, Settings};
use super::durable::{DurableMaster, Pause};
use super::event::Request;
use super::failover::Reason;
use super::ids::{Address, MasterName, Millis, ReplyTo, Target};
use super::notice::What;
use super::state::{Master, Sentinel};
use super::vote::HOLD;

impl Sentinel {
    /// Handles a request and answers it.
    pub(super) fn request(&mut self, reply_to: ReplyTo, request: Request) {
        let result = match request {
            Request::Failover(name) => self.on(&name, |s, m| s.operator_failover(m, m.settings.lossless_failover)),
            Request::ForcedFailover(name) => self.on(&name, |s, m| s.operator_failover(m, false)),
            Request::Switchover { master, to } => self.on(&master, |s, m| s.operator_switchover(m, to)),
            Request::Reset(names) => {
                for name in names {
                    self.with(&name, Self::reset);
                }
                self.forget_unwatched();
                Ok(())
            }
            Request::Pause(name, pause) => self.on(&name, |s, m| s.pause(m, pause)),
            Request::Resume(name) => self.on(&name, Self::resume),
            Request::Monitor { master, address, settings } => self.monitor(master, address, settings),
            Request::Remove(name) => self.remove(&name),
            Request::Set(name, change) => self.on(&name, |s, m| s.set(m, &change)),
            Request::SetGlobals(globals) => {
                self.globals = globals;
                self.dirty = true;
                Ok(())
            }
            Request::Flush => {
                self.dirty = true;
                Ok(())
            }
        };
        self.put(Action::Reply(reply_to, result));
    }

    fn on(
        &mut self,
        name: &MasterName,
        act: impl FnOnce(&mut Self, &mut Master) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut result = Err(Refusal::NoSuchMaster);
        self.with(name, |s, m| result = act(s, m));
        result
    }

    /// `SENTINEL FAILOVER`: without loss where that is wanted and possible, else as Redis does it.
    fn operator_failover(&mut self, m: &mut Master, lossless: bool) -> Result<(), Refusal> {
        self.may_begin(m)?;
        self.choose(m, Millis::default()).map_err(|_| Refusal::NoGoodReplica)?;
        let lossless = lossless && self.lossless(m).is_ok();
        self.stand(m, if lossless { Reason::Planned(None) } else { Reason::Forced });
        Ok(())
    }

    fn operator_switchover(&mut self, m: &mut Master, to: Option<Address>) -> Result<(), Refusal> {
        self.may_begin(m)?;
        self.lossless(m).map_err(|why| Refusal::NotLossless(why.to_owned()))?;
        match &to {
            Some(to) => {
                self.may_promote(m, to, Millis::default()).map_err(|why| Refusal::NotLossless(why.to_string()))?;
            }
            None => {
                self.choose(m, Millis::default()).map_err(|_| Refusal::NoGoodReplica)?;
            }
        }
        self.stand(m, Reason::Planned(to));
        Ok(())
    }

    fn may_begin(&self, m: &Master) -> Result<(), Refusal> {
        if m.settings.observe_only {
            return Err(Refusal::ObserveOnly(m.name.clone()));
        }
        // Whoever holds this sentinel's vote is at work, here or elsewhere.
        let under_way = m.failover.is_some() || m.barrier.held(self.now, HOLD);
        if under_way { Err(Refusal::InProgress) } else { Ok(()) }
    }

    /// Whether the master can take part in a switchover. What it reported may be old by now: that it is a master is seen
    /// to when its writes are paused.
    fn lossless(&self, m: &Master) -> Result<(), &'static str> {
        let server = m.server().filter(|s| s.visible()).ok_or("the master is down or not connected")?;
        let report = server.report.as_ref();
        if report.is_none_or(|r| r.can_pause) { Ok(()) } else { Err("the master cannot pause writes") }
    }

    fn pause(&mut self, m: &mut Master, pause: Pause) -> Result<(), Refusal> {
        if m.paused.is_none() {
            self.tell_master(m, What::Paused(pause.by.clone()));
            m.paused = Some(pause);
            self.dirty = true;
        }
        Ok(())
    }

    fn resume(&mut self, m: &mut Master) -> Result<(), Refusal> {
        if m.paused.take().is_some() {
            self.tell_master(m, What::Resumed);
            self.dirty = true;
        }
        Ok(())
    }

    /// Forgets replicas and peers; they come back by reports and hellos.
    fn reset(&mut self, m: &mut Master) {
        for (target, address) in Self::server_targets(m).collect::<Vec<_>>() {
            if address != m.address {
                self.put(Action::Disconnect(target));
            }
        }
        if m.failover.take().is_some_and(|f| matches!(f.stage, super::failover::Stage::Switch { .. })) {
            self.resume_writes(m);
        }
        m.servers.retain(|address, _| *address == m.address);
        m.peers.clear();
        m.objectively_down = None;
        m.barrier = super::election::Barrier::default();
        Self::inspect_at_once(m);
        self.dirty = true;
        self.tell_master(m, What::ResetMaster);
    }

    fn monitor(&mut self, name: MasterName, address: Address, settings: Settings) -> Result<(), Refusal> {
        if self.masters.contains_key(&name) {
            return Err(Refusal::DuplicateName);
        }
        let quorum = settings.quorum;
        let master = Master::new(name.clone(), DurableMaster::new(address.clone(), settings), self.now);
        self.put(Action::Connect(Target::Server(master.server_ref(&address)), address));
        self.masters.insert(name.clone(), master);
        self.dirty = true;
        self.with(&name, |s, m| s.tell_master(m, What::Monitor(quorum)));
        Ok(())
    }

    fn remove(&mut self, name: &MasterName) -> Result<(), Refusal> {
        let m = self.masters.remove(name).ok_or(Refusal::NoSuchMaster)?;
        if m.failover.as_ref().is_some_and(|f| matches!(f.stage, super::failover::Stage::Switch { .. })) {
            self.resume_writes(&m);
        }
        self.tell_master(&m, What::Unmonitor);
        for (target, _) in Self::server_targets(&m).collect::<Vec<_>>() {
            self.put(Action::Disconnect(target));
        }
        self.forget_unwatched();
        self.dirty = true;
        Ok(())
    }

    fn set(&mut self, m: &mut Master, change: &Change) -> Result<(), Refusal> {
        change.apply(&mut m.settings);
        self.dirty = true;
        if matches!(change, Change::AuthUser(_) | Change::AuthPass(_) | Change::RenameCommand(..)) {
            for (target, _) in Self::server_targets(m).collect::<Vec<_>>() {
                self.put(Action::Reconnect(target));
            }
        }
        if matches!(change, Change::Fencing(_)) {
            let now = self.now;
            m.servers.values_mut().for_each(|s| s.gate_after = now);
        }
        let (option, value) = change.shown();
        self.tell_master(m, What::Set(option, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Table, channels};

    fn answer(actions: &[Action]) -> Result<(), Refusal> {
        let reply = actions.iter().find_map(|a| if let Action::Reply(_, r) = a { Some(r.clone()) } else { None });
        reply.expect("every request is answered")
    }

    fn pause() -> Pause {
        Pause { by: "ann".into(), at: 7 }
    }

    #[test]
    fn requests_about_unknown_masters_are_refused() {
        let mut t = Table::settled();
        let name = MasterName::from("nobody");
        for request in [
            Request::Failover(name.clone()),
            Request::Switchover { master: name.clone(), to: None },
            Request::Pause(name.clone(), pause()),
            Request::Remove(name.clone()),
            Request::Set(name, Change::Quorum(1)),
        ] {
            assert_eq!(answer(&t.request(request)), Err(Refusal::NoSuchMaster));
        }
    }

    #[test]
    fn monitor_set_reset_and_remove_are_saved_and_told() {
        let mut t = Table::settled();
        let name = MasterName::from("second");
        let address = Address::new("10.0.9.9", 6379);
        let monitor =
            || Request::Monitor { master: name.clone(), address: address.clone(), settings: Settings::new(2) };
        let saved = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Persist(_)));
        let said = t.request(monitor());
        assert!(saved(&said) && channels(&said).contains(&"+monitor"));
        assert_eq!(answer(&t.request(monitor())), Err(Refusal::DuplicateName));
        let said = t.request(Request::Set(name.clone(), Change::DownAfter(500)));
        assert!(saved(&said) && channels(&said).contains(&"+set"));
        assert_eq!(t.sentinel.masters()[&name].settings.down_after, 500);
        let said = t.request(Request::Reset(vec![t.master().name.clone()]));
        assert!(channels(&said).contains(&"+reset-master"));
        assert!(t.master().peers.is_empty() && t.master().servers.len() == 1);
        assert!(t.sentinel.peers().is_empty());
        let said = t.request(Request::Remove(name.clone()));
        assert!(saved(&said) && channels(&said).contains(&"-monitor"));
        assert!(!t.sentinel.masters().contains_key(&name));
    }

    #[test]
    fn a_second_failover_waits_for_the_first() {
        let mut t = Table::settled();
        t.peers_vote(false);
        let name = t.master().name.clone();
        assert_eq!(answer(&t.request(Request::Failover(name.clone()))), Ok(()));
        assert_eq!(answer(&t.request(Request::Failover(name))), Err(Refusal::InProgress));
    }

    #[test]
    fn a_forced_failover_pauses_no_writes() {
        let mut t = Table::settled();
        t.peers_vote(true);
        let name = t.master().name.clone();
        let said = [t.request(Request::ForcedFailover(name.clone())), t.run_for(3_000)].concat();
        assert!(channels(&said).contains(&"+switch-master") && !channels(&said).contains(&"+switchover-paused"));
        let mut t = Table::settled();
        t.peers_vote(true);
        let said = [t.request(Request::Failover(name)), t.run_for(3_000)].concat();
        assert!(channels(&said).contains(&"+switchover-paused"));
    }

    #[test]
    fn a_failover_waits_for_the_one_that_has_the_vote() {
        let mut t = Table::settled();
        let (address, candidate) = (t.master().address.clone(), Some(crate::ids::RunId::from_number(2)));
        let question = crate::event::Question { address, epoch: crate::ids::Epoch(1), candidate, planned: true };
        t.step(crate::event::Event::Asked { reply_to: ReplyTo(2), question });
        let name = t.master().name.clone();
        assert_eq!(answer(&t.request(Request::Failover(name.clone()))), Err(Refusal::InProgress));
        t.run_for(HOLD);
        assert_eq!(answer(&t.request(Request::Failover(name))), Ok(()));
    }

    #[test]
    fn without_a_majority_a_failover_goes_on_with_a_warning() {
        let mut t = Table::settled();
        t.all_peers_lost_but(0);
        let name = t.master().name.clone();
        let mut said = t.request(Request::Failover(name));
        said.extend(t.run_for(1_000));
        assert!(channels(&said).contains(&"+failover-without-votes"));
        assert!(channels(&said).contains(&"+switch-master"));
    }

    #[test]
    fn an_operators_pause_stops_decisions() {
        let mut t = Table::settled();
        let name = t.master().name.clone();
        let said = t.request(Request::Pause(name.clone(), pause()));
        assert!(
            said.iter().any(|a| matches!(a, Action::Persist(state) if state.masters[&name].paused == Some(pause())))
        );
        t.request(Request::Pause(name.clone(), Pause { by: "bob".into(), at: 8 }));
        assert_eq!(t.master().paused, Some(pause()), "it stands already");
        // It outlives a restart.
        t.sentinel = Sentinel::new(t.sentinel.durable(), 1, t.now());
        t.step(crate::event::Event::Timer);
        t.run_for(3_000);
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let said = t.run_for(5_000);
        assert!(!channels(&said).contains(&"+try-failover"));
        let told = said.iter().find_map(|a| match a {
            Action::Announce(notice) if notice.what.channel() == "+would-promote" => Some(notice.payload()),
            _ => None,
        });
        let told = told.expect("what it would have done");
        assert!(told.contains("because 2 sentinels of 2 needed hold the master for down"), "{told}");
        let said = [t.request(Request::Resume(name)), t.run_for(500)].concat();
        assert!(channels(&said).contains(&"+switch-master"));
        assert_eq!(t.master().paused, None);
    }
}
