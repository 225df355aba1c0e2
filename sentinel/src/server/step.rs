//! What follows from a command: a reply at once, or something that the runtime has to do first.

use crate::core::event::{self, Hello, Question};
use crate::core::ids::MasterName;
use crate::resp::Value;
use crate::view::{SimulatedFailures, Tuning};

/// What a command asks its connection to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Send these.
    Reply(Vec<Value>),
    /// Do these in order. The first refusal is the reply; without one, this is.
    Work(Vec<Work>, Value),
    /// Put the question to the core, and send its answer.
    Ask(Question),
    /// Ask the core what keeps it from promoting a replica of this master.
    WhyNot(MasterName),
    /// Hand the hello on; the reply is 1.
    Hello(Hello),
    /// End the process.
    Shutdown,
    /// Send this, then close the connection.
    Goodbye(Value),
    /// Close the connection.
    Close,
}

/// Something for the runtime.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Operator(event::Request),
    Tune(Tuning),
    Simulate(SimulatedFailures),
}

impl Step {
    pub(super) fn one(value: Value) -> Self {
        Self::Reply(vec![value])
    }

    pub(super) fn ok() -> Self {
        Self::one(Value::OK)
    }

    /// An error; the text begins with its kind, mostly `ERR`.
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::one(Value::error(text))
    }

    pub(super) fn syntax_error() -> Self {
        Self::error("ERR syntax error")
    }

    /// One request of an operator, answered with OK.
    pub(super) fn operate(request: event::Request) -> Self {
        Self::Work(vec![Work::Operator(request)], Value::OK)
    }
}
