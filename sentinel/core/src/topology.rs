//! What servers report: roles, replicas, identities; and repairs of what does not fit.
//!
//! A server is known by where it listens, but an address can be reused. When a report shows another run id and a history
//! that is not the group's, together with a master or replicas that are not the group's either, the server belongs to
//! somebody else: it is left alone, and neither promoted nor re-pointed.

use super::action::{Action, Task};
use super::event::{Done, Failure, Report, Role};
use super::ids::{Address, Millis, ReplicationId, ServerRef, Target};
use super::notice::What;
use super::state::{Errand, Master, Sentinel, Server};
use super::vote::HOLD;
use super::wake;

/// How many servers a master may have: more reported ones are not taken.
const MAX_SERVERS: usize = 256;

impl Server {
    /// It reports to be a master.
    pub fn says_master(&self) -> bool {
        matches!(self.report, Some(Report { role: Role::Master, .. }))
    }

    /// It reports to follow this master.
    pub(super) fn follows(&self, master: &Address) -> bool {
        matches!(self.report.as_ref().map(|r| &r.role), Some(Role::Replica(f)) if f.master == *master)
    }

    /// The history it reports.
    pub(super) fn history(&self) -> Option<ReplicationId> {
        self.report.as_ref()?.replication_id
    }

    /// Its report is one of the present: asked for since it was last held for down, or got the part it has.
    pub(super) fn report_is_current(&self) -> bool {
        self.asked_at >= self.up_since
    }

    /// It can be talked to.
    pub fn visible(&self) -> bool {
        self.link.up && self.down.is_none() && !self.foreign
    }
}

impl Sentinel {
    /// A server reported.
    pub(super) fn report(&mut self, m: &mut Master, from: &ServerRef, asked: Millis, report: Report) {
        let address = &from.address;
        let foreign = self.is_foreign(m, address, &report);
        let now = self.now;
        let Some(server) = m.servers.get_mut(address) else { return };
        let old = server.report.replace(report.clone());
        (server.reported_at, server.asked_at) = (now, asked);
        let rebooted = server.run_id.is_some() && report.run_id.is_some() && server.run_id != report.run_id;
        server.run_id = report.run_id.or(server.run_id);
        if rebooted {
            server.rebooted = Some(now);
            self.tell_server(m, address, What::Reboot);
        }
        self.note_foreign(m, address, foreign);
        self.note_role(m, address, old.as_ref(), &report);
        if *address == m.address && report.role == Role::Master && !foreign {
            for replica in report.replicas.iter().filter(|r| r.port != 0) {
                self.add_server(m, replica, true);
            }
        }
        self.forget_former_address(m, address);
        self.note_reconf(m, address);
    }

    /// Adds a server that is not known yet.
    pub(super) fn add_server(&mut self, m: &mut Master, address: &Address, tell: bool) {
        if m.servers.len() >= MAX_SERVERS || m.servers.keys().any(|known| self.same(known, address)) {
            return;
        }
        m.servers.insert(address.clone(), Server::new(self.now));
        self.put(Action::Connect(Target::Server(m.server_ref(address)), address.clone()));
        self.dirty = true;
        if tell {
            self.tell_server(m, address, What::Replica);
        }
    }

    fn note_role(&mut self, m: &mut Master, address: &Address, old: Option<&Report>, new: &Report) {
        let now = self.now;
        let is_master = |r: &Report| r.role == Role::Master;
        let followed = |r: &Report| match &r.role {
            Role::Replica(f) => Some(f.master.clone()),
            Role::Master => None,
        };
        let changed = old.is_none_or(|old| is_master(old) != is_master(new));
        let Some(server) = m.servers.get_mut(address) else { return };
        if changed {
            server.role_since = now;
        }
        if old.and_then(followed) != followed(new) {
            server.following_since = now;
        }
        let configured = *address == m.address;
        if changed && (old.is_some() || is_master(new) != configured) {
            let agrees = is_master(new) == configured;
            let what = if agrees { What::RoleAgrees(is_master(new)) } else { What::RoleDiffers(is_master(new)) };
            self.tell_server(m, address, what);
        }
    }

    /// Another group's server under a reused address: another life, another history, and other company.
    fn is_foreign(&self, m: &Master, address: &Address, report: &Report) -> bool {
        let Some(server) = m.servers.get(address) else { return false };
        let stranger = server.run_id.is_some() && report.run_id != server.run_id;
        if (!stranger && !server.foreign) || *address == m.address {
            return false;
        }
        let ours = |id| m.servers.values().any(|s| !s.foreign && s.history().is_some() && s.history() == id);
        let known = |a: &Address| m.servers.keys().any(|k| self.same(k, a));
        let kin = ours(report.replication_id) || ours(report.former_replication_id);
        let company = match &report.role {
            Role::Replica(following) => known(&following.master),
            Role::Master => report.replicas.is_empty() || report.replicas.iter().any(known),
        };
        !kin && !company
    }

    fn note_foreign(&mut self, m: &mut Master, address: &Address, foreign: bool) {
        let Some(server) = m.servers.get_mut(address) else { return };
        if std::mem::replace(&mut server.foreign, foreign) != foreign && foreign {
            self.tell_server(m, address, What::Foreign);
        }
    }

    /// The same life of a server under an address that nobody answers at any more: it has moved.
    fn forget_former_address(&mut self, m: &mut Master, address: &Address) {
        let Some(id) = m.servers.get(address).and_then(|s| s.run_id) else { return };
        let moved = |(a, s): &(&Address, &Server)| *a != address && s.run_id == Some(id) && !s.link.up;
        let former = m.replicas().find(moved).map(|(a, _)| a.clone());
        if let Some(former) = former.filter(|_| m.failover.is_none()) {
            m.servers.remove(&former);
            self.put(Action::Disconnect(Target::Server(m.server_ref(&former))));
            self.dirty = true;
        }
    }

    /// The configured master is well and says so.
    fn master_is_sane(&self, m: &Master) -> bool {
        let fresh = 2 * self.globals.timings.info_period;
        m.objectively_down.is_none()
            && m.server().is_some_and(|s| {
                s.visible() && s.says_master() && s.report_is_current() && self.now.since(s.reported_at) < fresh
            })
    }

    /// Makes servers in a wrong role follow the master.
    pub(super) fn repair(&mut self, m: &mut Master) {
        if m.failover.is_some() || m.paused.is_some() || m.settings.observe_only || !self.master_is_sane(m) {
            return;
        }
        if m.barrier.held(self.now, 2 * HOLD) {
            // A leader that has the vote from here is at work: what looks wrong may be its doing.
            return wake(m, self.now.after(HOLD));
        }
        let wrong: Vec<(Address, Millis, What)> = m
            .replicas()
            .filter(|(_, s)| s.visible() && s.report_is_current() && !s.repairing)
            .filter_map(|(a, s)| self.wrong_since(m, s).map(|(at, what)| (a.clone(), at.max(s.repair_after), what)))
            .collect();
        for (address, due, what) in wrong {
            if due > self.now {
                wake(m, due);
                continue;
            }
            if let Some(server) = m.servers.get_mut(&address) {
                server.repairing = true;
            }
            let task = Task::Follow { server: m.server_ref(&address), master: m.address.clone() };
            self.run(m, Errand::Repair(address.clone()), task);
            self.tell_server(m, &address, what);
        }
    }

    /// When a replica's wrong role is to be repaired. A master with the history that the present master left or has is
    /// its predecessor and is turned at once; any other could be one that a newer failover has just promoted, so the news
    /// of that is waited for. One that follows somebody else may be waiting for its turn at a leader's hands.
    fn wrong_since(&self, m: &Master, s: &Server) -> Option<(Millis, What)> {
        let report = s.report.as_ref()?;
        match &report.role {
            Role::Master => {
                let master = m.server()?.report.as_ref()?;
                let predecessor = report.replication_id.is_some()
                    && [master.replication_id, master.former_replication_id].contains(&report.replication_id);
                let period = self.globals.timings.publish_period;
                let patience = if predecessor { 0 } else { 4 * period };
                // A sentinel that has just found its master again may be the one whose news are old.
                let settled = m.server()?.up_since.after(period);
                Some((s.role_since.max(s.up_since).after(patience).max(settled), What::ConvertToReplica))
            }
            Role::Replica(following) if self.same(&following.master, &m.address) => None,
            Role::Replica(_) => {
                let since = s.following_since.max(s.up_since);
                Some((since.after(m.settings.failover_timeout), What::FixReplicaConfig))
            }
        }
    }

    /// A repair or the setting of a gate has ended.
    pub(super) fn repaired(
        &mut self,
        m: &mut Master,
        address: &Address,
        errand: &Errand,
        result: Result<Done, Failure>,
    ) {
        let now = self.now;
        let Some(server) = m.servers.get_mut(address) else { return };
        if *errand == Errand::Repair(address.clone()) {
            server.repairing = false;
            server.repair_after = now.after(1_000);
            server.inspect_sent = None;
        } else if result.is_err() {
            server.gate_after = now.after(1_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Following;
    use crate::ids::RunId;
    use crate::table::{Table, channels, history_id, replica_address};

    #[test]
    fn replicas_are_learnt_from_the_master() {
        let mut t = Table::settled();
        let new = Address::new("10.0.0.99", 6379);
        t.edit_report(&t.master().address.clone(), |r| r.replicas.push(new.clone()));
        assert!(t.master().servers.contains_key(&new));
        assert!(t.sentinel.durable().masters.values().next().unwrap().replicas.contains(&new));
    }

    #[test]
    fn a_stray_master_is_turned_after_the_news_of_a_failover_would_have_come() {
        let mut t = Table::settled();
        t.edit_report(&replica_address(0), |r| {
            (r.role, r.replication_id) = (Role::Master, Some(history_id(50)));
        });
        assert!(!channels(&t.run_for(7_900)).contains(&"+convert-to-slave"));
        assert!(channels(&t.run_for(400)).contains(&"+convert-to-slave"));
    }

    #[test]
    fn what_a_server_was_before_it_was_down_is_not_repaired() {
        let mut t = Table::settled();
        let (master, name) = (t.master().address.clone(), t.master().name.clone());
        t.edit_report(&master, |r| r.former_replication_id = Some(history_id(50)));
        let pause = crate::durable::Pause { by: "ann".into(), at: 7 };
        t.request(crate::event::Request::Pause(name.clone(), pause));
        t.edit_report(&replica_address(0), |r| (r.role, r.replication_id) = (Role::Master, Some(history_id(50))));
        t.kill(&replica_address(0));
        t.run_for(3_000);
        t.request(crate::event::Request::Resume(name));
        t.follows_quietly(&replica_address(0), &master);
        let said = [t.revive(&replica_address(0)), t.run_for(10_000)].concat();
        assert!(channels(&said).contains(&"-sdown"));
        assert!(!channels(&said).contains(&"+convert-to-slave"));
    }

    #[test]
    fn another_groups_server_is_left_alone() {
        let mut t = Table::settled();
        let stranger = Following {
            master: Address::new("192.168.7.7", 6379),
            link_up: true,
            link_down_ms: 0,
            priority: 100,
            announced: true,
        };
        t.edit_report(&replica_address(0), |r| {
            r.run_id = Some(RunId::from_number(0xdead));
            (r.role, r.replication_id) = (Role::Replica(stranger), Some(history_id(66)));
            r.offset = 1_000_000;
        });
        assert!(t.master().servers[&replica_address(0)].foreign);
        assert_eq!(t.sentinel.choose(t.master(), Millis::default()).unwrap(), replica_address(1));
        let said = t.run_for(60_000);
        assert!(!said.iter().any(|a| matches!(a, Action::Do(_, Task::Follow { .. }))));
    }

    #[test]
    fn a_replica_that_follows_somebody_else_is_fixed_after_the_failover_timeout() {
        let mut t = Table::settled();
        let other = replica_address(1);
        t.edit_report(&replica_address(0), |r| {
            if let Role::Replica(f) = &mut r.role {
                f.master = other.clone();
            }
        });
        let timeout = t.master().settings.failover_timeout;
        assert!(!channels(&t.run_for(timeout - 200)).contains(&"+fix-slave-config"));
        assert!(channels(&t.run_for(400)).contains(&"+fix-slave-config"));
    }

    #[test]
    fn a_restart_is_told() {
        let mut t = Table::settled();
        let said = t.edit_report(&replica_address(0), |r| r.run_id = Some(RunId::from_number(0xbeef)));
        assert!(channels(&said).contains(&"+reboot"));
        assert!(!t.master().servers[&replica_address(0)].foreign, "it follows our master");
    }
}
