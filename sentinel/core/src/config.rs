//! What an operator can set: per master [`Settings`], for the whole sentinel [`Globals`] and its [`Timings`].
//!
//! Typed and already checked: the parser of `sentinel.conf` and the commands `SENTINEL SET`, `MONITOR`, `CONFIG SET` and
//! `DEBUG` build these; the core never sees text. Defaults are those of redis-sentinel, and what redis-sentinel has not
//! is off by default, so that an unchanged file changes nothing about the data servers.

use std::collections::BTreeMap;
use std::fmt;

use super::ids::Address;

/// What must hold before a replica is promoted, so that the old master cannot go on acknowledging writes.
///
/// Replication is asynchronous, so each mode says what it can promise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Fencing {
    /// Nothing, as redis-sentinel does. A master that was cut off or stopped may acknowledge writes that are lost.
    #[default]
    None,
    /// The sentinels keep `min-replicas-to-write` and a lag of one second on every server of the group. In a cut the
    /// leader takes the replicas off the old master and waits until the gate has closed. Promise: no write is
    /// acknowledged by the old master later than lag + 2 s after the cut, nor after the promotion. Price: the loss of
    /// more than `R - min_replicas` of `R` replicas stops writes.
    Gate {
        /// `min-replicas-to-write`, at least 1.
        min_replicas: u32,
    },
    /// A script (an agent at the host, STONITH) must succeed before the promotion. Promise: nothing is acknowledged
    /// after the fence.
    Command {
        /// Path of the script; its arguments are the master's name, address and the new master's address.
        script: String,
    },
    /// The demotion is queued on a kept connection, for a stopped master that wakes. Best effort.
    OnReturn,
}

/// A secret text: never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// Settings of one monitored master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How many sentinels must hold the master for down, at least 1.
    pub quorum: u32,
    /// After how many milliseconds without a valid reply a server or peer is held for down.
    pub down_after: u64,
    /// Milliseconds a failover may take, and after which somebody else may try.
    pub failover_timeout: u64,
    /// How many replicas are re-pointed at the same time.
    pub parallel_syncs: u32,
    /// After how many milliseconds a master that restarted and only loads its data is held for down; 0: never.
    pub reboot_down_after: u64,
    /// Called with each warning event.
    pub notification_script: Option<String>,
    /// Called when the master's address changes.
    pub client_reconfig_script: Option<String>,
    /// User to log in as at the data servers.
    pub auth_user: Option<String>,
    /// Password for the data servers.
    pub auth_pass: Option<Secret>,
    /// Commands that have another name at the data servers: upper case name to the name there.
    pub rename_commands: BTreeMap<String, String>,
    /// What keeps an old master from acknowledging writes.
    pub fencing: Fencing,
    /// `k` of `WAIT k`: writes that an application confirmed with `k` replicas survive a failover. The leader then wants
    /// `R - k + 1` of `R` replicas visible and promotes the greatest offset of one replication id.
    pub confirmed_writes: Option<u32>,
    /// `SENTINEL FAILOVER` of a master that is up loses no write (needs servers that can pause writes).
    pub lossless_failover: bool,
    /// Decide and tell, but change nothing: no vote is asked for and no server reconfigured.
    pub observe_only: bool,
}

impl Settings {
    /// The defaults of redis-sentinel, with this quorum.
    pub fn new(quorum: u32) -> Self {
        Self {
            quorum: quorum.max(1),
            down_after: 30_000,
            failover_timeout: 180_000,
            parallel_syncs: 1,
            reboot_down_after: 0,
            notification_script: None,
            client_reconfig_script: None,
            auth_user: None,
            auth_pass: None,
            rename_commands: BTreeMap::new(),
            fencing: Fencing::None,
            confirmed_writes: None,
            lossless_failover: true,
            observe_only: false,
        }
    }
}

/// One change of [`Settings`], from `SENTINEL SET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// `quorum`, at least 1.
    Quorum(u32),
    /// `down-after-milliseconds`, above 0.
    DownAfter(u64),
    /// `failover-timeout` in milliseconds, above 0.
    FailoverTimeout(u64),
    /// `parallel-syncs`, above 0.
    ParallelSyncs(u32),
    /// `master-reboot-down-after-period` in milliseconds.
    RebootDownAfter(u64),
    /// `notification-script`; `None` clears it.
    NotificationScript(Option<String>),
    /// `client-reconfig-script`; `None` clears it.
    ClientReconfigScript(Option<String>),
    /// `auth-user`; `None` clears it. Links are opened anew.
    AuthUser(Option<String>),
    /// `auth-pass`; `None` clears it. Links are opened anew.
    AuthPass(Option<Secret>),
    /// `rename-command <command> <name there>`; equal texts clear it.
    RenameCommand(String, String),
    /// `fencing`.
    Fencing(Fencing),
    /// `confirmed-writes`; `None` turns it off.
    ConfirmedWrites(Option<u32>),
    /// `lossless-failover`.
    LosslessFailover(bool),
    /// `observe-only`.
    ObserveOnly(bool),
}

impl Change {
    /// Puts the change into `settings`.
    pub fn apply(&self, settings: &mut Settings) {
        match self.clone() {
            Self::Quorum(n) => settings.quorum = n.max(1),
            Self::DownAfter(ms) => settings.down_after = ms.max(1),
            Self::FailoverTimeout(ms) => settings.failover_timeout = ms.max(1),
            Self::ParallelSyncs(n) => settings.parallel_syncs = n.max(1),
            Self::RebootDownAfter(ms) => settings.reboot_down_after = ms,
            Self::NotificationScript(script) => settings.notification_script = script,
            Self::ClientReconfigScript(script) => settings.client_reconfig_script = script,
            Self::AuthUser(user) => settings.auth_user = user,
            Self::AuthPass(pass) => settings.auth_pass = pass,
            Self::RenameCommand(from, to) if from.eq_ignore_ascii_case(&to) => {
                settings.rename_commands.remove(&from.to_ascii_uppercase());
            }
            Self::RenameCommand(from, to) => {
                settings.rename_commands.insert(from.to_ascii_uppercase(), to);
            }
            Self::Fencing(fencing) => settings.fencing = fencing,
            Self::ConfirmedWrites(k) => settings.confirmed_writes = k,
            Self::LosslessFailover(on) => settings.lossless_failover = on,
            Self::ObserveOnly(on) => settings.observe_only = on,
        }
    }

    /// The script that it names.
    pub fn script(&self) -> Option<&str> {
        match self {
            Self::NotificationScript(script) | Self::ClientReconfigScript(script) => script.as_deref(),
            Self::Fencing(Fencing::Command { script }) => Some(script),
            _ => None,
        }
    }

    /// Option and value as the event `+set` shows them; secrets hidden.
    pub fn shown(&self) -> (&'static str, String) {
        let yes_no = |on: bool| String::from(if on { "yes" } else { "no" });
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        match self {
            Self::Quorum(n) => ("quorum", n.to_string()),
            Self::DownAfter(ms) => ("down-after-milliseconds", ms.to_string()),
            Self::FailoverTimeout(ms) => ("failover-timeout", ms.to_string()),
            Self::ParallelSyncs(n) => ("parallel-syncs", n.to_string()),
            Self::RebootDownAfter(ms) => ("master-reboot-down-after-period", ms.to_string()),
            Self::NotificationScript(script) => ("notification-script", text(script)),
            Self::ClientReconfigScript(script) => ("client-reconfig-script", text(script)),
            Self::AuthUser(user) => ("auth-user", text(user)),
            Self::AuthPass(_) => ("auth-pass", "******".into()),
            Self::RenameCommand(from, to) => ("rename-command", format!("{from} {to}")),
            Self::Fencing(fencing) => ("fencing", fencing.to_string()),
            Self::ConfirmedWrites(k) => ("confirmed-writes", k.unwrap_or(0).to_string()),
            Self::LosslessFailover(on) => ("lossless-failover", yes_no(*on)),
            Self::ObserveOnly(on) => ("observe-only", yes_no(*on)),
        }
    }
}

impl fmt::Display for Fencing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gate { min_replicas } => write!(f, "gate {min_replicas}"),
            Self::Command { script } => write!(f, "command {script}"),
            Self::OnReturn => f.write_str("on-return"),
        }
    }
}

/// Settings of the whole sentinel, which the core acts on or keeps for the durable state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Globals {
    /// Periods, in the order and with the defaults of `SENTINEL DEBUG`.
    pub timings: Timings,
    /// Address told to others instead of the local one of each connection; port 0: the listening port.
    pub announce: Option<Address>,
    /// Host names are resolved, not only IP literals taken.
    pub resolve_hostnames: bool,
    /// Host names rather than IPs are told to others.
    pub announce_hostnames: bool,
    /// User to log in as at other sentinels.
    pub sentinel_user: Option<String>,
    /// Password for other sentinels.
    pub sentinel_pass: Option<Secret>,
}

/// Periods in milliseconds, all changeable at run time with `SENTINEL DEBUG`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timings {
    /// INFO to data servers.
    pub info_period: u64,
    /// Upper bound of the PING period, least time between attempts to connect.
    pub ping_period: u64,
    /// Longest time between two questions to a peer whether a master is down.
    pub ask_period: u64,
    /// Hello.
    pub publish_period: u64,
    /// A stall of the loop that causes TILT.
    pub tilt_trigger: u64,
    /// Length of TILT.
    pub tilt_period: u64,
    /// When one replica's re-pointing is given up.
    pub reconf_timeout: u64,
    /// Least age of a link before it is dropped as stuck.
    pub min_link_reconnect_period: u64,
    /// How long an election may last.
    pub election_timeout: u64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            info_period: 10_000,
            ping_period: 1_000,
            ask_period: 1_000,
            publish_period: 2_000,
            tilt_trigger: 2_000,
            tilt_period: 30_000,
            reconf_timeout: 10_000,
            min_link_reconnect_period: 15_000,
            election_timeout: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_reach_the_settings_and_hide_secrets() {
        let mut settings = Settings::new(2);
        Change::RenameCommand("config".into(), "cfg".into()).apply(&mut settings);
        assert_eq!(settings.rename_commands.get("CONFIG").map(String::as_str), Some("cfg"));
        Change::RenameCommand("CONFIG".into(), "config".into()).apply(&mut settings);
        assert!(settings.rename_commands.is_empty());
        let secret = Change::AuthPass(Some(Secret("hunter2".into())));
        secret.apply(&mut settings);
        assert_eq!(secret.shown(), ("auth-pass", "******".into()));
        assert!(!format!("{settings:?}{secret:?}").contains("hunter2"));
        Change::Quorum(0).apply(&mut settings);
        assert_eq!(settings.quorum, 1);
    }
}
