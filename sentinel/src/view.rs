//! What the port shows: one immutable picture of the sentinel, built by the runtime and swapped whole.
//!
//! A reader loads the present picture and never waits; a writer builds the next one and stores it. Each master sits
//! behind its own `Arc`, so a new picture of one master costs one master. Moments are on the runtime's monotonic clock;
//! the port turns them into ages when it answers.
//!
//! Two rules make the picture one that clients can rely on. Before the notice `+switch-master` is published, and before
//! a [`Request`](crate::request::Request) is answered, the picture that shows its effect is stored. Nothing else needs
//! to be fresh at once: times of pings may be shown a little late.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::core::config::{Globals, Settings};
use crate::core::durable::Pause;
use crate::core::event::{Following, Role};
use crate::core::ids::{Address, Epoch, MasterName, Millis, RunId};

/// Where the present picture is kept: the runtime stores, the port loads.
pub type Views = Arc<ArcSwap<View>>;

/// The picture.
#[derive(Debug, Clone)]
pub struct View {
    /// This sentinel's id.
    pub me: RunId,
    /// The greatest epoch seen.
    pub current_epoch: Epoch,
    /// Since when decisions are suspended.
    pub tilt_since: Option<Millis>,
    /// Settings of the whole sentinel.
    pub globals: Globals,
    /// What `SENTINEL DEBUG` tunes beside the core's timings.
    pub tuning: Tuning,
    /// Scripts that run or wait, in order.
    pub scripts: Vec<ScriptView>,
    /// What `SENTINEL SIMULATE-FAILURE` asked for.
    pub simulated: SimulatedFailures,
    /// Why the disk refused the last state; nothing is promised until it takes one.
    pub unsaved: Option<Arc<str>>,
    /// The monitored masters.
    pub masters: BTreeMap<MasterName, Arc<MasterView>>,
}

impl View {
    /// A sentinel that monitors nothing.
    pub fn new(me: RunId) -> Self {
        Self {
            me,
            current_epoch: Epoch::default(),
            tilt_since: None,
            globals: Globals::default(),
            tuning: Tuning::default(),
            scripts: Vec::new(),
            simulated: SimulatedFailures::default(),
            unsaved: None,
            masters: BTreeMap::new(),
        }
    }

    /// The cell that shows this picture until another is stored.
    pub fn shared(self) -> Views {
        Arc::new(ArcSwap::from_pointee(self))
    }
}

/// Times in milliseconds that the core does not know of: defaults of new masters, and how scripts are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// `down-after-milliseconds` of a master told about without one.
    pub default_down_after: u64,
    /// `failover-timeout` of a master told about without one.
    pub default_failover_timeout: u64,
    /// After this a script is killed.
    pub script_max_runtime: u64,
    /// Delay before a script is run again, doubled each time.
    pub script_retry_delay: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            default_down_after: 30_000,
            default_failover_timeout: 180_000,
            script_max_runtime: 60_000,
            script_retry_delay: 30_000,
        }
    }
}

/// Where the process ends with exit code 99, for tests of others' tooling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulatedFailures {
    /// After this sentinel was elected.
    pub after_election: bool,
    /// After the promotion was asked for.
    pub after_promotion: bool,
}

/// A script that runs or waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptView {
    /// Path and arguments.
    pub argv: Vec<String>,
    /// Its process and when it started, or `None` while it waits.
    pub running: Option<(u32, Millis)>,
    /// When it will be started, if it waits for another try.
    pub due: Option<Millis>,
    /// How often it was tried again.
    pub retries: u32,
}

/// A master with its replicas and sentinels.
#[derive(Debug, Clone)]
pub struct MasterView {
    /// Its name.
    pub name: MasterName,
    /// The master as an instance; its address is the configured one, also during a failover.
    pub instance: InstanceView,
    /// The address told to clients: that of the promoted replica from the promotion on, else the instance's.
    pub current_address: Address,
    /// Its settings.
    pub settings: Settings,
    /// The epoch of its address.
    pub config_epoch: Epoch,
    /// An operator stopped failovers of it until resumed.
    pub paused: Option<Pause>,
    /// Whom this sentinel voted for last, and in which epoch.
    pub vote: (Option<RunId>, Epoch),
    /// The failover's state as in `failover-state`, e.g. `wait_start`; `None` outside a failover.
    pub failover_state: Option<&'static str>,
    /// Its replicas.
    pub replicas: Vec<InstanceView>,
    /// The other sentinels.
    pub sentinels: Vec<PeerView>,
}

impl MasterView {
    /// A master that nothing is known of yet.
    pub fn new(name: MasterName, address: Address, settings: Settings) -> Self {
        Self {
            name,
            instance: InstanceView::new(address.clone(), Role::Master),
            current_address: address,
            settings,
            config_epoch: Epoch::default(),
            paused: None,
            vote: (None, Epoch::default()),
            failover_state: None,
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }
}

/// A server or sentinel, as seen over its link.
#[derive(Debug, Clone)]
pub struct InstanceView {
    /// Where it listens, as told to clients (name or IP by `announce-hostnames`).
    pub address: Address,
    /// Its run id; `None` before the first report.
    pub run_id: Option<RunId>,
    /// The reported role and, of a replica, what it says of its master. Ignored for sentinels.
    pub role: Role,
    /// Since when it reports that role.
    pub role_since: Millis,
    /// What is known of its state.
    pub flags: Flags,
    /// Commands without a reply yet.
    pub pending_commands: u32,
    /// Masters that share the link.
    pub link_refcount: u32,
    /// When the oldest unanswered PING was sent.
    pub ping_sent: Option<Millis>,
    /// The last valid reply to a PING.
    pub last_ok_reply: Millis,
    /// The last reply of any sort.
    pub last_reply: Millis,
    /// Since when it is held for down here.
    pub down_since: Option<Millis>,
    /// Since when a quorum holds it for down (masters).
    pub objectively_down_since: Option<Millis>,
    /// The last INFO: when it came, and its text.
    pub info: Option<(Millis, Arc<str>)>,
    /// How far it has come in its replication history.
    pub offset: u64,
}

impl InstanceView {
    /// An instance that nothing was heard of yet; all its moments are the clock's origin.
    pub fn new(address: Address, role: Role) -> Self {
        Self {
            address,
            run_id: None,
            role,
            role_since: Millis::default(),
            flags: Flags::default(),
            pending_commands: 0,
            link_refcount: 1,
            ping_sent: None,
            last_ok_reply: Millis::default(),
            last_reply: Millis::default(),
            down_since: None,
            objectively_down_since: None,
            info: None,
            offset: 0,
        }
    }

    /// What it says of its master, if it reports to be a replica.
    pub fn following(&self) -> Option<&Following> {
        match &self.role {
            Role::Replica(following) => Some(following),
            Role::Master => None,
        }
    }
}

/// Another sentinel.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// Its id.
    pub id: RunId,
    /// The sentinel as an instance.
    pub instance: InstanceView,
    /// Its last hello.
    pub last_hello: Millis,
    /// Whom it voted for, and in which epoch.
    pub vote: Option<(RunId, Epoch)>,
}

/// State of an instance as clients read it, besides `s_down` and `o_down`, which have their moments. Clients look for
/// substrings, so no further flag may contain `master`, `slave`, `s_down`, `o_down` or `disconnected`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// The link does not stand.
    pub disconnected: bool,
    /// Sentinels: it holds the master for down.
    pub master_down: bool,
    /// Masters: a failover is under way here.
    pub failover_in_progress: bool,
    /// Replicas: it is the one being promoted.
    pub promoted: bool,
    /// Replicas: how far its re-pointing is.
    pub reconf: Option<Reconf>,
    /// Masters: an operator asked for the failover.
    pub force_failover: bool,
    /// `SCRIPT KILL` was sent.
    pub script_kill_sent: bool,
    /// Masters: it restarted and has not served since.
    pub reboot: bool,
}

/// How far the re-pointing of a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconf {
    /// It was told to.
    Sent,
    /// It follows the new master and synchronises.
    InProgress,
    /// It follows the new master.
    Done,
}
