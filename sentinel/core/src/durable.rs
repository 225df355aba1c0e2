//! What survives a restart: the promise a sentinel has made to its peers, and whom it knows.
//!
//! One value, written whole: at a few dozen lines per master it is cheaper to replace than to patch, and a reader never
//! sees halves. `sentinel.conf` is one rendering of it; the sentinel's own state file another, which also holds what the
//! configuration file has no directive for (the vote's candidate, the kind of a peer).

use std::collections::{BTreeMap, BTreeSet};

use super::config::{Globals, Settings};
use super::ids::{Address, Epoch, MasterName, RunId};

/// The durable state of a sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Durable {
    /// This sentinel's id, made once.
    pub me: RunId,
    /// The greatest epoch seen.
    pub current_epoch: Epoch,
    /// Settings of the whole sentinel.
    pub globals: Globals,
    /// The monitored masters.
    pub masters: BTreeMap<MasterName, DurableMaster>,
}

impl Durable {
    /// A sentinel that monitors nothing yet.
    pub fn new(me: RunId) -> Self {
        Self { me, current_epoch: Epoch::default(), globals: Globals::default(), masters: BTreeMap::new() }
    }
}

/// The durable state of one monitored master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DurableMaster {
    /// Address of the master of `config_epoch`; during a failover that of the promoted replica.
    pub address: Address,
    /// Epoch of the failover that made `address` the master.
    pub config_epoch: Epoch,
    /// The last vote.
    pub vote: Vote,
    /// Its settings.
    pub settings: Settings,
    /// Replicas, `address` not among them.
    pub replicas: BTreeSet<Address>,
    /// The other sentinels.
    pub peers: BTreeMap<RunId, DurablePeer>,
    /// An operator wants no action taken on it.
    pub paused: Option<Pause>,
}

impl DurableMaster {
    /// A master just told about.
    pub fn new(address: Address, settings: Settings) -> Self {
        Self {
            address,
            config_epoch: Epoch::default(),
            vote: Vote::default(),
            settings,
            replicas: BTreeSet::new(),
            peers: BTreeMap::new(),
            paused: None,
        }
    }
}

/// An operator's order to take no action of one's own on a master, until it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pause {
    /// Who gave it, as they named themselves or logged in.
    pub by: String,
    /// When, in milliseconds since 1970. Shown to people; nothing is decided by it.
    pub at: u64,
}

/// The last vote of a sentinel for one master: at most one per epoch, so a candidate never changes within an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Vote {
    /// Epoch of the vote (`leader-epoch`).
    pub epoch: Epoch,
    /// Whom it went to. `None` with an epoch above 0: voted, but the configuration file does not say for whom.
    pub candidate: Option<RunId>,
}

/// A peer as remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DurablePeer {
    /// Where it listens.
    pub address: Address,
    /// Which program it is.
    pub kind: PeerKind,
}

/// Which program a peer is; decides under which rules votes are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// Not known yet: treated as a redis-sentinel.
    #[default]
    Unknown,
    /// One of ours: it answered `SENTINEL MYVERSION`.
    Ours,
    /// A redis-sentinel.
    Redis,
}
