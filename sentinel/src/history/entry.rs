//! A line of the history. Names of fields are part of the interface: programs read the file.

use serde::{Deserialize, Serialize};

/// A line. Moments are milliseconds of the wall clock since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// Something happened.
    Event(What),
    /// A failover or switchover that this sentinel began is over.
    Failover(Failover),
}

impl Entry {
    /// The master it is about.
    pub fn master(&self) -> Option<&str> {
        match self {
            Entry::Event(what) => what.master.as_deref(),
            Entry::Failover(failover) => Some(&failover.master),
        }
    }

    /// When it happened.
    pub fn at(&self) -> u64 {
        match self {
            Entry::Event(what) => what.at,
            Entry::Failover(failover) => failover.at,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// When.
    pub at: u64,
    /// The event's name, as on its Pub/Sub channel.
    pub code: String,
    /// To which master, if to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Why a failover begins: `down`, `forced` or `planned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event's payload.
    pub text: String,
}

/// A failover that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// When it ended.
    pub at: u64,
    /// When it began; equal to the moment of its `+try-failover`.
    pub started: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// Of which master.
    pub master: String,
    /// Its last epoch.
    pub epoch: u64,
    /// Why it began: `down`, `forced` or `planned`.
    pub reason: String,
    /// The address of the master when it began.
    pub from: String,
    /// The replica that was chosen, if one was.
    pub to: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The event that ended it.
    pub ended_by: String,
    /// The events on its way.
    pub stages: Vec<Stage>,
}

/// How a failover ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The master is another one.
    Switched,
    /// It was given up; the master is the same.
    Aborted,
    /// Another sentinel was elected, or nobody was.
    Lost,
    /// The master was removed or reset meanwhile.
    Dropped,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 4] = [Outcome::Switched, Outcome::Aborted, Outcome::Lost, Outcome::Dropped];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Switched => "switched",
            Outcome::Aborted => "aborted",
            Outcome::Lost => "lost",
            Outcome::Dropped => "dropped",
        }
    }
}

/// An event on the way of a failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The event's name.
    pub code: String,
    /// Milliseconds after the beginning.
    pub after: u64,
}
