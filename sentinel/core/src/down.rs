//! Held for down here (SDOWN): servers and peers that owe a valid reply for too long.
//!
//! The wait counts from the first unanswered PING, or from the loss of the link if none was out: a master that dies is
//! held for down exactly its `down-after` later, not up to a period more.

use super::event::Role;
use super::ids::{Address, Millis, RunId};
use super::notice::What;
use super::state::{Link, Master, Sentinel, Server, Watcher};
use super::wake;

/// When a link's owed reply makes its other end count as down.
fn silent_at(link: &Link, down_after: u64) -> Millis {
    link.unanswered.map_or(Millis::NEVER, |since| since.after(down_after))
}

impl Sentinel {
    /// Re-evaluates SDOWN of the master, its replicas and its peers. Runs after every event, so nothing is made for those
    /// with whom all is as it was.
    pub(super) fn check_down(&mut self, m: &mut Master) {
        let (now, mut next) = (self.now, Millis::NEVER);
        let mut is_down = |at: Millis| {
            next = if at > now { next.min(at) } else { next };
            at <= now
        };
        let turns =
            |(address, s): &(&Address, &Server)| is_down(self.server_down_at(m, address, s)) != s.down.is_some();
        let servers: Vec<Address> = m.servers.iter().filter(turns).map(|(address, _)| address.clone()).collect();
        let silent = |id: &RunId| self.peers.get(id).map(|peer| silent_at(&peer.link, m.settings.down_after));
        let turns = |(id, w): &(&RunId, &Watcher)| silent(id).is_some_and(|at| is_down(at) != w.down.is_some());
        let peers: Vec<RunId> = m.peers.iter().filter(turns).map(|(id, _)| *id).collect();
        wake(m, next);
        servers.iter().for_each(|address| self.turn_server(m, address));
        peers.into_iter().for_each(|id| self.turn_peer(m, id));
    }

    /// A server that was up is down, or the reverse.
    fn turn_server(&mut self, m: &mut Master, address: &Address) {
        let (now, is_master) = (self.now, *address == m.address);
        let Some(server) = m.servers.get_mut(address) else { return };
        if server.down.take().is_none() {
            server.down = Some(now);
            self.tell_server(m, address, What::SubjectivelyDown);
            if is_master {
                Self::inspect_at_once(m);
                m.peers.values_mut().for_each(|w| (w.asked, w.ask_gap) = (None, 0));
            }
            return;
        }
        server.script_killed = false;
        // What it reported before may be true no more.
        (server.up_since, server.inspect_sent) = (now, None);
        self.tell_server(m, address, What::SubjectivelyUp);
        if is_master {
            m.observed = false;
        }
    }

    /// A peer that was up is down, or the reverse.
    fn turn_peer(&mut self, m: &mut Master, id: RunId) {
        let Some(watcher) = m.peers.get_mut(&id) else { return };
        let was = watcher.down.take();
        watcher.down = was.is_none().then_some(self.now);
        self.tell_peer(m, id, if was.is_none() { What::SubjectivelyDown } else { What::SubjectivelyUp });
    }

    /// When a server counts as down: the earliest of its silence, a wrong role that lasts, and a reboot that lasts.
    fn server_down_at(&self, m: &Master, address: &Address, server: &Server) -> Millis {
        let (settings, timings) = (&m.settings, &self.globals.timings);
        let mut at = silent_at(&server.link, settings.down_after);
        if *address == m.address {
            let says_replica = server.report.as_ref().is_some_and(|r| matches!(r.role, Role::Replica(_)));
            if says_replica {
                // One that follows a master among its replicas was switched by a leader that did not live to tell.
                let switched = m.replicas().any(|(to, s)| s.says_master() && server.follows(to));
                let patience = if switched { 0 } else { 2 * timings.info_period };
                at = at.min(server.role_since.after(settings.down_after + patience));
            }
            if let Some(since) = server.rebooted.filter(|_| settings.reboot_down_after > 0) {
                at = at.min(since.after(settings.reboot_down_after));
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Cause, Event, PingReply};
    use crate::table::{Table, channels};

    #[test]
    fn a_lost_link_counts_from_its_loss() {
        let mut t = Table::settled();
        let lost = t.now();
        t.step(Event::LinkDown(t.master_link(), Cause::Closed));
        t.kill_master_quietly();
        assert!(!channels(&t.run_until(lost.after(999))).contains(&"+sdown"));
        assert!(channels(&t.run_until(lost.after(1_000))).contains(&"+sdown"));
    }

    #[test]
    fn only_valid_replies_count_as_life() {
        for (reply, alive) in [
            (PingReply::Pong, true),
            (PingReply::Loading, true),
            (PingReply::MasterDown, true),
            (PingReply::Busy, false),
            (PingReply::Other, false),
        ] {
            let mut t = Table::settled();
            t.master_answers(reply);
            let said = t.run_for(3_000);
            assert_eq!(channels(&said).contains(&"+sdown"), !alive, "{reply:?}");
        }
    }

    #[test]
    fn it_is_up_again_with_its_first_valid_reply() {
        let mut t = Table::settled();
        t.master_answers(PingReply::Other);
        t.run_for(3_000);
        t.master_answers(PingReply::Pong);
        assert!(channels(&t.run_for(1_000)).contains(&"-sdown"));
        assert!(t.master().down().is_none());
    }
}
