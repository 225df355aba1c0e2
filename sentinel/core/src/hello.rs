//! Hello: how sentinels find each other and agree on who is master.
//!
//! A hello carries the sender's address, its epoch, and its view of one master; the view with the strictly greater
//! configuration epoch wins everywhere. Nothing in it proves who sent it: as in Redis, whoever may publish at a data
//! server is trusted.

use super::action::Action;
use super::durable::PeerKind;
use super::event::Hello;
use super::ids::{Address, Epoch, RunId, Target};
use super::notice::What;
use super::state::{Link, Master, Peer, Sentinel, Watcher};

/// How many peers a master may have: more are not taken.
const MAX_PEERS: usize = 128;

impl Sentinel {
    /// A hello arrived.
    pub(super) fn hello(&mut self, hello: Hello) {
        if hello.peer == self.me || hello.address.port == 0 || !self.masters.contains_key(&hello.master) {
            return;
        }
        if self.is_known(&hello) {
            return;
        }
        self.move_peer(&hello);
        let master = hello.master.clone();
        self.with(&master, |s, m| {
            s.meet(m, &hello);
            let Some(watcher) = m.peers.get_mut(&hello.peer) else { return };
            watcher.last_hello = s.now;
            s.see_epoch(m, hello.current_epoch);
            if hello.config_epoch > m.config_epoch || s.loses_tie(m, &hello) {
                s.take_config(m, &hello);
            }
        });
    }

    /// Nearly every hello says what is known, and comes from several servers besides: it is noted, and changes nothing that
    /// a decision looks at.
    fn is_known(&mut self, hello: &Hello) -> bool {
        let (now, known) = (self.now, self.peers.get(&hello.peer).is_some_and(|p| p.address == hello.address));
        let Some(m) = self.masters.get(&hello.master) else { return false };
        let news = hello.current_epoch > self.current_epoch || hello.config_epoch > m.config_epoch;
        if !known || news || self.loses_tie(m, hello) {
            return false;
        }
        let watcher = self.masters.get_mut(&hello.master).and_then(|m| m.peers.get_mut(&hello.peer));
        watcher.map(|w| w.last_hello = now).is_some()
    }

    /// Two operators made two masters in one epoch, without votes: the smaller address wins everywhere.
    fn loses_tie(&self, m: &Master, hello: &Hello) -> bool {
        hello.config_epoch == m.config_epoch
            && m.config_epoch > Epoch::default()
            && m.servers.contains_key(&hello.master_address)
            && hello.master_address < *m.current_address()
    }

    /// A known peer listens elsewhere now, or took over the address of another.
    fn move_peer(&mut self, hello: &Hello) {
        let (id, address) = (hello.peer, &hello.address);
        if self.peers.get(&id).is_some_and(|p| self.same(&p.address, address)) {
            return;
        }
        let former = self.peers.iter().find(|(other, p)| **other != id && self.same(&p.address, address));
        if let Some(former) = former.map(|(other, _)| *other) {
            self.drop_peer_everywhere(former);
        }
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.address, peer.link) = (address.clone(), Link::new(now));
        self.peers_wake = now;
        self.dirty = true;
        self.put(Action::Disconnect(Target::Peer(id)));
        self.put(Action::Connect(Target::Peer(id), address.clone()));
        let watched = self.masters.values().filter(|m| m.peers.contains_key(&id) && m.name != hello.master).count();
        let master = hello.master.clone();
        self.with(&master, |s, m| {
            if m.peers.contains_key(&id) {
                s.tell_master(m, What::PeerMoved(address.clone(), id));
                if watched > 0 {
                    s.tell_peer(m, id, What::PeerMovedElsewhere(watched));
                }
            }
        });
    }

    /// Two ids cannot share an address: the former is not a peer any more.
    fn drop_peer_everywhere(&mut self, id: RunId) {
        self.with_watchers(id, |s, m| {
            s.tell_peer(m, id, What::PeerInvalid);
            m.peers.remove(&id);
        });
        self.forget_unwatched();
    }

    /// Gives up the links to peers that watch none of the masters.
    pub(super) fn forget_unwatched(&mut self) {
        let masters = &self.masters;
        let gone: Vec<RunId> =
            self.peers.keys().filter(|id| !masters.values().any(|m| m.peers.contains_key(id))).copied().collect();
        for id in gone {
            self.peers.remove(&id);
            self.put(Action::Disconnect(Target::Peer(id)));
            self.dirty = true;
        }
    }

    /// A new peer of this master.
    fn meet(&mut self, m: &mut Master, hello: &Hello) {
        let id = hello.peer;
        if m.peers.contains_key(&id) || m.peers.len() >= MAX_PEERS {
            return;
        }
        m.peers.insert(id, Watcher::new(self.now));
        self.dirty = true;
        if !self.peers.contains_key(&id) {
            let (kind, link) = (PeerKind::Unknown, Link::new(self.now));
            self.peers.insert(id, Peer { address: hello.address.clone(), kind, link });
            self.peers_wake = self.now;
            self.put(Action::Connect(Target::Peer(id), hello.address.clone()));
        }
        self.tell_peer(m, id, What::Peer);
    }

    /// A newer configuration: adopt it, whatever this sentinel is at.
    fn take_config(&mut self, m: &mut Master, hello: &Hello) {
        m.config_epoch = hello.config_epoch;
        self.dirty = true;
        let old = m.current_address().clone();
        let interrupted = m.failover.take().filter(super::failover::Failover::planned);
        if let Some(f) = interrupted.filter(|f| !matches!(f.stage, super::failover::Stage::Reconfigure { .. })) {
            if matches!(f.stage, super::failover::Stage::Switch { .. }) {
                self.resume_writes(m);
            }
            self.tell_master(m, What::SwitchoverUndone("there is a newer configuration"));
        }
        let to: Address = hello.master_address.clone();
        if self.same(&m.address, &to) {
            return;
        }
        self.tell_peer(m, hello.peer, What::ConfigUpdateFrom);
        self.run_reconfig_script(m, "observer", &old, &to);
        self.time_the_news(m);
        self.demote_on_return(m, &to);
        self.switch_to(m, &to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::table::{Table, channels, replica_address};

    fn hello(t: &Table, peer: u64, port: u16, config_epoch: u64, to: &Address) -> Event {
        Event::Hello(Hello {
            address: Address::new("10.0.1.1", port),
            peer: RunId::from_number(peer),
            current_epoch: Epoch(config_epoch),
            master: t.master().name.clone(),
            master_address: to.clone(),
            config_epoch: Epoch(config_epoch),
        })
    }

    #[test]
    fn a_newer_configuration_wins_and_an_older_one_does_not() {
        let mut t = Table::settled();
        let old = t.master().address.clone();
        let said = t.step(hello(&t, 2, 26_002, 5, &replica_address(0)));
        let heard = channels(&said);
        let places: Vec<_> = ["+new-epoch", "+config-update-from", "+switch-master", "+slave"]
            .iter()
            .map(|c| heard.iter().position(|h| h == c).expect(c))
            .collect();
        assert!(places.is_sorted());
        assert_eq!(t.master().address, replica_address(0));
        t.step(hello(&t, 3, 26_003, 4, &old));
        assert_eq!(t.master().address, replica_address(0));
        assert_eq!(t.master().config_epoch, Epoch(5));
        assert!(t.master().servers.contains_key(&old));
    }

    #[test]
    fn two_masters_of_one_epoch_become_one() {
        let mut t = Table::settled();
        t.step(hello(&t, 2, 26_002, 5, &replica_address(1)));
        t.step(hello(&t, 3, 26_003, 5, &replica_address(0)));
        assert_eq!(t.master().address, replica_address(0));
        t.step(hello(&t, 2, 26_002, 5, &replica_address(1)));
        assert_eq!(t.master().address, replica_address(0));
    }

    #[test]
    fn a_peer_that_moved_and_one_whose_address_was_taken() {
        let mut t = Table::settled();
        let master = t.master().address.clone();
        let said = t.step(hello(&t, 2, 27_000, 0, &master));
        assert!(channels(&said).contains(&"+sentinel-address-switch"));
        assert_eq!(t.sentinel.peers()[&RunId::from_number(2)].address.port, 27_000);
        let said = t.step(hello(&t, 9, 27_000, 0, &master));
        assert!(channels(&said).contains(&"+sentinel-invalid-addr"));
        assert!(channels(&said).contains(&"+sentinel"));
        assert!(!t.master().peers.contains_key(&RunId::from_number(2)));
    }

    #[test]
    fn hellos_of_this_sentinel_and_about_unknown_masters_are_passed_over() {
        let mut t = Table::settled();
        let before = t.sentinel.durable();
        let own = hello(&t, 1, 26_001, 9, &replica_address(0));
        t.step(own);
        let Event::Hello(mut other) = hello(&t, 2, 26_002, 9, &replica_address(0)) else { unreachable!() };
        other.master = "another".into();
        t.step(Event::Hello(other));
        assert_eq!(t.sentinel.durable(), before);
    }
}
