//! What the port asks of the runtime's loop: typed requests, each with a place for its answer.
//!
//! The port decides nothing about masters: it turns bytes into one of these and the answer into bytes. What an operator
//! asks for is the core's own vocabulary, already checked for syntax. A dropped reply (the runtime ends) is told to the
//! client as an error.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::core::action::Refusal;
use crate::core::event::{self, Answer, Hello, Question};
use crate::core::ids::MasterName;
use crate::core::why::Unmet;
use crate::view::{SimulatedFailures, Tuning};

/// Where the port sends its requests. Bounded: a full channel makes the client wait, nobody else.
pub type Requests = mpsc::Sender<Request>;

/// One request of the port.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// For the core. Answered when the effect is in the [`View`](crate::view::View) and, if it changes what is durable,
    /// on disk.
    Operator(event::Request, oneshot::Sender<Result<(), Refusal>>),
    /// A peer asks about a master, and perhaps for a vote.
    Asked(Question, oneshot::Sender<Answer>),
    /// `SENTINEL WHY-NOT`: the first condition that keeps a replica from being promoted now.
    WhyNot(MasterName, oneshot::Sender<Option<Unmet>>),
    /// A peer's hello, sent directly. There is no answer.
    Hello(Hello),
    /// `SENTINEL DEBUG` of what the core does not know of. Answered when the view shows it.
    Tune(Tuning, oneshot::Sender<()>),
    /// `SENTINEL SIMULATE-FAILURE`. Answered when the view shows it.
    Simulate(SimulatedFailures, oneshot::Sender<()>),
    /// `SHUTDOWN`: end the process in good order. There is no answer: the connections end.
    Shutdown,
}

/// A notice on its way to subscribers: [`Notice::channel`](crate::core::notice::Notice::channel) and its payload, made
/// once for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The Pub/Sub channel.
    pub channel: &'static str,
    /// The text.
    pub payload: Arc<str>,
}
