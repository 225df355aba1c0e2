//! Everything that can happen to a sentinel: the inputs of the step.
//!
//! Together with [`action`](super::action) this page is the index of the specification. What an event names may be
//! unknown by the time it is handled (a removed master, a forgotten peer); then nothing happens.

use super::config::{Change, Globals, Settings};
use super::durable::{Pause, PeerKind};
use super::ids::{Address, Epoch, MasterName, Millis, ReplicationId, ReplyTo, RunId, ServerRef, Target, Ticket};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The time asked for by [`Action::WakeAt`](super::action::Action::WakeAt) has come. Feed it once at the start, too.
    Timer,
    /// A link asked for by `Connect` stands and has passed its login.
    LinkUp(Target),
    /// A link broke, or an attempt to make it failed. The driver goes on trying until `Disconnect`.
    LinkDown(Target, Cause),
    /// Reply to a `Ping`.
    Pong(Target, PingReply),
    /// Reply to an `Inspect`: how a data server sees itself. `asked` is the moment the question carried.
    Report {
        /// Who reports.
        from: ServerRef,
        /// When the question was asked, by the core's own clock: a report counts as fresh by this.
        asked: Millis,
        /// What it says.
        report: Report,
    },
    /// A peer's presence and view of a master, published at a data server or sent directly.
    Hello(Hello),
    /// A peer's answer to an `Ask`.
    Answer {
        /// Who answers.
        peer: RunId,
        /// About which master.
        master: MasterName,
        /// When it was asked, by the core's own clock: a vote is held from then on at least.
        asked: Millis,
        /// What it says.
        answer: Answer,
    },
    /// It was found out which program a peer is.
    PeerKind(RunId, PeerKind),
    /// A peer asks whether the master at an address is down, and perhaps for a vote.
    Asked {
        /// Where the answer goes.
        reply_to: ReplyTo,
        /// The question.
        question: Question,
    },
    /// The outcome of a `Do`.
    Done(Ticket, Result<Done, Failure>),
    /// The disk refused the durable state. The driver dropped the actions that came after the `Persist` in its list.
    PersistFailed,
    /// A host name's address: both texts mean the same machine from now on.
    Resolved {
        /// The name.
        name: String,
        /// The IP literal.
        ip: String,
    },
    /// An operator's request.
    Request(ReplyTo, Request),
}

/// Why there is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The other end closed or reset a standing connection: its kernel lives, or somebody in between speaks for it.
    Closed,
    /// The attempt to connect was refused: nobody listens there.
    Refused,
    /// No answer in time, no route, or a name that does not resolve.
    Unreachable,
    /// Connected, but the login was refused.
    Denied,
}

/// What came back on a PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PingReply {
    /// `PONG`.
    Pong,
    /// `-LOADING`: alive, not serving yet.
    Loading,
    /// `-MASTERDOWN`: a replica without its master.
    MasterDown,
    /// `-BUSY`: a script blocks the server.
    Busy,
    /// Any other reply: it answers, but not as it should.
    Other,
}

/// How a data server sees itself (INFO).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// Identity of this life of the server.
    pub run_id: Option<RunId>,
    /// Its role.
    pub role: Role,
    /// The history its data belongs to.
    pub replication_id: Option<ReplicationId>,
    /// The history it belonged to before it was promoted.
    pub former_replication_id: Option<ReplicationId>,
    /// How far it has come in that history, in bytes.
    pub offset: u64,
    /// Replicas connected to it, as it announces them.
    pub replicas: Vec<Address>,
    /// It can pause writes (Redis 6.2 or later).
    pub can_pause: bool,
}

/// The role a server reports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows another server.
    Replica(Following),
}

/// What a replica reports about its master and itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Following {
    /// The server it follows.
    pub master: Address,
    /// The link to it stands and the first synchronisation is over.
    pub link_up: bool,
    /// For how long the link has been down, in milliseconds; 0 if it is up.
    pub link_down_ms: u64,
    /// `replica-priority`: the smaller goes first, 0 never.
    pub priority: u32,
    /// It wants to be listed to clients.
    pub announced: bool,
}

/// The eight fields of a hello.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hello {
    /// Where the sender listens.
    pub address: Address,
    /// Who sends.
    pub peer: RunId,
    /// The greatest epoch it has seen.
    pub current_epoch: Epoch,
    /// Which master it speaks of.
    pub master: MasterName,
    /// The master's address, as the sender has it.
    pub master_address: Address,
    /// The epoch of that address.
    pub config_epoch: Epoch,
}

/// A peer's answer about a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Answer {
    /// It holds the master for down.
    pub down: bool,
    /// Whom it has voted for last; `None` for `*`.
    pub leader: Option<RunId>,
    /// The epoch of that vote.
    pub leader_epoch: Epoch,
}

/// `SENTINEL IS-MASTER-DOWN-BY-ADDR`, or our own form of it for a planned switchover.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Address of the master asked about: masters are known by different names at different sentinels.
    pub address: Address,
    /// The asker's epoch.
    pub epoch: Epoch,
    /// Who wants the vote; `None` for `*`: the asker only wants to know.
    pub candidate: Option<RunId>,
    /// The vote is for a switchover of a master that is up, so it may be given although the voter sees it up.
    pub planned: bool,
}

/// How something asked for with `Do` ended well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Done {
    /// It is done, and where the task says so it was seen with the server's eyes.
    Ok,
    /// Writes rest at this offset: a master was paused, or has stepped down.
    Rested {
        /// The master's offset: read after the pause began, or in the transaction that ended its part.
        offset: u64,
    },
}

/// How something asked for with `Do` failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// There is no link: it was not sent.
    NotSent,
    /// Sent, but the outcome is unknown: link lost, or no reply in time.
    Unknown,
    /// The server or script said no.
    Refused,
    /// The server was no master when this reached it: somebody else was there first.
    NotMaster,
}

/// What an operator asks for. `Reply` carries the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Request {
    /// `SENTINEL FAILOVER`: lossless if the master is up, can pause and the settings allow it; else forced.
    Failover(MasterName),
    /// The same without care for writes: the best replica is promoted at once, also while the master is up.
    ForcedFailover(MasterName),
    /// A switchover without loss, perhaps to a named replica; refused where it cannot be lossless.
    Switchover {
        /// Of which master.
        master: MasterName,
        /// To which replica; `None`: the best one.
        to: Option<Address>,
    },
    /// `SENTINEL RESET` of these masters: forget replicas and peers.
    Reset(Vec<MasterName>),
    /// Take no action of one's own on this master until resumed: only tell what would have been done. Votes, hellos and
    /// what an operator asks for go on. A pause that stands already stays as it is.
    Pause(MasterName, Pause),
    /// End of a pause.
    Resume(MasterName),
    /// `SENTINEL MONITOR`.
    Monitor {
        /// Under which name.
        master: MasterName,
        /// Its address.
        address: Address,
        /// Its settings.
        settings: Settings,
    },
    /// `SENTINEL REMOVE`.
    Remove(MasterName),
    /// `SENTINEL SET`, one option.
    Set(MasterName, Change),
    /// `SENTINEL CONFIG SET` and `SENTINEL DEBUG`: the new settings of the whole sentinel.
    SetGlobals(Globals),
    /// `SENTINEL FLUSHCONFIG`: write the durable state now.
    Flush,
}
