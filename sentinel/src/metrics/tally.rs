//! Counters by master, from the lines of the history. Pure.

use std::collections::BTreeMap;

use crate::history::{Entry, Outcome};

/// What was counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Warnings by master (empty: of the sentinel itself) and event.
    pub(super) events: BTreeMap<(String, String), u64>,
    /// Failovers that this sentinel began, by master and how they ended.
    pub(super) failovers: BTreeMap<(String, Outcome), u64>,
    /// How long the last one that switched took, in milliseconds, by master.
    pub(super) took: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a line.
    pub fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Event(what) => {
                let key = (what.master.clone().unwrap_or_default(), what.code.clone());
                *self.events.entry(key).or_default() += 1;
            }
            Entry::Failover(failover) => {
                *self.failovers.entry((failover.master.clone(), failover.outcome)).or_default() += 1;
                if failover.outcome == Outcome::Switched {
                    self.took.insert(failover.master.clone(), failover.took);
                }
            }
        }
    }
}
