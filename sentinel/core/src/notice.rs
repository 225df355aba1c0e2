//! What is told to subscribers: the events of redis-sentinel with their exact payload, and a few of our own.
//!
//! A notice is a typed value; its channel and payload are derived here and nowhere else. Clients split these texts at
//! blanks, so every word and its place is part of the interface.

use std::fmt;

use super::failover::Reason;
use super::ids::{Address, Epoch, MasterName, RunId};

/// One notice: what happened, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notice {
    /// What happened.
    pub what: What,
    /// To which instance; `None` for what concerns the sentinel itself.
    pub subject: Option<Subject>,
    /// The greatest epoch of what concerns the master (its configuration, this sentinel's vote), or of all if there is no
    /// subject. No part of the payload.
    pub epoch: Epoch,
}

/// The instance a notice is about, as the first words of its payload name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Which part it plays under `master`.
    pub part: Part,
    /// Its address.
    pub address: Address,
    /// The master's name.
    pub master: MasterName,
    /// The master's address.
    pub master_address: Address,
}

/// The part an instance plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The master.
    Master,
    /// A replica.
    Replica,
    /// A sentinel.
    Sentinel(RunId),
}

/// Why an observer would have acted, and why on this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grounds {
    /// So many sentinels hold the master for down.
    pub votes: usize,
    /// So many are needed.
    pub quorum: u32,
    /// The replica's priority.
    pub priority: u32,
    /// How far it has come.
    pub offset: u64,
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { votes, quorum, priority, offset } = self;
        write!(
            f,
            "because {votes} sentinels of {quorum} needed hold the master for down, and of the fit replicas it comes first \
             with priority {priority} and offset {offset}"
        )
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $(($($field:ty),+))? = $channel:literal $warning:literal,)+) => {
        /// What happened. The channel's name is in the table of [`What::channel`].
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum What {
            $($(#[$doc])* $name $(($($field),+))?,)+
        }

        impl What {
            /// The Pub/Sub channel.
            pub fn channel(&self) -> &'static str {
                match self {
                    $(events!(@pattern $name $(($($field),+))?) => $channel,)+
                }
            }

            /// A warning: one that a master's affairs have brought about also runs that master's notification script.
            pub fn is_warning(&self) -> bool {
                match self {
                    $(events!(@pattern $name $(($($field),+))?) => $warning,)+
                }
            }
        }
    };
    (@pattern $name:ident ($($field:ty),+)) => { Self::$name(..) };
    (@pattern $name:ident) => { Self::$name };
}

events! {
    /// Monitoring began; the quorum.
    Monitor(u32) = "+monitor" true,
    /// Monitoring ended.
    Unmonitor = "-monitor" true,
    /// A setting changed: option and value as shown.
    Set(&'static str, String) = "+set" true,
    /// Replicas and peers were forgotten.
    ResetMaster = "+reset-master" true,
    /// A replica is known.
    Replica = "+slave" false,
    /// A peer is known.
    Peer = "+sentinel" false,
    /// A peer listens elsewhere now: new address, its id. The subject is the master.
    PeerMoved(Address, RunId) = "+sentinel-address-switch" false,
    /// So many further masters had the peer's former address.
    PeerMovedElsewhere(usize) = "+sentinel-address-update" false,
    /// A peer's address belongs to another one now.
    PeerInvalid = "+sentinel-invalid-addr" false,
    /// Held for down here.
    SubjectivelyDown = "+sdown" true,
    /// No more held for down here.
    SubjectivelyUp = "-sdown" true,
    /// Held for down by a quorum: so many, of so many needed.
    ObjectivelyDown(usize, u32) = "+odown" true,
    /// No more held for down by a quorum.
    ObjectivelyUp = "-odown" true,
    /// The current epoch rose.
    NewEpoch(Epoch) = "+new-epoch" true,
    /// A failover begins here; why.
    TryFailover(Reason) = "+try-failover" true,
    /// This sentinel voted.
    Voted(RunId, Epoch) = "+vote-for-leader" true,
    /// This sentinel leads the failover.
    ElectedLeader = "+elected-leader" true,
    /// A replica is being chosen.
    SelectReplica = "+failover-state-select-slave" true,
    /// A replica was chosen.
    SelectedReplica = "+selected-slave" true,
    /// The replica is being promoted.
    SendPromotion = "+failover-state-send-slaveof-noone" false,
    /// Its promotion is waited for.
    WaitPromotion = "+failover-state-wait-promotion" false,
    /// It is a master.
    PromotedReplica = "+promoted-slave" true,
    /// The others are being re-pointed.
    ReconfigureReplicas = "+failover-state-reconf-slaves" true,
    /// This one was told to follow the new master.
    ReconfSent = "+slave-reconf-sent" false,
    /// It follows the new master and synchronises.
    ReconfInProgress = "+slave-reconf-inprog" false,
    /// It follows the new master.
    ReconfDone = "+slave-reconf-done" false,
    /// It was told so after the failover had run out of time.
    ReconfSentBestEffort = "+slave-reconf-sent-be" false,
    /// It did not follow in time.
    ReconfTimeout = "-slave-reconf-sent-timeout" false,
    /// The failover is over.
    FailoverEnd = "+failover-end" true,
    /// The failover ran out of time while re-pointing.
    FailoverEndForTimeout = "+failover-end-for-timeout" true,
    /// No majority in time.
    AbortNotElected = "-failover-abort-not-elected" true,
    /// No replica may be promoted.
    AbortNoGoodReplica = "-failover-abort-no-good-slave" true,
    /// The replica was not promoted in time.
    AbortReplicaTimeout = "-failover-abort-slave-timeout" true,
    /// Ours: the master came back before anything was changed for good.
    AbortMasterBack = "-failover-abort-master-back" true,
    /// Ours: the fence did not succeed in time.
    AbortNotFenced = "-failover-abort-not-fenced" true,
    /// The master's address changed: old, new.
    SwitchMaster(Address, Address) = "+switch-master" true,
    /// A peer's configuration is newer and was taken.
    ConfigUpdateFrom = "+config-update-from" true,
    /// A server that reports master was told to follow.
    ConvertToReplica = "+convert-to-slave" false,
    /// A replica that follows the wrong server was told to follow the master.
    FixReplicaConfig = "+fix-slave-config" false,
    /// A server restarted.
    Reboot = "+reboot" false,
    /// A server reports the role it is configured for; is it master?
    RoleAgrees(bool) = "+role-change" false,
    /// A server reports another role than it is configured for; is it master?
    RoleDiffers(bool) = "-role-change" false,
    /// The loop stalled: no decisions for a while.
    Tilt = "+tilt" true,
    /// Decisions are made again.
    TiltEnd = "-tilt" true,
    /// Ours: a switchover goes on without a majority of votes.
    WithoutVotes = "+failover-without-votes" true,
    /// Ours: writes are paused for a switchover.
    WritesPaused = "+switchover-paused" false,
    /// Ours: a switchover was undone; why.
    SwitchoverUndone(&'static str) = "-switchover-abort" true,
    /// Ours: an observer would have promoted this replica; why, and why this one.
    WouldPromote(Grounds) = "+would-promote" true,
    /// Ours: this server belongs to another group and is left alone.
    Foreign = "+foreign-server" true,
    /// Ours: the durable state could not be written.
    NotSaved = "-state-not-saved" true,
    /// Ours: decisions about this master are paused by an operator; by whom.
    Paused(String) = "+paused" true,
    /// Ours: the pause is over.
    Resumed = "-paused" true,
}

impl Notice {
    /// The Pub/Sub channel.
    pub fn channel(&self) -> &'static str {
        self.what.channel()
    }

    /// The text that subscribers get.
    pub fn payload(&self) -> String {
        match (&self.what, &self.subject) {
            (What::SwitchMaster(old, new), Some(subject)) => {
                format!("{} {} {}", subject.master, old.words(), new.words())
            }
            (what, Some(subject)) => format!("{subject}{}", what.detail()),
            (what, None) => what.detail().trim_start().to_owned(),
        }
    }
}

impl What {
    /// What follows the instance's words, with a blank before it.
    fn detail(&self) -> String {
        match self {
            Self::Monitor(quorum) => format!(" quorum {quorum}"),
            Self::Set(option, value) => format!(" {option} {value}"),
            Self::PeerMoved(address, id) => format!(" ip {} port {} for {id}", address.host, address.port),
            Self::PeerMovedElsewhere(n) => format!(" {n} additional matching instances"),
            Self::ObjectivelyDown(votes, quorum) => format!(" #quorum {votes}/{quorum}"),
            Self::NewEpoch(epoch) => format!(" {epoch}"),
            Self::Voted(id, epoch) => format!(" {id} {epoch}"),
            Self::RoleAgrees(master) | Self::RoleDiffers(master) => {
                format!(" new reported role is {}", if *master { "master" } else { "slave" })
            }
            Self::Tilt => " #tilt mode entered".into(),
            Self::TiltEnd => " #tilt mode exited".into(),
            Self::Paused(by) => format!(" by {by}"),
            Self::SwitchoverUndone(why) => format!(" {why}"),
            Self::WouldPromote(grounds) => format!(" {grounds}"),
            _ => String::new(),
        }
    }
}

impl Reason {
    /// The reason's name, which does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Forced => "forced",
            Self::Planned(_) => "planned",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Master => return write!(f, "master {} {}", self.master, self.address.words()),
            Part::Replica => write!(f, "slave {} {}", self.address, self.address.words())?,
            Part::Sentinel(id) => write!(f, "sentinel {id} {}", self.address.words())?,
        }
        write!(f, " @ {} {}", self.master, self.master_address.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::table::Table;

    fn about(part: Part, address: Address, what: What) -> (&'static str, String) {
        let master_address = Address::new("10.0.0.1", 6379);
        let subject = Some(Subject { part, address, master: "mymaster".into(), master_address });
        let notice = Notice { what, subject, epoch: Epoch(3) };
        (notice.channel(), notice.payload())
    }

    #[test]
    fn payloads_are_those_of_redis_sentinel() {
        let m = || Address::new("10.0.0.1", 6379);
        let r = || Address::new("10.0.0.2", 6380);
        let id = RunId::from_number(7);
        let table = [
            (Part::Master, m(), What::Monitor(2), "+monitor", "master mymaster 10.0.0.1 6379 quorum 2".to_owned()),
            (
                Part::Master,
                m(),
                What::ObjectivelyDown(2, 2),
                "+odown",
                "master mymaster 10.0.0.1 6379 #quorum 2/2".to_owned(),
            ),
            (
                Part::Replica,
                r(),
                What::PromotedReplica,
                "+promoted-slave",
                "slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379".to_owned(),
            ),
            (
                Part::Sentinel(id),
                r(),
                What::Peer,
                "+sentinel",
                format!("sentinel {id} 10.0.0.2 6380 @ mymaster 10.0.0.1 6379"),
            ),
            (
                Part::Replica,
                r(),
                What::RoleDiffers(true),
                "-role-change",
                "slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379 new reported role is master".to_owned(),
            ),
            (
                Part::Master,
                m(),
                What::SwitchMaster(m(), r()),
                "+switch-master",
                "mymaster 10.0.0.1 6379 10.0.0.2 6380".to_owned(),
            ),
            (
                Part::Master,
                m(),
                What::PeerMoved(r(), id),
                "+sentinel-address-switch",
                format!("master mymaster 10.0.0.1 6379 ip 10.0.0.2 port 6380 for {id}"),
            ),
        ];
        for (part, address, what, channel, payload) in table {
            assert_eq!(about(part, address, what), (channel, payload));
        }
    }

    #[test]
    fn every_warning_of_a_failover_runs_the_masters_script() {
        let mut t = Table::settled();
        t.edit_settings(|settings| settings.notification_script = Some("/n".into()));
        t.kill_master();
        t.peers_say(true);
        t.peers_vote(true);
        let said = t.run_for(3_000);
        let (mut warnings, mut run) = (Vec::new(), Vec::new());
        for action in &said {
            match action {
                Action::Announce(notice) if notice.what.is_warning() => {
                    warnings.push([notice.channel().to_owned(), notice.payload()]);
                }
                Action::RunScript(script) => run.push([script.args[0].clone(), script.args[1].clone()]),
                _ => {}
            }
        }
        assert_eq!(run, warnings);
        // Also those that name no instance.
        assert!(run.contains(&["+new-epoch".to_owned(), "1".to_owned()]), "{run:?}");
        assert!(run.iter().any(|[channel, _]| channel == "+vote-for-leader"), "{run:?}");
    }

    #[test]
    fn notices_without_an_instance() {
        let id = RunId::from_number(7);
        let text = |what| Notice { what, subject: None, epoch: Epoch(3) }.payload();
        assert_eq!(text(What::NewEpoch(Epoch(3))), "3");
        assert_eq!(text(What::Voted(id, Epoch(3))), format!("{id} 3"));
        assert_eq!(text(What::Tilt), "#tilt mode entered");
    }
}
