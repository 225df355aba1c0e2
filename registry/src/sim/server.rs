//! The registry: records of sessions, which it keeps, loses, mixes up, or does not answer for. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{controller::Seen, protect::Health};

/// An operation of a provider on its record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Operation {
    pub(super) life: u32,
    pub(super) number: u32,
    pub(super) began: Duration,
    pub(super) act: Act,
}

/// What it does; a version is what the record is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Act {
    Write { version: u32 },
    ReadBack { version: u32 },
    Remove,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Answer {
    Done,
    Same,
    Absent,
    Different,
    Refused,
    TooLong,
}

impl Answer {
    /// As a controller hears it.
    pub(super) fn result(self) -> Result<Seen, String> {
        match self {
            Self::Done | Self::Same => Ok(Seen::Same),
            Self::Absent => Ok(Seen::Absent),
            Self::Different => Ok(Seen::Different),
            Self::Refused => Err("connection refused".to_owned()),
            Self::TooLong => Err("it took too long".to_owned()),
        }
    }
}

/// A record: whose life wrote it, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Record {
    pub(super) provider: usize,
    pub(super) life: u32,
    /// 0: what somebody else made of it.
    pub(super) version: u32,
}

/// An answer to a consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Listed {
    pub(super) records: Vec<Record>,
    pub(super) well: bool,
}

impl Listed {
    pub(super) fn health(&self) -> Health {
        if self.well { Health::Well } else { Health::Unwell }
    }
}

/// The registry.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) away: bool,
    /// It lists the first so many only, and says that it is unwell.
    pub(super) lists: Option<usize>,
    /// Providers that do not reach it.
    pub(super) cut: BTreeSet<usize>,
    pub(super) records: BTreeMap<usize, Record>,
}

impl Server {
    /// Whether this provider reaches it.
    pub(super) fn is_reached_by(&self, provider: usize) -> bool {
        !self.away && !self.cut.contains(&provider)
    }

    /// Does what a provider wants.
    pub(super) fn does(&mut self, provider: usize, life: u32, act: Act) -> Answer {
        match act {
            Act::Write { version } => {
                self.records.insert(provider, Record { provider, life, version });
                Answer::Done
            }
            Act::ReadBack { version } => match self.records.get(&provider) {
                Some(record) if record.life != life => Answer::Absent,
                Some(record) if record.version == version => Answer::Same,
                Some(_) => Answer::Different,
                None => Answer::Absent,
            },
            Act::Remove => {
                self.records.remove(&provider);
                Answer::Done
            }
        }
    }

    /// The record of this life is gone; another's stays.
    pub(super) fn forgets(&mut self, provider: usize, life: u32) -> bool {
        let is_there = self.records.get(&provider).is_some_and(|record| record.life == life);
        is_there && self.records.remove(&provider).is_some()
    }

    /// What it lists.
    pub(super) fn list(&self) -> Option<Listed> {
        let shown = self.lists.unwrap_or(usize::MAX);
        let records = self.records.values().take(shown).copied().collect();
        (!self.away).then_some(Listed { records, well: self.lists.is_none() })
    }
}
