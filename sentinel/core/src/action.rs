//! Everything a sentinel can ask for: the outputs of the step.
//!
//! A driver carries actions out strictly in list order, and `Persist` completes before the next one begins: "vote, then
//! say so" is visible as list order. What promises nothing to anybody (links, questions to servers) stands before it, so
//! that a disk that fails stops the promises and not the watching. Nothing else blocks: sends are handed to a link (or dropped if there is none), a
//! `Do` is started and reports later.

use super::durable::Durable;
use super::event::{Answer, Question};
use super::ids::{Address, Epoch, MasterName, Millis, ReplyTo, RunId, ServerRef, Target, Ticket};
use super::notice::Notice;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Write the durable state and wait until it is safe. On failure drop the rest of the list and feed
    /// [`Event::PersistFailed`](super::event::Event::PersistFailed) next; a dropped `Do` has failed with `NotSent`, a
    /// dropped `Reply` is answered with [`Refusal::NotSaved`], a dropped `Answer` is given without its vote.
    Persist(Box<Durable>),
    /// Make and keep a link, reconnecting on loss; every state of it is told by `LinkUp` and `LinkDown`.
    Connect(Target, Address),
    /// Give a link up. No more events of it.
    Disconnect(Target),
    /// Drop a link that is stuck and make it anew.
    Reconnect(Target),
    /// Send a PING.
    Ping(Target),
    /// Ask a data server for its report (INFO).
    Inspect {
        /// Whom.
        server: ServerRef,
        /// Comes back in the report.
        asked: Millis,
    },
    /// Ask a peer about a master, and perhaps for its vote.
    Ask {
        /// Whom.
        peer: RunId,
        /// About which master; comes back in the answer.
        master: MasterName,
        /// Comes back in the answer too.
        asked: Millis,
        /// The question. `planned` is sent to peers of our own kind in our own form, to others in Redis' form.
        question: Question,
    },
    /// Answer a peer's question.
    Answer(ReplyTo, Answer),
    /// Publish a hello at a data server, or send it to a peer; the driver adds this sentinel's address on that link.
    PublishHello(Target, HelloBody),
    /// `SCRIPT KILL` at a data server that is blocked by a script.
    KillScript(ServerRef),
    /// Something at a data server, or a fence, whose outcome is awaited under this ticket.
    Do(Ticket, Task),
    /// Tell subscribers, log and history.
    Announce(Notice),
    /// Run a script of the operator's, in order but not waited for.
    RunScript(Script),
    /// Answer an operator's request.
    Reply(ReplyTo, Result<(), Refusal>),
    /// Wake at this time with [`Event::Timer`](super::event::Event::Timer); replaces any earlier wish. Always the last
    /// action of a list.
    WakeAt(Millis),
}

impl Action {
    /// It promises nothing to anybody, so it need not wait for the disk, and a disk that fails does not stop it.
    pub fn is_free(&self) -> bool {
        use Action::{Connect, Disconnect, Inspect, KillScript, Ping, Reconnect};
        matches!(self, Connect(..) | Disconnect(..) | Reconnect(..) | Ping(..) | Inspect { .. } | KillScript(..))
    }
}

/// The five fields of a hello that are the same on every link, besides this sentinel's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HelloBody {
    /// The greatest epoch seen.
    pub current_epoch: Epoch,
    /// The master's name.
    pub master: MasterName,
    /// Its address.
    pub address: Address,
    /// The epoch of that address.
    pub config_epoch: Epoch,
}

/// What is done at a data server, and how its end is known. Each is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// Make it a master (`REPLICAOF NO ONE` in a transaction with rewrite and kick-out of clients). Done when it was seen
    /// as a master.
    Promote(ServerRef),
    /// Make it follow `master`, in the same kind of transaction. Done when it was seen as its replica.
    Follow {
        /// Whom.
        server: ServerRef,
        /// The server to follow.
        master: Address,
    },
    /// Make the master follow `master`, in the same kind of transaction, which also tells what it was until then. Done with
    /// the offset at which its writes ended; `NotMaster` if it was none, so of several leaders one alone has done this.
    StepDown {
        /// Whom.
        server: ServerRef,
        /// The server to follow.
        master: Address,
    },
    /// Make a replica stop receiving from its master without becoming writable. Done when it was seen so.
    Detach(ServerRef),
    /// Queue, on the connection that stands, the demotion of a server that does not answer now: it takes effect when the
    /// server wakes. Keep that connection.
    FollowOnReturn {
        /// Whom.
        server: ServerRef,
        /// The server to follow.
        master: Address,
    },
    /// Hold back a master's writes for at most this long. Done with the offset at which writes rest; `NotMaster`, and
    /// nothing held back, if it is none.
    PauseWrites {
        /// Whom.
        server: ServerRef,
        /// The longest time, after which the server goes on by itself.
        ms: u64,
    },
    /// End a pause of writes.
    ResumeWrites(ServerRef),
    /// Make it acknowledge writes only with this many replicas at hand, durably; changes nothing if it is so already.
    SetGate {
        /// Whom.
        server: ServerRef,
        /// `min-replicas-to-write`.
        min_replicas: u32,
        /// `min-replicas-max-lag`, in seconds.
        max_lag_s: u32,
    },
    /// Run the fence script. Done when it exits with 0.
    Fence {
        /// Of which master.
        master: MasterName,
        /// The script.
        script: String,
        /// The server to fence.
        old: Address,
        /// The server that will be promoted.
        new: Address,
    },
}

/// A script of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Script {
    /// Path.
    pub path: String,
    /// Arguments.
    pub args: Vec<String>,
}

/// Why an operator's request was not carried out. The text is that of redis-sentinel where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such master.
    #[error("ERR No such master with that name")]
    NoSuchMaster,
    /// A failover is under way.
    #[error("INPROG Failover already in progress")]
    InProgress,
    /// No replica may be promoted.
    #[error("NOGOODSLAVE No suitable replica to promote")]
    NoGoodReplica,
    /// The name is taken.
    #[error("ERR Duplicate master name.")]
    DuplicateName,
    /// A switchover without loss is not possible here.
    #[error("ERR A lossless switchover is not possible: {0}")]
    NotLossless(String),
    /// The settings let this sentinel only observe.
    #[error("ERR This sentinel only observes {0}")]
    ObserveOnly(MasterName),
    /// The disk refused the durable state.
    #[error("ERR Failed to save config file. Check server logs.")]
    NotSaved,
}
