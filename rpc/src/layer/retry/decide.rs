//! Whether a failed call is sent again, and when. Pure.
//!
//! The rules, in the order in which they speak:
//!
//! 1. A request that went out as a stream is gone: it is never sent again.
//! 2. A peer that refused the call unseen (it drains, or the connection had just ended) costs nothing: the call moves
//!    to another connection at once, a few times.
//! 3. Where nobody was found, or nobody could be connected to, the cluster has waited already.
//! 4. The failure must be one that another try may mend.
//! 5. What may have reached a server is sent again only when the method is idempotent and one message answers it.
//! 6. The retries that are allowed, the deadline and the budget bound it; the server's own wish for a wait is obeyed.

use crate::call::{Reason, Status};
use mainstay_registry::Backoff;
use std::time::Duration;

/// What is known of the call that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The request is one message, and there is a copy of it.
    pub(crate) copy: bool,
    /// The answer is one message.
    pub(crate) one_answer: bool,
    pub(crate) idempotent: bool,
    /// Retries so far, and how many there may be.
    pub(crate) retried: u32,
    pub(crate) allowed: u32,
    /// Moves so far.
    pub(crate) moved: u32,
    /// The time that is left; `None` for ever.
    pub(crate) left: Option<Duration>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Send it to another connection now. That is no retry: nobody has seen the call.
    Move,
    /// Send it again after this time.
    After(Duration),
    /// Hand the failure on.
    GiveUp(Why),
}

/// What stands against sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The request, or the answer, is a stream.
    Stream,
    /// The wait for an endpoint has been done.
    Waited,
    /// Another try would end the same.
    NotRetryable,
    /// A server may have seen it, and the method is not idempotent.
    NotIdempotent,
    /// No retry is left.
    Spent,
    /// No time is left.
    NoTime,
    /// Too many calls are being sent again.
    Budget,
}

impl Why {
    /// Stable word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::Waited => "WAITED",
            Self::NotRetryable => "NOT_RETRYABLE",
            Self::NotIdempotent => "NOT_IDEMPOTENT",
            Self::Spent => "SPENT",
            Self::NoTime => "NO_TIME",
            Self::Budget => "BUDGET",
        }
    }
}

impl Why {
    /// What sending again can do has been done, or must not be: neither should those do it who are told of the failure.
    pub(crate) fn is_final(self, retried: u32) -> bool {
        matches!(self, Self::Budget) || (matches!(self, Self::Spent) && retried > 0)
    }
}

/// How often a call that nobody saw moves on.
pub(crate) const MOVES: u32 = 3;

/// Decides. `afford` takes one retry out of the budget, and is asked last and only once.
pub(crate) fn decide(
    attempt: Attempt,
    failure: &Status,
    backoff: Backoff,
    random: u64,
    afford: impl FnOnce() -> bool,
) -> Decision {
    if !attempt.copy {
        return Decision::GiveUp(Why::Stream);
    }
    let unseen = !failure.reached_server();
    if unseen && failure.reason() == Reason::StreamRefused && attempt.moved < MOVES {
        return Decision::Move;
    }
    if matches!(failure.reason(), Reason::NoInstance | Reason::ConnectFailed) {
        return Decision::GiveUp(Why::Waited);
    }
    if !failure.retryable() {
        return Decision::GiveUp(Why::NotRetryable);
    }
    if !unseen && !attempt.one_answer {
        return Decision::GiveUp(Why::Stream);
    }
    if !unseen && !attempt.idempotent {
        return Decision::GiveUp(Why::NotIdempotent);
    }
    if attempt.retried >= attempt.allowed {
        return Decision::GiveUp(Why::Spent);
    }
    let wait = failure.retry_after().unwrap_or_else(|| backoff.delay(attempt.retried + 1, random));
    if attempt.left.is_some_and(|left| wait >= left) {
        return Decision::GiveUp(Why::NoTime);
    }
    if afford() { Decision::After(wait) } else { Decision::GiveUp(Why::Budget) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tonic::Code;

    const MS: Duration = Duration::from_millis(1);

    fn fresh() -> Attempt {
        Attempt { copy: true, one_answer: true, idempotent: true, retried: 0, allowed: 2, moved: 0, left: None }
    }

    fn status(reason: Reason, reached: bool) -> Status {
        let status = Status::because(reason, Code::Unavailable, "");
        if reached { status } else { status.not_reached() }
    }

    fn ask(attempt: Attempt, failure: &Status) -> Decision {
        let mut backoff = Backoff::default();
        backoff.first = 10 * MS;
        decide(attempt, failure, backoff, u64::MAX, || true)
    }

    #[test]
    fn the_rules_in_their_order() {
        let (lost, unavailable) = (status(Reason::ConnectionLost, true), status(Reason::RemoteUnavailable, true));
        let refused = status(Reason::StreamRefused, false);
        let give_up = Decision::GiveUp;
        let write = Attempt { idempotent: false, ..fresh() };
        for (attempt, failure, expected) in [
            (Attempt { copy: false, ..fresh() }, &refused, give_up(Why::Stream)),
            (write, &refused, Decision::Move),
            (Attempt { one_answer: false, ..write }, &refused, Decision::Move),
            (Attempt { moved: MOVES, allowed: 0, ..write }, &refused, give_up(Why::Spent)),
            (write, &lost, give_up(Why::NotIdempotent)),
            (write, &unavailable, give_up(Why::NotIdempotent)),
            (write, &status(Reason::Overloaded, false), Decision::After(10 * MS)),
            (Attempt { one_answer: false, ..fresh() }, &lost, give_up(Why::Stream)),
            (fresh(), &status(Reason::NoInstance, false), give_up(Why::Waited)),
            (fresh(), &status(Reason::ConnectFailed, false), give_up(Why::Waited)),
            (fresh(), &status(Reason::Handler, true), give_up(Why::NotRetryable)),
            (fresh(), &status(Reason::DeadlineExceeded, true), give_up(Why::NotRetryable)),
            (fresh(), &unavailable.clone().not_retryable(), give_up(Why::NotRetryable)),
            (fresh(), &lost, Decision::After(10 * MS)),
            (Attempt { retried: 1, ..fresh() }, &lost, Decision::After(20 * MS)),
            (Attempt { retried: 2, ..fresh() }, &lost, give_up(Why::Spent)),
            (Attempt { allowed: 0, ..fresh() }, &lost, give_up(Why::Spent)),
            (Attempt { left: Some(10 * MS), ..fresh() }, &lost, give_up(Why::NoTime)),
            (Attempt { left: Some(11 * MS), ..fresh() }, &lost, Decision::After(10 * MS)),
            (fresh(), &unavailable.clone().with_retry_after(700 * MS), Decision::After(700 * MS)),
            (fresh(), &unavailable.clone().with_retry_after(Duration::ZERO), Decision::After(Duration::ZERO)),
            (
                Attempt { left: Some(500 * MS), ..fresh() },
                &unavailable.clone().with_retry_after(700 * MS),
                give_up(Why::NoTime),
            ),
        ] {
            assert_eq!(ask(attempt, failure), expected, "{attempt:?} {failure:?}");
        }
        assert_eq!(decide(fresh(), &lost, Backoff::default(), 0, || false), give_up(Why::Budget));
    }

    prop_compose! {
        fn attempts()(
            copy: bool, one_answer: bool, idempotent: bool, retried in 0u32..5, allowed in 0u32..4, moved in 0u32..5,
            left in prop::option::of(0u64..2000),
        ) -> Attempt {
            Attempt { copy, one_answer, idempotent, retried, allowed, moved, left: left.map(Duration::from_millis) }
        }
    }

    prop_compose! {
        fn failures()(
            reason in prop::sample::select(Reason::ALL), reached: bool, flip: bool, after in prop::option::of(0u64..1500),
        ) -> Status {
            let mut failure = status(reason, reached);
            if flip {
                failure = failure.not_retryable();
            }
            match after {
                Some(millis) => failure.with_retry_after(Duration::from_millis(millis)),
                None => failure,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// What must hold whatever the order of the rules is.
        #[test]
        fn nothing_is_sent_twice_that_must_not_be(
            attempt in attempts(), failure in failures(), random: u64, affordable: bool,
        ) {
            let mut asked = 0;
            let decision = decide(attempt, &failure, Backoff::default(), random, || { asked += 1; affordable });
            let again = !matches!(decision, Decision::GiveUp(_));
            if again {
                prop_assert!(attempt.copy);
                prop_assert!(!failure.reached_server() || (attempt.idempotent && attempt.one_answer));
            }
            if let Decision::After(wait) = decision {
                prop_assert!(failure.retryable() && affordable && asked == 1);
                prop_assert!(attempt.retried < attempt.allowed);
                prop_assert!(attempt.left.is_none_or(|left| wait < left));
                prop_assert!(failure.retry_after().is_none_or(|wish| wait == wish));
                prop_assert!(wait <= Backoff::default().max);
            }
            if decision == Decision::Move {
                prop_assert!(!failure.reached_server() && attempt.moved < MOVES);
            }
            prop_assert!(asked == 0 || decision == Decision::GiveUp(Why::Budget) || matches!(decision, Decision::After(_)));
        }

        /// And nothing is given up that might have been saved.
        #[test]
        fn what_may_be_sent_again_is(attempt in attempts(), failure in failures(), random: u64) {
            let decision = decide(attempt, &failure, Backoff::default(), random, || true);
            let waited = matches!(failure.reason(), Reason::NoInstance | Reason::ConnectFailed);
            let safe = !failure.reached_server() || (attempt.idempotent && attempt.one_answer);
            let time = attempt.left.is_none_or(|left| left > Duration::from_millis(1500).max(Backoff::default().max));
            if attempt.copy && safe && failure.retryable() && !waited && attempt.retried < attempt.allowed && time {
                prop_assert!(!matches!(decision, Decision::GiveUp(_)), "{:?}", decision);
            }
        }
    }
}
