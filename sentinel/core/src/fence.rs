//! Fencing: what must hold before a promotion, so that an old master cannot go on acknowledging writes.
//!
//! Replicas are detached for two reasons. With the write gate at `m` replicas, an old master whose replicas are gone
//! closes after the lag; with `m - 1` left it closes as well, so of `R` replicas `R - m + 1` must be detached. For
//! writes confirmed with `WAIT k`, positions are frozen before they are compared: any `R - k + 1` of `R` replicas hold
//! one that confirmed. A detached replica keeps its data and history and takes no writes.

use super::action::Task;
use super::config::Fencing;
use super::event::{Done, Failure};
use super::failover::Failover;
use super::ids::{Address, Epoch, Millis};
use super::state::{Errand, Master, Sentinel, Server};
use super::wake;
use super::why::Unmet;

/// `min-replicas-max-lag`, in seconds: the least Redis knows.
pub(super) const MAX_LAG_S: u32 = 1;
/// How long after the last confirmation the gate has surely closed: the lag, whole seconds, a check per second; and a
/// margin for clocks that drift by 1 % against each other.
pub(super) const GATE_CLOSES: u64 = (MAX_LAG_S as u64 + 2) * 1_000 + 100;
/// The wait before something that failed is tried again.
const AGAIN: u64 = 200;

/// How many of the replicas must be detached before one is promoted; 0: none.
pub(super) fn detach_needed(m: &Master) -> usize {
    let replicas = m.replicas().filter(|(_, s)| !s.foreign).count();
    let all_but = |n: u32| (replicas + 1).saturating_sub(n.max(1) as usize).max(1);
    let gate = match m.settings.fencing {
        Fencing::Gate { min_replicas } if gate_counts(m) => all_but(min_replicas),
        _ => 0,
    };
    gate.max(m.settings.confirmed_writes.map_or(0, all_but))
}

/// There is a gate that has to close.
pub(super) fn gate_counts(m: &Master) -> bool {
    matches!(m.settings.fencing, Fencing::Gate { .. }) && !proof_of_death(m)
}

/// The old master's process is surely gone: nothing it could acknowledge is to be waited for.
fn proof_of_death(m: &Master) -> bool {
    m.server().is_some_and(|s| s.link.proves_death())
}

/// When so many replicas as needed had been confirmed, if they have.
pub(super) fn confirmed_at(f: &Failover, needed: usize) -> Option<Millis> {
    let mut times: Vec<Millis> = f.detached.values().flatten().copied().collect();
    times.sort_unstable();
    times.get(needed.checked_sub(1)?).copied()
}

impl Sentinel {
    /// Detaches replicas where the settings want that. Returns since when reports count as fresh, or `None` while
    /// something is waited for. A switchover needs none of it: its master holds writes itself.
    pub(super) fn detach_replicas(&mut self, m: &mut Master, f: &mut Failover) -> Option<Millis> {
        let needed = if f.lossless() { 0 } else { detach_needed(m) };
        if needed == 0 {
            return Some(f.since);
        }
        if f.again <= self.now {
            let new = |address: &Address| !f.detached.contains_key(address);
            let visible = m.replicas().filter(|(_, s)| s.visible()).map(|(address, _)| address);
            let addresses: Vec<Address> = visible.filter(|a| new(a)).cloned().collect();
            for address in addresses {
                self.run(m, Errand::Detach(f.epoch, address.clone()), Task::Detach(m.server_ref(&address)));
                f.detached.insert(address, None);
            }
        } else {
            wake(m, f.again);
        }
        let confirmed = confirmed_at(f, needed)?;
        let closed = confirmed.after(if gate_counts(m) { GATE_CLOSES } else { 0 });
        if closed > self.now {
            wake(m, closed);
            return None;
        }
        Some(confirmed)
    }

    /// The best replica among the detached ones, or among all if none had to be.
    pub(super) fn choose_detached(&self, m: &Master, f: &Failover, fresh_since: Millis) -> Result<Address, Unmet> {
        if f.detached.is_empty() {
            return self.choose(m, fresh_since);
        }
        let off = |s: &Server| s.asked_at >= fresh_since && !s.follows(&m.address);
        let frozen = |address: &Address| {
            f.detached.get(address).is_some_and(Option::is_some) && m.servers.get(address).is_some_and(off)
        };
        // So many have to show it themselves: somebody may have put one back.
        let (have, need) = (f.detached.keys().filter(|address| frozen(address)).count(), detach_needed(m));
        if have < need {
            return Err(Unmet::Detaching { have, need });
        }
        self.choose_among(m, fresh_since, frozen)
    }

    pub(super) fn detach_outcome(
        &mut self,
        m: &mut Master,
        f: &mut Failover,
        address: &Address,
        result: Result<Done, Failure>,
    ) {
        let now = self.now;
        if result.is_err() {
            f.detached.remove(address);
            f.again = now.after(AGAIN);
        } else if let Some(confirmed) = f.detached.get_mut(address) {
            *confirmed = Some(now);
            if let Some(server) = m.servers.get_mut(address) {
                server.inspect_sent = None;
            }
        }
    }

    /// Starts the fence script.
    pub(super) fn run_fence(&mut self, m: &Master, epoch: Epoch, script: &str, to: &Address) {
        let (master, old, new) = (m.name.clone(), m.address.clone(), to.clone());
        self.run(m, Errand::Fence(epoch), Task::Fence { master, script: script.to_owned(), old, new });
    }

    /// Queues the old master's demotion for the moment it wakes.
    pub(super) fn demote_on_return(&mut self, m: &Master, to: &Address) {
        if m.settings.fencing == Fencing::OnReturn && m.server().is_some_and(|s| s.link.up) {
            let task = Task::FollowOnReturn { server: m.server_ref(&m.address), master: to.clone() };
            self.run(m, Errand::Courtesy, task);
        }
    }

    /// Keeps the write gate set on every server of the group.
    pub(super) fn keep_gate(&mut self, m: &mut Master) {
        let Fencing::Gate { min_replicas } = m.settings.fencing else { return };
        if m.settings.observe_only || m.paused.is_some() {
            return;
        }
        let (now, period) = (self.now, self.globals.timings.info_period);
        let due: Vec<Address> = m
            .servers
            .iter_mut()
            .filter(|(_, s)| s.visible() && s.report.is_some() && s.gate_after <= now)
            .map(|(address, s)| {
                s.gate_after = now.after(period);
                address.clone()
            })
            .collect();
        for address in due {
            let server = m.server_ref(&address);
            let task = Task::SetGate { server, min_replicas, max_lag_s: MAX_LAG_S };
            self.run(m, Errand::Gate(address), task);
        }
        let next = m.servers.values().filter(|s| s.visible() && s.report.is_some()).map(|s| s.gate_after).min();
        wake(m, next.unwrap_or(Millis::NEVER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::event::{Cause, Event};
    use crate::table::{Table, channels};

    fn tasks(actions: &[Action]) -> Vec<&Task> {
        let task = |a: &'_ Action| matches!(a, Action::Do(..));
        actions
            .iter()
            .filter(|a| task(a))
            .map(|a| match a {
                Action::Do(_, task) => task,
                _ => unreachable!(),
            })
            .collect()
    }

    fn cut(fencing: Fencing) -> Table {
        let mut t = Table::settled();
        t.set_fencing(fencing);
        t.run_for(1_000);
        t.cut_master();
        t.peers_say(true);
        t.peers_vote(true);
        t
    }

    #[test]
    fn the_gate_is_set_on_every_server() {
        let mut t = Table::settled();
        let said = t.set_fencing(Fencing::Gate { min_replicas: 1 });
        let set = tasks(&said).iter().filter(|t| matches!(t, Task::SetGate { min_replicas: 1, .. })).count();
        assert_eq!(set, 3);
    }

    #[test]
    fn in_a_cut_the_gate_is_waited_for() {
        let mut t = cut(Fencing::Gate { min_replicas: 1 });
        let mut said = Vec::new();
        while !tasks(&said).iter().any(|t| matches!(t, Task::Detach(_))) {
            said.extend(t.run_for(1));
        }
        assert_eq!(tasks(&said).iter().filter(|t| matches!(t, Task::Detach(_))).count(), 2);
        let said = t.run_for(GATE_CLOSES - 1);
        assert!(!tasks(&said).iter().any(|t| matches!(t, Task::Promote(_))), "the gate may still be open");
        assert!(channels(&t.run_for(1_000)).contains(&"+promoted-slave"));
    }

    #[test]
    fn with_a_replica_out_of_sight_nobody_is_promoted_and_the_rest_is_put_back() {
        let mut t = Table::settled();
        t.set_fencing(Fencing::Gate { min_replicas: 1 });
        t.run_for(1_000);
        t.cut_master();
        t.cut_one_replica();
        t.peers_say(true);
        t.peers_vote(true);
        let said = t.run_for(25_000);
        assert!(!tasks(&said).iter().any(|t| matches!(t, Task::Promote(_))));
        assert!(tasks(&said).iter().any(|t| matches!(t, Task::Follow { .. })), "put back after the time-out");
    }

    #[test]
    fn a_proven_death_is_not_waited_for() {
        let mut t = Table::settled();
        t.set_fencing(Fencing::Gate { min_replicas: 1 });
        t.run_for(1_000);
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        assert!(channels(&t.run_for(1_300)).contains(&"+promoted-slave"));
    }

    #[test]
    fn a_cut_is_no_proof() {
        let mut t = Table::settled();
        let link = t.master_link();
        t.step(Event::LinkDown(link.clone(), Cause::Refused));
        assert!(proof_of_death(t.master()) || !t.master().server().unwrap().link.proves_death());
        t.step(Event::LinkUp(link.clone()));
        t.step(Event::LinkDown(link.clone(), Cause::Unreachable));
        assert!(!proof_of_death(t.master()));
        t.step(Event::LinkUp(link.clone()));
        t.step(Event::LinkDown(link.clone(), Cause::Closed));
        assert!(!proof_of_death(t.master()), "closed, perhaps by something in between");
        t.step(Event::LinkDown(link, Cause::Refused));
        assert!(proof_of_death(t.master()));
    }

    #[test]
    fn the_command_runs_before_the_promotion() {
        let mut t = cut(Fencing::Command { script: "/bin/fence".into() });
        t.fence_fails(true);
        let said = t.run_for(4_000);
        assert!(tasks(&said).iter().any(|t| matches!(t, Task::Fence { .. })));
        assert!(!tasks(&said).iter().any(|t| matches!(t, Task::Promote(_))));
        t.fence_fails(false);
        assert!(channels(&t.run_for(2_000)).contains(&"+promoted-slave"));
    }

    #[test]
    fn a_stopped_master_finds_its_demotion_waiting() {
        let mut t = cut(Fencing::OnReturn);
        let said = t.run_for(4_000);
        assert!(tasks(&said).iter().any(|t| matches!(t, Task::FollowOnReturn { .. })));
        assert!(!said.iter().any(|a| matches!(a, Action::Reconnect(to) if *to == t.master_link())));
    }
}
