//! Held for down here (SDOWN): servers and peers that owe a valid reply for too long.
//!
//! The wait counts from the first unanswered PING, or from the loss of the link if none was out: a master that dies is
//! held for down exactly its `down-after` later, not up to a period more.

use super::event::Role;
use super::ids::{Address, Millis, RunId};
use super::notice::What;
use super::state::{Link, Master, Sentinel};
use super::wake;

/// When a link's owed reply makes its other end count as down.
fn silent_at(link: &Link, down_after: u64) -> Millis {
    link.unanswered.map_or(Millis::NEVER, |since| since.after(down_after))
}

impl Sentinel {
    /// Re-evaluates SDOWN of the master, its replicas and its peers.
    pub(super) fn check_down(&mut self, m: &mut Master) {
        let addresses: Vec<Address> = m.servers.keys().cloned().collect();
        for address in addresses {
            self.check_server(m, &address);
        }
        let peers: Vec<RunId> = m.peers.keys().copied().collect();
        for id in peers {
            self.check_peer(m, id);
        }
    }

    fn check_server(&mut self, m: &mut Master, address: &Address) {
        let at = self.server_down_at(m, address);
        wake(m, if at > self.now { at } else { Millis::NEVER });
        let now = self.now;
        let Some(server) = m.servers.get_mut(address) else { return };
        let was = server.down;
        server.down = (at <= now).then(|| was.unwrap_or(now));
        match (was, server.down) {
            (None, Some(_)) => {
                self.tell_server(m, address, What::SubjectivelyDown);
                if *address == m.address {
                    Self::inspect_at_once(m);
                    m.peers.values_mut().for_each(|w| (w.asked, w.ask_gap) = (None, 0));
                }
            }
            (Some(_), None) => {
                server.script_killed = false;
                // What it reported before may be true no more.
                (server.up_since, server.inspect_sent) = (now, None);
                self.tell_server(m, address, What::SubjectivelyUp);
                if *address == m.address {
                    m.observed = false;
                }
            }
            _ => {}
        }
    }

    /// When a server counts as down: the earliest of its silence, a wrong role that lasts, and a reboot that lasts.
    fn server_down_at(&self, m: &Master, address: &Address) -> Millis {
        let Some(server) = m.servers.get(address) else { return Millis::NEVER };
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

    fn check_peer(&mut self, m: &mut Master, id: RunId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let at = silent_at(&peer.link, m.settings.down_after);
        wake(m, if at > self.now { at } else { Millis::NEVER });
        let now = self.now;
        let Some(watcher) = m.peers.get_mut(&id) else { return };
        let was = watcher.down;
        watcher.down = (at <= now).then(|| was.unwrap_or(now));
        match (was, watcher.down) {
            (None, Some(_)) => self.tell_peer(m, id, What::SubjectivelyDown),
            (Some(_), None) => self.tell_peer(m, id, What::SubjectivelyUp),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::core::event::{Cause, Event, PingReply};
    use crate::core::table::{Table, channels};

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
