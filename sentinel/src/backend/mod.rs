//! What the sentinel asks of a data server, whatever makes it: the port [`Backend`], and its adapters.
//!
//! A backend is one server's link. Every method hands something over and returns at once; what comes of it is told to the
//! runtime's loop as an event. So a slow server costs the loop nothing, and a database attaches here without the core
//! knowing: it answers the same questions in the same events.
//!
//! | file | what it is |
//! |---|---|
//! | `redis` | Redis and what speaks like it |

pub mod redis;

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::core::action::HelloBody;
use crate::core::event::Event;
use crate::core::ids::{Address, Millis, Ticket};

/// One life of a link. What a link told before it was given up or replaced is recognised by this, and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// What a link has to tell.
#[derive(Debug)]
pub struct Told {
    /// Who tells.
    pub link: LinkId,
    /// What happened.
    pub event: Event,
    /// The text of a report as the server sent it, for people.
    pub text: Option<Arc<str>>,
}

/// Where links tell. Bounded: a loop that is behind slows the links down, not the other way round.
pub type Sink = mpsc::Sender<Told>;

/// What a fence at the server itself can be. (A fence by a script needs no server.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// Writes are acknowledged only with so many replicas at hand, which have answered in the last seconds; durably.
    Gate {
        /// Replicas.
        min_replicas: u32,
        /// Seconds.
        max_lag_s: u32,
    },
    /// It stops receiving from its master, without becoming writable.
    Detach,
    /// Its demotion lies queued on the standing connection, for a server that does not answer now.
    OnReturn(Address),
}

/// One data server's link. Dropping it gives the link up.
pub trait Backend: fmt::Debug + Send {
    /// Asks whether it is there; told as [`Event::Pong`].
    fn probe(&self);

    /// Asks for its role and how far it has come; told as [`Event::Report`] with this moment.
    fn position(&self, asked: Millis);

    /// Makes it take writes; told as [`Event::Done`] once it was seen to.
    fn promote(&self, ticket: Ticket);

    /// Makes it a replica of `master`; told as [`Event::Done`] once it was seen to follow.
    fn follow(&self, ticket: Ticket, master: &Address);

    /// Makes a master a replica of `master`; told as [`Event::Done`] once it was seen to follow, with the offset at which
    /// its writes ended, or that it was no master.
    fn step_down(&self, ticket: Ticket, master: &Address);

    /// Keeps it from acknowledging writes that would be lost; told as [`Event::Done`].
    fn fence(&self, ticket: Ticket, fence: &Fence);

    /// Holds writes back for at most so many milliseconds; told as [`Event::Done`] with the offset at which they rest.
    fn pause_writes(&self, ticket: Ticket, ms: u64);

    /// Ends such a pause; told as [`Event::Done`].
    fn resume_writes(&self, ticket: Ticket);

    /// Shows other sentinels a hello through it. `own` is this sentinel's address for others; an empty host means the
    /// local address of the connection.
    fn publish(&self, own: &Address, hello: &HelloBody);

    /// Ends a script that blocks it.
    fn kill_script(&self);

    /// Drops the connection and makes it anew.
    fn reconnect(&self);

    /// Questions without an answer yet.
    fn pending(&self) -> u32;
}
