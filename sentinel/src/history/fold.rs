//! From notices to lines: warnings are events, and what happens between the beginning and the end of a failover is its
//! record. Pure.

use std::collections::BTreeMap;

use super::entry::{Entry, Failover, Outcome, Stage, What};
use crate::core::ids::MasterName;
use crate::core::notice::{self, Notice, Part, Subject};

/// A notice and when it was told, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Noted {
    /// When.
    pub at: u64,
    /// What.
    pub notice: Notice,
}

/// The failovers that are under way.
#[derive(Debug, Default)]
pub struct Fold {
    open: BTreeMap<MasterName, Open>,
}

#[derive(Debug)]
struct Open {
    started: u64,
    epoch: u64,
    reason: &'static str,
    from: String,
    to: Option<String>,
    stages: Vec<Stage>,
}

impl Fold {
    /// The lines that a notice makes, in order.
    pub fn take(&mut self, noted: &Noted) -> Vec<Entry> {
        let Noted { at, notice } = noted;
        let mut entries = Vec::new();
        if notice.what.is_warning() {
            entries.push(Entry::Event(event(*at, notice)));
        }
        let Some(subject) = &notice.subject else { return entries };
        if let notice::What::TryFailover(reason) = &notice.what {
            let (from, stages) = (subject.master_address.to_string(), Vec::new());
            let open = Open { started: *at, epoch: notice.epoch.0, reason: reason.code(), from, to: None, stages };
            // One that never ended was given up without a word.
            let former = self.open.insert(subject.master.clone(), open);
            entries.extend(former.map(|f| f.close(*at, &subject.master, Outcome::Lost, notice.channel())));
            return entries;
        }
        let Some(open) = self.open.get_mut(&subject.master) else { return entries };
        open.note(*at, notice, subject);
        if let Some(outcome) = outcome(&notice.what)
            && let Some(open) = self.open.remove(&subject.master)
        {
            entries.push(open.close(*at, &subject.master, outcome, notice.channel()));
        }
        entries
    }
}

impl Open {
    fn note(&mut self, at: u64, notice: &Notice, subject: &Subject) {
        use notice::What::{PromotedReplica, SelectedReplica, SendPromotion, SwitchMaster};
        self.epoch = self.epoch.max(notice.epoch.0);
        match &notice.what {
            SelectedReplica | SendPromotion | PromotedReplica if subject.part == Part::Replica => {
                self.to = Some(subject.address.to_string());
            }
            SwitchMaster(_, to) => self.to = Some(to.to_string()),
            _ => {}
        }
        self.stages.push(Stage { code: notice.channel().to_owned(), after: at.saturating_sub(self.started) });
    }

    fn close(self, at: u64, master: &MasterName, outcome: Outcome, ended_by: &str) -> Entry {
        let Open { started, epoch, reason, from, to, stages } = self;
        let took = at.saturating_sub(started);
        let (master, reason, ended_by) = (master.to_string(), reason.to_owned(), ended_by.to_owned());
        Entry::Failover(Failover { at, started, took, master, epoch, reason, from, to, outcome, ended_by, stages })
    }
}

fn event(at: u64, notice: &Notice) -> What {
    let reason = match &notice.what {
        notice::What::TryFailover(reason) => Some(reason.code().to_owned()),
        _ => None,
    };
    What {
        at,
        code: notice.channel().to_owned(),
        master: notice.subject.as_ref().map(|s| s.master.to_string()),
        epoch: notice.epoch.0,
        reason,
        text: notice.payload(),
    }
}

/// How a failover ended, if this ends one.
fn outcome(what: &notice::What) -> Option<Outcome> {
    use notice::What::{
        AbortMasterBack, AbortNoGoodReplica, AbortNotElected, AbortNotFenced, AbortReplicaTimeout, ConfigUpdateFrom,
        ResetMaster, SwitchMaster, SwitchoverUndone, Unmonitor,
    };
    match what {
        SwitchMaster(..) => Some(Outcome::Switched),
        AbortNotElected | ConfigUpdateFrom => Some(Outcome::Lost),
        AbortMasterBack | AbortNoGoodReplica | AbortNotFenced | AbortReplicaTimeout | SwitchoverUndone(_) => {
            Some(Outcome::Aborted)
        }
        ResetMaster | Unmonitor => Some(Outcome::Dropped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failover::Reason;
    use crate::core::ids::{Address, Epoch};
    use crate::core::notice::What as N;

    fn noted(at: u64, epoch: u64, part: Part, what: N) -> Noted {
        let address = Address::new("h", if part == Part::Master { 1 } else { 2 });
        let master_address = Address::new("h", 1);
        let subject = Some(Subject { part, address, master: "m".into(), master_address });
        Noted { at, notice: Notice { what, subject, epoch: Epoch(epoch) } }
    }

    fn failovers(notices: Vec<Noted>) -> Vec<Failover> {
        let mut fold = Fold::default();
        let entries = notices.iter().flat_map(|n| fold.take(n)).collect::<Vec<_>>();
        entries.into_iter().filter_map(|e| if let Entry::Failover(f) = e { Some(f) } else { None }).collect()
    }

    #[test]
    fn a_failover_is_one_record_with_its_stages() {
        let begin = noted(1_000, 4, Part::Master, N::TryFailover(Reason::Down));
        let told = failovers(vec![
            begin,
            noted(1_020, 4, Part::Master, N::ElectedLeader),
            noted(1_030, 4, Part::Replica, N::SelectedReplica),
            noted(1_050, 4, Part::Replica, N::PromotedReplica),
            noted(1_060, 4, Part::Master, N::SwitchMaster(Address::new("h", 1), Address::new("h", 2))),
            noted(1_070, 4, Part::Master, N::SubjectivelyUp),
        ]);
        let [f] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((f.started, f.at, f.took, f.epoch, f.outcome), (1_000, 1_060, 60, 4, Outcome::Switched));
        assert_eq!((f.reason.as_str(), f.from.as_str(), f.to.as_deref()), ("down", "h:1", Some("h:2")));
        let stages: Vec<_> = f.stages.iter().map(|s| (s.code.as_str(), s.after)).collect();
        let expected =
            [("+elected-leader", 20), ("+selected-slave", 30), ("+promoted-slave", 50), ("+switch-master", 60)];
        assert_eq!(stages, expected);
    }

    #[test]
    fn each_end_has_its_outcome() {
        let table = [
            (N::AbortNotElected, Outcome::Lost),
            (N::ConfigUpdateFrom, Outcome::Lost),
            (N::AbortNoGoodReplica, Outcome::Aborted),
            (N::SwitchoverUndone("why"), Outcome::Aborted),
            (N::ResetMaster, Outcome::Dropped),
            (N::TryFailover(Reason::Forced), Outcome::Lost),
        ];
        for (what, expected) in table {
            let begin = noted(1, 4, Part::Master, N::TryFailover(Reason::Planned(None)));
            let told = failovers(vec![begin, noted(2, 5, Part::Master, what.clone())]);
            assert_eq!((told.len(), told[0].outcome, told[0].ended_by.as_str()), (1, expected, what.channel()));
        }
    }

    #[test]
    fn warnings_are_events_and_nothing_else_is() {
        let mut fold = Fold::default();
        assert!(fold.take(&noted(1, 3, Part::Replica, N::Replica)).is_empty());
        let Entry::Event(what) = fold.take(&noted(1, 3, Part::Master, N::SubjectivelyDown)).remove(0) else { panic!() };
        assert_eq!((what.code.as_str(), what.master.as_deref(), what.epoch), ("+sdown", Some("m"), 3));
        let alone = Notice { what: N::Tilt, subject: None, epoch: Epoch(3) };
        let Entry::Event(what) = fold.take(&Noted { at: 1, notice: alone }).remove(0) else { panic!() };
        assert_eq!((what.master, what.text.as_str()), (None, "#tilt mode entered"));
    }
}
