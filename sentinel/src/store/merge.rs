//! Which of the state file and `sentinel.conf` holds, where both speak. Pure.
//!
//! The state file is written first, so it is ahead after a crash; `sentinel.conf` is ahead when a redis-sentinel went on
//! with it for a while, or when somebody edited it. Promises are kept by taking the greater of both for every epoch; the
//! address of a master follows the greater config epoch, and at equal ones the `monitor` line, which somebody may have
//! edited. Settings, and which masters there are, come from `sentinel.conf` alone.

use thiserror::Error;

use crate::core::durable::{Durable, DurableMaster, Vote};
use crate::core::ids::RunId;

/// The state belongs to another sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the state file is of sentinel {state}, and sentinel.conf says myid {conf}: one of both was copied from another \
     sentinel; remove the line `sentinel myid`, or move the state directory away"
)]
pub struct Differs {
    /// Whose state it is.
    pub state: RunId,
    /// What `sentinel.conf` says.
    pub conf: RunId,
}

/// What holds. `conf` is what `sentinel.conf` says, with any id if it has none (`has_id`).
///
/// # Errors
/// When both have an id, and they differ.
pub fn merge(mut conf: Durable, has_id: bool, state: Option<Durable>) -> Result<Durable, Differs> {
    let Some(state) = state else { return Ok(conf) };
    if has_id && conf.me != state.me {
        return Err(Differs { state: state.me, conf: conf.me });
    }
    conf.me = state.me;
    conf.current_epoch = conf.current_epoch.max(state.current_epoch);
    for (name, saved) in state.masters {
        if let Some(m) = conf.masters.get_mut(&name) {
            merge_master(m, saved);
        }
    }
    Ok(conf)
}

fn merge_master(conf: &mut DurableMaster, state: DurableMaster) {
    conf.vote = vote(conf.vote, state.vote);
    // `sentinel.conf` has no word for it.
    conf.paused = state.paused;
    for (id, peer) in &mut conf.peers {
        if let Some(known) = state.peers.get(id) {
            peer.kind = known.kind;
        }
    }
    if state.config_epoch > conf.config_epoch {
        conf.config_epoch = state.config_epoch;
        conf.replicas.extend([std::mem::replace(&mut conf.address, state.address)]);
        conf.replicas.extend(state.replicas);
        conf.peers.extend(state.peers);
        conf.replicas.remove(&conf.address);
        return;
    }
    // A file that was never rewritten knows nobody.
    if conf.replicas.is_empty() {
        conf.replicas = state.replicas;
        conf.replicas.remove(&conf.address);
    }
    if conf.peers.is_empty() {
        conf.peers = state.peers;
    }
}

/// The later vote; `sentinel.conf` has no place for its candidate.
fn vote(conf: Vote, state: Vote) -> Vote {
    if conf.epoch > state.epoch { conf } else { state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Settings;
    use crate::core::durable::{DurablePeer, Pause, PeerKind};
    use crate::core::ids::{Address, Epoch, MasterName};

    const ME: RunId = RunId::from_number(1);
    const PEER: RunId = RunId::from_number(2);

    fn at(port: u16) -> Address {
        Address::new("h", port)
    }

    fn of(current: u64, port: u16, config: u64, vote: (u64, Option<RunId>), quorum: u32) -> Durable {
        let mut m = DurableMaster::new(at(port), Settings::new(quorum));
        m.config_epoch = Epoch(config);
        m.vote = Vote { epoch: Epoch(vote.0), candidate: vote.1 };
        let mut durable = Durable::new(ME);
        durable.current_epoch = Epoch(current);
        durable.masters.insert("m".into(), m);
        durable
    }

    fn m(durable: &Durable) -> &DurableMaster {
        &durable.masters[&MasterName::from("m")]
    }

    #[test]
    fn the_greater_epoch_holds_for_each_by_itself() {
        // conf (current, port, config, vote), state likewise; what holds.
        let table = [
            ((5, 1, 2, 3), (7, 9, 4, 6), (7, 9, 4, 6)),
            ((7, 1, 4, 6), (5, 9, 2, 3), (7, 1, 4, 6)),
            ((5, 1, 4, 6), (7, 9, 2, 7), (7, 1, 4, 7)),
            // Equal: the monitor line.
            ((5, 1, 4, 4), (5, 9, 4, 4), (5, 1, 4, 4)),
        ];
        for (c, s, want) in table {
            let merged = merge(of(c.0, c.1, c.2, (c.3, None), 2), true, Some(of(s.0, s.1, s.2, (s.3, Some(PEER)), 1)));
            let merged = merged.unwrap();
            let master = m(&merged);
            let got = (merged.current_epoch.0, master.address.port, master.config_epoch.0, master.vote.epoch.0);
            assert_eq!(got, want, "{c:?} {s:?}");
            assert_eq!(master.settings.quorum, 2);
        }
    }

    #[test]
    fn the_candidate_of_a_vote_comes_from_the_state() {
        let merged = merge(of(5, 1, 1, (5, None), 2), true, Some(of(5, 1, 1, (5, Some(PEER)), 2))).unwrap();
        assert_eq!(m(&merged).vote.candidate, Some(PEER));
    }

    #[test]
    fn an_address_that_lost_is_known_as_a_replica() {
        let merged = merge(of(5, 1, 1, (5, None), 2), true, Some(of(5, 9, 2, (5, None), 2))).unwrap();
        assert_eq!((m(&merged).address.port, m(&merged).replicas.clone()), (9, [at(1)].into()));
    }

    #[test]
    fn kinds_of_peers_and_whom_a_bare_file_does_not_name_come_from_the_state() {
        let mut state = of(5, 1, 1, (5, None), 2);
        let peer = |kind| DurablePeer { address: at(26379), kind };
        let saved = state.masters.get_mut(&"m".into()).unwrap();
        saved.peers.insert(PEER, peer(PeerKind::Ours));
        saved.replicas = [at(1), at(2)].into();
        let bare = of(5, 1, 1, (5, None), 2);
        let merged = merge(bare.clone(), true, Some(state.clone())).unwrap();
        assert_eq!((m(&merged).peers[&PEER].kind, m(&merged).replicas.clone()), (PeerKind::Ours, [at(2)].into()));
        let mut named = bare;
        named.masters.get_mut(&"m".into()).unwrap().peers.insert(PEER, peer(PeerKind::Unknown));
        assert_eq!(m(&merge(named, true, Some(state)).unwrap()).peers[&PEER].kind, PeerKind::Ours);
    }

    #[test]
    fn a_pause_comes_from_the_state() {
        let mut state = of(5, 1, 1, (5, None), 2);
        let pause = Some(Pause { by: "ann".into(), at: 7 });
        state.masters.get_mut(&"m".into()).unwrap().paused = pause.clone();
        assert_eq!(m(&merge(of(5, 1, 1, (5, None), 2), true, Some(state)).unwrap()).paused, pause);
    }

    #[test]
    fn masters_are_those_of_the_file() {
        let mut conf = of(1, 1, 1, (1, None), 2);
        let mut state = of(2, 1, 1, (1, None), 2);
        let gone = state.masters.remove(&"m".into()).unwrap();
        state.masters.insert("removed".into(), gone);
        let merged = merge(conf.clone(), true, Some(state)).unwrap();
        conf.current_epoch = Epoch(2);
        assert_eq!(merged, conf);
    }

    #[test]
    fn an_id_of_another_is_refused_and_none_is_taken_over() {
        let mut conf = of(1, 1, 1, (1, None), 2);
        conf.me = PEER;
        assert_eq!(merge(conf.clone(), true, Some(Durable::new(ME))), Err(Differs { state: ME, conf: PEER }));
        assert_eq!(merge(conf.clone(), false, Some(Durable::new(ME))).unwrap().me, ME);
        assert_eq!(merge(conf.clone(), false, None).unwrap(), conf);
    }
}
