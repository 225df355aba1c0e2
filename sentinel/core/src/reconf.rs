//! After the promotion: the other replicas are re-pointed, a few at a time, and the new master becomes the configured one.

use super::action::{Action, Script, Task};
use super::event::{Done, Failure, Role};
use super::failover::{Failover, Flow};
use super::ids::{Address, Millis};
use super::notice::What;
use super::state::{Errand, Master, Reconf, Sentinel};
use super::wake;

impl Sentinel {
    /// Re-points what is due, and ends the failover when all within reach are done.
    pub(super) fn advance_reconf(&mut self, m: &mut Master, f: &mut Failover, to: &Address) -> Flow {
        if m.servers.get(to).is_none_or(|s| s.down.is_some()) {
            // The new master is gone already: make it the configured one, so that its own failover can begin.
            return self.end(m, to);
        }
        self.time_out_replicas(m);
        let late = f.since.after(m.settings.failover_timeout);
        let open: Vec<Address> = others(m, to).filter(|a| !self.is_done(m, a)).collect();
        if open.is_empty() {
            return self.end(m, to);
        }
        if late <= self.now {
            self.tell_master(m, What::FailoverEndForTimeout);
            let leads = self.still_leads(m, f);
            for address in open {
                if leads && m.servers.get(&address).is_some_and(|s| s.link.up) {
                    let task = Task::Follow { server: m.server_ref(&address), master: to.clone() };
                    self.run(m, Errand::Courtesy, task);
                    self.tell_server(m, &address, What::ReconfSentBestEffort);
                }
            }
            return self.end(m, to);
        }
        wake(m, late);
        if self.still_leads(m, f) {
            self.send_next(m, f, to);
        }
        Flow::Stay
    }

    fn send_next(&mut self, m: &mut Master, f: &Failover, to: &Address) {
        let under_way = |s: &Reconf| matches!(s, Reconf::Sent(_) | Reconf::InProgress(_));
        let mut busy = m.servers.values().filter(|s| under_way(&s.reconf)).count();
        for address in others(m, to).collect::<Vec<_>>() {
            let Some(server) = m.servers.get_mut(&address) else { continue };
            let ready = server.reconf == Reconf::None && server.link.up && server.down.is_none();
            if !ready || busy >= m.settings.parallel_syncs as usize {
                continue;
            }
            if server.repair_after > self.now {
                let at = server.repair_after;
                wake(m, at);
                continue;
            }
            busy += 1;
            server.reconf = Reconf::Sent(self.now);
            server.inspect_sent = Some(self.now);
            let task = Task::Follow { server: m.server_ref(&address), master: to.clone() };
            self.run(m, Errand::Reconf(f.epoch, address.clone()), task);
            self.tell_server(m, &address, What::ReconfSent);
        }
    }

    fn time_out_replicas(&mut self, m: &mut Master) {
        let (now, timeout) = (self.now, self.globals.timings.reconf_timeout);
        let mut next = Millis::NEVER;
        let mut late = Vec::new();
        for (address, server) in &mut m.servers {
            let Reconf::Sent(since) = server.reconf else { continue };
            if since.after(timeout) <= now {
                server.reconf = Reconf::Done;
                late.push(address.clone());
            } else {
                next = next.min(since.after(timeout));
            }
        }
        wake(m, next);
        for address in late {
            self.tell_server(m, &address, What::ReconfTimeout);
        }
    }

    /// Re-pointed, or not to be waited for.
    fn is_done(&self, m: &Master, address: &Address) -> bool {
        m.servers.get(address).is_none_or(|s| s.reconf == Reconf::Done || s.down.is_some() || s.foreign)
    }

    pub(super) fn reconf_outcome(&mut self, m: &mut Master, address: &Address, result: Result<Done, Failure>) {
        let now = self.now;
        let Some(server) = m.servers.get_mut(address) else { return };
        if !matches!(server.reconf, Reconf::Sent(_)) {
            return;
        }
        if result.is_err() {
            (server.reconf, server.repair_after) = (Reconf::None, now.after(1_000));
            return;
        }
        server.reconf = Reconf::InProgress(now);
        server.inspect_sent = None;
        self.tell_server(m, address, What::ReconfInProgress);
    }

    /// A replica reports whom it follows: perhaps its re-pointing has come further.
    pub(super) fn note_reconf(&mut self, m: &mut Master, address: &Address) {
        let to = m.current_address().clone();
        let Some(server) = m.servers.get(address) else { return };
        let Some(Role::Replica(following)) = server.report.as_ref().map(|r| r.role.clone()) else { return };
        let fits = to != m.address && self.same(&following.master, &to);
        let (sent, progress) = match server.reconf {
            Reconf::Sent(since) => (server.asked_at > since, true),
            Reconf::InProgress(_) => (true, false),
            Reconf::None | Reconf::Done => return,
        };
        if !fits || !sent {
            return;
        }
        let next = if following.link_up { Reconf::Done } else { Reconf::InProgress(self.now) };
        if let Some(server) = m.servers.get_mut(address) {
            server.reconf = next;
        }
        if progress {
            self.tell_server(m, address, What::ReconfInProgress);
        }
        if next == Reconf::Done {
            self.tell_server(m, address, What::ReconfDone);
        }
    }

    /// Runs the operator's script for a changed address.
    pub(super) fn run_reconfig_script(&mut self, m: &Master, role: &str, from: &Address, to: &Address) {
        let Some(path) = m.settings.client_reconfig_script.clone() else { return };
        let port = |a: &Address| a.port.to_string();
        let words = [m.name.as_str(), role, "start", &from.host, &port(from), &to.host, &port(to)];
        let script = Script { path, args: words.iter().map(|w| (*w).to_owned()).collect() };
        self.put(Action::RunScript(script));
    }

    fn end(&mut self, m: &mut Master, to: &Address) -> Flow {
        self.tell_master(m, What::FailoverEnd);
        self.switch_to(m, to);
        Flow::End
    }

    /// Makes `to` the configured master. Links and what is known of the servers stay; roles change.
    pub(super) fn switch_to(&mut self, m: &mut Master, to: &Address) {
        let known = m.servers.keys().find(|known| self.same(known, to)).cloned();
        let to = &known.unwrap_or_else(|| to.clone());
        let old = std::mem::replace(&mut m.address, to.clone());
        let now = self.now;
        self.dirty = true;
        self.add_server(m, to, false);
        self.tell_master(m, What::SwitchMaster(old.clone(), to.clone()));
        for address in m.replicas().map(|(a, _)| a.clone()).collect::<Vec<_>>() {
            self.tell_server(m, &address, What::Replica);
        }
        for server in m.servers.values_mut() {
            (server.reconf, server.rebooted, server.repair_after) = (Reconf::None, None, now);
            // What does not fit the new roles has not lasted yet.
            (server.role_since, server.following_since) = (now, now);
        }
        for address in [&old, to] {
            if let Some(server) = m.servers.get_mut(address) {
                (server.down, server.up_since) = (None, now);
            }
        }
        for watcher in m.peers.values_mut() {
            watcher.says_down = false;
        }
        m.objectively_down = None;
        m.observed = false;
        // Who was voted for may not be through yet.
        m.barrier.lift();
        Self::inspect_at_once(m);
        Self::greet_at_once(m);
    }
}

/// The replicas that have to follow the new master: the old master comes later, when it is back.
fn others<'a>(m: &'a Master, to: &'a Address) -> impl Iterator<Item = Address> + 'a {
    m.replicas().map(|(a, _)| a).filter(move |a| *a != to).cloned()
}

#[cfg(test)]
mod tests {
    use crate::action::{Action, Task};
    use crate::table::{Table, channels};

    fn failing_over(replicas: usize) -> Table {
        let mut t = Table::with_replicas(replicas);
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        t
    }

    #[test]
    fn no_more_replicas_at_a_time_than_allowed() {
        let mut t = failing_over(5);
        t.slow_syncs(true);
        let said = t.run_for(1_500);
        let sent = |said: &[Action]| channels(said).iter().filter(|c| **c == "+slave-reconf-sent").count();
        assert_eq!(sent(&said), 1);
        t.slow_syncs(false);
        assert_eq!(sent(&t.run_for(2_000)), 3, "one after the other");
        assert!(t.master().failover.is_none());
    }

    #[test]
    fn an_end_for_timeout_sends_to_the_rest() {
        let mut t = failing_over(4);
        t.slow_syncs(true);
        let heard = channels(&t.run_for(25_000));
        for channel in ["+failover-end-for-timeout", "+slave-reconf-sent-be", "+failover-end", "+switch-master"] {
            assert!(heard.contains(&channel), "{channel} in {heard:?}");
        }
    }

    #[test]
    fn the_old_master_follows_when_it_is_back() {
        let mut t = failing_over(2);
        let old = t.master().address.clone();
        t.run_for(3_000);
        let new = t.master().address.clone();
        let said = [t.revive(&old), t.run_for(2_000)].concat();
        assert!(channels(&said).contains(&"+convert-to-slave"));
        let follows = said.iter().any(
            |a| matches!(a, Action::Do(_, Task::Follow { server, master }) if server.address == old && *master == new),
        );
        assert!(follows);
    }
}
