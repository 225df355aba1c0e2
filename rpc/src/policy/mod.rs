//! Who lets a call in: decided without waiting, heard of once.
//!
//! A [`Policy`] decides about one call at one moment, and hears once how the call ended. It is a plain state: the time and
//! the randomness are arguments, so that tables, properties and simulations can drive it. All waiting is done by one
//! layer, [`Guard`]: bounded by the call's deadline, and given up without a trace when the call is dropped.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the port: [`Policy`], [`Admission`], [`Decision`], [`Ended`] |
//! | `permit.rs` | that a call was let in; hears how it ended, streams to their last frame |
//! | `guard.rs` | the layer that asks, waits and refuses |
//! | `breaker.rs`, `window.rs` | after too many bad calls: none for a while, then a few to see |
//! | `outlier.rs` | which of several do worse than the others |
//! | `concurrency.rs`, `gradient.rs` | how many calls at once: a number, or what the latency says |
//! | `codel.rs` | who has stood in line for too long |
//! | `rate.rs`, `pace.rs`, `warm.rs`, `store.rs` | how many calls per time; refused, or spread out; of a rate that grows |
//! | `key.rs` | of whom, and of what |
//! | `limits.rs` | what a client or a server is set up with |

mod breaker;
mod codel;
mod concurrency;
mod gradient;
mod guard;
mod key;
mod limits;
mod outlier;
mod pace;
mod permit;
mod rate;
mod store;
mod warm;
mod window;

pub(crate) use breaker::Turn;
pub use breaker::{Breaker, BreakerOptions, BreakerState};
pub(crate) use codel::Codel;
pub use concurrency::{Concurrency, ConcurrencyOptions};
pub use guard::{Guard, GuardLayer, Guarded};
pub use key::Key;
pub use limits::LimitState;
pub(crate) use limits::{LimitLayers, Limits};
pub use outlier::OutlierOptions;
pub(crate) use outlier::{Seen, Verdict, judge};
pub use rate::{Rate, RateLimit};
pub(crate) use window::Window;

use crate::call::{Fault, Invocation, Reason, Status};
use std::{borrow::Cow, time::Duration};
use tonic::Code;

/// Decides which calls are let in. Times count from any fixed moment, the same for all that is asked of one policy.
///
/// Implementations decide and return: they neither wait nor read a clock. Those that wait are put into a [`GuardLayer`].
pub trait Policy: Send + Sync + 'static {
    /// A word for people and metrics, as `concurrency`.
    fn name(&self) -> &'static str;

    /// May this call go on?
    ///
    /// Where it [`hears`](Self::hears), each [`Decision::Permit`] and each [`Decision::At`] is followed by exactly one [`settle`](Self::settle), whatever
    /// becomes of the call.
    fn admit(&self, call: &Admission<'_>, now: Duration, random: u64) -> Decision;

    /// Whether it draws lots. Where it does not, `random` is 0.
    fn draws(&self) -> bool {
        true
    }

    /// Whether it wants to hear how calls end. Where it does not, [`settle`](Self::settle) is not called.
    fn hears(&self) -> bool {
        true
    }

    /// A call that was let in has ended. Answers how many of those that wait for a release may ask again.
    fn settle(&self, ended: &Ended, now: Duration) -> usize;
}

/// What a policy is told of a call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Admission<'a> {
    /// The call.
    pub call: &'a Invocation,
    /// How long it has been here: since it was made, or since it came in.
    pub waited: Duration,
    /// The time that is left to it; `None` for ever.
    pub left: Option<Duration>,
    /// How many others stand in line before the policy.
    pub line: usize,
    /// It stood in line, and asks again.
    pub again: bool,
}

impl<'a> Admission<'a> {
    /// A call that comes for the first time, to an empty line, and has for ever.
    pub fn new(call: &'a Invocation) -> Self {
        Self { call, waited: Duration::ZERO, left: None, line: 0, again: false }
    }
}

/// What a policy makes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is let in.
    Permit,
    /// It is let in, from this time on: its place is kept.
    At(Duration),
    /// It may stand in line, and ask again when a call that was let in has ended.
    OnRelease,
    /// It is not let in.
    Refuse(Refusal),
}

/// Why a call is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The stable reason code.
    pub reason: Reason,
    /// The sentence for people.
    pub message: Cow<'static, str>,
    /// When it may be worth to ask again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that says nothing of later.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), retry_after: None }
    }

    /// The status that the caller gets. Nothing was sent, or nothing was begun, when it was made.
    pub fn into_status(self) -> Status {
        let code = match self.reason {
            Reason::RateLimited => Code::ResourceExhausted,
            Reason::DeadlineExceeded => Code::DeadlineExceeded,
            _ => Code::Unavailable,
        };
        let status = Status::because(self.reason, code, self.message).not_reached();
        match self.retry_after {
            Some(after) => status.with_retry_after(after),
            None => status,
        }
    }
}

/// How a call ended, as far as it says something of who was to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was answered: also with an error of the service's own, or with what the caller did wrong.
    Success,
    /// Who was to answer it failed, or the way there.
    Failure,
    /// Its deadline passed before it was answered.
    Overdue,
    /// It was given up, or it was never begun: it says nothing.
    Cancelled,
}

impl Outcome {
    /// What a failed call says.
    pub fn of(status: &Status) -> Self {
        match (status.reason(), status.fault()) {
            (Reason::Cancelled | Reason::NoInstance | Reason::BreakerOpen, _) | (_, Fault::Local) => Self::Cancelled,
            (Reason::DeadlineExceeded, _) => Self::Overdue,
            (Reason::HandlerPanic, _) | (_, Fault::Network) => Self::Failure,
            (_, Fault::Caller) => Self::Success,
            (_, Fault::Provider) => match status.code() {
                Code::Unavailable => Self::Failure,
                // An error with details is the service's own word. UNKNOWN is how Dubbo sends any exception.
                Code::Internal | Code::DataLoss if status.info().is_none() => Self::Failure,
                Code::DeadlineExceeded => Self::Overdue,
                _ if status.retryable() => Self::Failure,
                _ => Self::Success,
            },
        }
    }

    /// It says something of who was to answer it.
    pub(crate) fn says(self) -> bool {
        self != Self::Cancelled
    }

    /// Who was to answer it is to blame.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failure | Self::Overdue)
    }
}

/// The end of a call that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, from when it was let in.
    pub took: Duration,
}

impl Ended {
    /// The end of a call that was not made.
    pub(crate) fn cancelled() -> Self {
        Self::new(Outcome::Cancelled, Duration::ZERO)
    }

    /// An end.
    pub fn new(outcome: Outcome, took: Duration) -> Self {
        Self { outcome, took }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorInfo;

    #[test]
    fn what_a_failed_call_says_of_who_was_to_answer() {
        let of = |reason, code| Outcome::of(&Status::because(reason, code, ""));
        for (reason, code, outcome) in [
            (Reason::Remote, Code::NotFound, Outcome::Success),
            (Reason::Remote, Code::Unknown, Outcome::Success),
            (Reason::Remote, Code::Internal, Outcome::Failure),
            (Reason::Remote, Code::ResourceExhausted, Outcome::Success),
            (Reason::Remote, Code::DeadlineExceeded, Outcome::Overdue),
            (Reason::RemoteUnavailable, Code::Unavailable, Outcome::Failure),
            (Reason::Handler, Code::InvalidArgument, Outcome::Success),
            (Reason::HandlerPanic, Code::Internal, Outcome::Failure),
            (Reason::ConnectionLost, Code::Unavailable, Outcome::Failure),
            (Reason::ConnectFailed, Code::Unavailable, Outcome::Failure),
            (Reason::NoInstance, Code::Unavailable, Outcome::Cancelled),
            (Reason::BreakerOpen, Code::Unavailable, Outcome::Cancelled),
            (Reason::RateLimited, Code::ResourceExhausted, Outcome::Cancelled),
            (Reason::Cancelled, Code::Cancelled, Outcome::Cancelled),
            (Reason::BadRequest, Code::InvalidArgument, Outcome::Success),
            (Reason::DeadlineExceeded, Code::DeadlineExceeded, Outcome::Overdue),
        ] {
            assert_eq!(of(reason, code), outcome, "{reason} {code:?}");
        }
        let own = Status::because(Reason::Remote, Code::Internal, "").with_info(ErrorInfo::new("BROKEN", "shop"));
        assert_eq!(Outcome::of(&own), Outcome::Success, "an error that the service declares");
    }

    #[test]
    fn every_reason_is_an_outcome_and_a_refusal_keeps_what_it_says() {
        assert!(Reason::ALL.iter().all(|&reason| {
            let outcome = Outcome::of(&Status::because(reason, Code::Unavailable, ""));
            outcome.is_bad() == matches!(outcome, Outcome::Failure | Outcome::Overdue)
        }));
        let mut refusal = Refusal::new(Reason::RateLimited, "too many");
        refusal.retry_after = Some(Duration::from_millis(7));
        let status = refusal.into_status();
        assert_eq!((status.code(), status.retry_after()), (Code::ResourceExhausted, Some(Duration::from_millis(7))));
        assert!(!status.reached_server() && !status.retryable());
    }
}
