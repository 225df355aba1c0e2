//! Which replica is promoted.
//!
//! As in Redis: the smaller priority first, then the greater offset, then the smaller run id. Unlike there, offsets are
//! compared only within one history (replication id), from reports asked for after the leader was elected; a replica of
//! a foreign history is not chosen while one of the master's own is there; and a replica that a leader before this one
//! promoted already goes first, since it may have taken writes.
//!
//! Which history is the master's is known from its reports as a master, or else from the replicas' own: one that grew out
//! of another is the later. Where neither tells, writes that were confirmed could be in either, so nobody is chosen.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::event::{Report, Role};
use super::ids::{Address, Millis, ReplicationId, RunId};
use super::state::{Master, Sentinel, Server};
use super::why::Unmet;

/// How many PING periods a valid reply may be old.
const REPLY_AGE: u64 = 5;

/// Smaller is better.
type Merit = (bool, bool, Reverse<u64>, u32, Reverse<u64>, Option<RunId>);

impl Sentinel {
    /// The best replica, by reports asked for since `fresh_since`.
    pub(super) fn choose(&self, m: &Master, fresh_since: Millis) -> Result<Address, Unmet> {
        self.choose_among(m, fresh_since, |_| true)
    }

    /// The best replica among those that `admit` admits.
    pub(super) fn choose_among(
        &self,
        m: &Master,
        fresh_since: Millis,
        admit: impl Fn(&Address) -> bool,
    ) -> Result<Address, Unmet> {
        let mut why = Unmet::NoReplicas;
        let mut fit: Vec<(&Address, &Server)> = Vec::new();
        for (address, server) in m.replicas().filter(|(address, _)| admit(address)) {
            match self.may_promote(m, address, fresh_since) {
                Ok(()) => fit.push((address, server)),
                Err(unmet) => why = unmet,
            }
        }
        let by_offset = m.settings.confirmed_writes.is_some();
        let history = match latest(m, &fit).as_slice() {
            [_, _, ..] if by_offset => return Err(Unmet::Histories),
            several => several.last().copied(),
        };
        let best = fit.into_iter().min_by_key(|(address, server)| merit(m, address, server, history, by_offset));
        best.map(|(address, _)| address.clone()).ok_or(why)
    }

    /// Whether this replica may be promoted, and if not, why.
    pub(super) fn may_promote(&self, m: &Master, address: &Address, fresh_since: Millis) -> Result<(), Unmet> {
        let unfit = |reason| Err(Unmet::Unfit { replica: address.clone(), reason });
        let Some(server) = m.servers.get(address).filter(|_| *address != m.address) else {
            return unfit("it is not a replica of this master");
        };
        let Some(report) = &server.report else { return unfit("it has not reported yet") };
        if server.foreign {
            return unfit("it belongs to another group");
        }
        if server.down.is_some() || !server.link.up {
            return unfit("it is down or not connected");
        }
        if self.now.since(server.link.last_ok) > REPLY_AGE * self.globals.timings.ping_period {
            return unfit("its last valid reply is too old");
        }
        if server.asked_at < fresh_since {
            return unfit("its report is older than the outage");
        }
        match &report.role {
            Role::Master if promoted_before(m, address, report) => Ok(()),
            Role::Master => unfit("it reports to be a master of another history"),
            Role::Replica(following) if following.priority == 0 => unfit("its priority is 0"),
            Role::Replica(following) => {
                let down_for = m.down().map_or(0, |since| self.now.since(since));
                let bound = down_for + 10 * m.settings.down_after;
                if following.link_down_ms > bound { unfit("it lost its master long before the outage") } else { Ok(()) }
            }
        }
    }

    /// Reports of replicas within reach are still on their way.
    pub(super) fn reports_missing(&self, m: &Master, fresh_since: Millis) -> bool {
        m.replicas().any(|(_, s)| s.visible() && s.asked_at < fresh_since)
    }
}

/// The histories that may be the latest, the one that most candidates share last: the master's if it is known and a
/// candidate has it, else those that no other grew out of.
fn latest(m: &Master, fit: &[(&Address, &Server)]) -> Vec<ReplicationId> {
    let ids: BTreeSet<ReplicationId> = fit.iter().filter_map(|(_, s)| s.history()).collect();
    if let Some(masters) = masters_history(m).filter(|id| ids.contains(id)) {
        return vec![masters];
    }
    let count = |id: &ReplicationId| fit.iter().filter(|(_, s)| s.history() == Some(*id)).count();
    let former = |id: &ReplicationId| {
        let grew = |s: &Server| s.report.as_ref().is_some_and(|r| r.former_replication_id == Some(*id));
        fit.iter().any(|(_, s)| s.history() != Some(*id) && grew(s))
    };
    let mut latest: Vec<ReplicationId> = ids.iter().copied().filter(|id| !former(id)).collect();
    latest.sort_by_key(|id| (count(id), *id));
    latest
}

/// The master's history, from a report as the master that it is.
fn masters_history(m: &Master) -> Option<ReplicationId> {
    m.server().filter(|s| s.says_master() && s.report_is_current()).and_then(Server::history)
}

/// It was promoted out of the master's present history, or the master follows it: by a leader that did not live to tell.
fn promoted_before(m: &Master, address: &Address, report: &Report) -> bool {
    let masters = m.server().and_then(Server::history);
    let follows = m.server().is_some_and(|s| s.follows(address));
    follows || (masters.is_some() && report.former_replication_id == masters)
}

fn merit(m: &Master, address: &Address, server: &Server, history: Option<ReplicationId>, by_offset: bool) -> Merit {
    let report = server.report.as_ref();
    let offset = report.map_or(0, |r| r.offset);
    let priority = report.map_or(u32::MAX, |r| match &r.role {
        Role::Replica(following) => following.priority,
        Role::Master => 0,
    });
    let before = report.is_some_and(|r| r.role == Role::Master && promoted_before(m, address, r));
    let first = if by_offset { offset } else { 0 };
    (!before, server.history() != history, Reverse(first), priority, Reverse(offset), server.run_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Following;
    use crate::table::{Table, history_id, replica_address};

    /// Offset, priority, history, seconds without master.
    type Row = (u64, u32, u64, u64);

    fn table(replicas: &[Row]) -> Table {
        let mut t = Table::with_replicas(replicas.len());
        for (i, (offset, priority, history, lost)) in replicas.iter().enumerate() {
            t.edit_report(&replica_address(i), |report| {
                report.offset = *offset;
                report.replication_id = Some(history_id(*history));
                if let Role::Replica(Following { priority: p, link_down_ms, .. }) = &mut report.role {
                    (*p, *link_down_ms) = (*priority, lost * 1_000);
                }
            });
        }
        t
    }

    fn chosen(t: &Table) -> Option<Address> {
        t.sentinel.choose(t.master(), Millis::default()).ok()
    }

    #[test]
    fn the_order_of_merit() {
        let same = 1;
        let rows: [(&str, &[Row], Option<usize>); 7] = [
            ("the greater offset", &[(5, 100, same, 0), (9, 100, same, 0)], Some(1)),
            ("the smaller priority before the offset", &[(5, 10, same, 0), (9, 100, same, 0)], Some(0)),
            ("priority 0 never", &[(9, 0, same, 0), (5, 100, same, 0)], Some(1)),
            ("nobody", &[(9, 0, same, 0)], None),
            ("the master's history before a greater offset", &[(5, 100, same, 0), (9_999, 100, 77, 0)], Some(0)),
            ("a replica that lost its master long ago is not fit", &[(5, 100, same, 0), (9, 1, same, 600)], Some(0)),
            ("equal in all: the smaller run id", &[(5, 100, same, 0), (5, 100, same, 0)], Some(0)),
        ];
        for (what, replicas, expected) in rows {
            assert_eq!(chosen(&table(replicas)), expected.map(replica_address), "{what}");
        }
    }

    #[test]
    fn confirmed_writes_put_the_offset_before_the_priority() {
        let mut t = table(&[(5, 10, 1, 0), (9, 100, 1, 0)]);
        t.edit_settings(|s| s.confirmed_writes = Some(1));
        assert_eq!(chosen(&t), Some(replica_address(1)));
    }

    #[test]
    fn of_two_histories_the_one_that_grew_out_of_the_other_is_the_later() {
        let mut t = table(&[(9, 100, 5, 0), (7, 100, 6, 0)]);
        t.edit_settings(|s| s.confirmed_writes = Some(1));
        let unknown = t.sentinel.choose(t.master(), Millis::default());
        assert_eq!(unknown, Err(Unmet::Histories), "writes of either may be confirmed");
        t.edit_report(&replica_address(1), |r| r.former_replication_id = Some(history_id(5)));
        assert_eq!(chosen(&t), Some(replica_address(1)));
    }

    #[test]
    fn an_earlier_promotion_goes_first_and_a_stray_master_never() {
        let mut t = table(&[(9, 100, 1, 0), (5, 100, 1, 0)]);
        t.edit_report(&replica_address(1), |r| {
            r.role = Role::Master;
            (r.replication_id, r.former_replication_id) = (Some(history_id(2)), Some(history_id(1)));
        });
        assert_eq!(chosen(&t), Some(replica_address(1)));
        t.edit_report(&replica_address(1), |r| r.former_replication_id = Some(history_id(9)));
        assert_eq!(chosen(&t), Some(replica_address(0)));
    }

    #[test]
    fn the_reason_names_the_replica() {
        let t = table(&[(5, 0, 1, 0)]);
        let why = t.sentinel.choose(t.master(), Millis::default()).unwrap_err();
        assert!(why.to_string().contains("its priority is 0"), "{why}");
    }
}
