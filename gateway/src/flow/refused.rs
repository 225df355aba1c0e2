//! What a request is told that a limit does not let through. Pure.

use super::rule::Metric;
use crate::refusal::Refusal;
use http::{HeaderName, StatusCode};
use std::time::Duration;

/// Which limit, and when to come again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    /// The name of a route or of a group of paths; empty: the gateway as a whole.
    pub(super) resource: String,
    pub(super) why: Why,
    /// The count of the rule that refused.
    pub(super) limit: Option<f64>,
    pub(super) retry_after: Option<Duration>,
    /// When the limit is whole again, where that is known.
    pub(super) reset: Option<Duration>,
}

/// What kind of rule refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    System(Metric),
    Origin,
    Gateway,
    Param,
    Rate,
    /// A limit that gateways share.
    Shared,
    /// The same, and its store is away.
    Store,
    Breaker,
    /// Its turn would come too late.
    Deadline,
}

impl Why {
    /// A stable word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::System(Metric::Qps) => "SYSTEM_QPS",
            Self::System(Metric::Threads) => "SYSTEM_THREADS",
            Self::System(Metric::Rt) => "SYSTEM_RT",
            Self::System(Metric::Load { .. }) => "SYSTEM_LOAD",
            Self::System(Metric::Cpu { .. }) => "SYSTEM_CPU",
            Self::Origin => "ORIGIN_DENIED",
            Self::Gateway => "GATEWAY_LIMITED",
            Self::Param => "PARAM_LIMITED",
            Self::Rate => "RATE_LIMITED",
            Self::Shared => "SHARED_LIMITED",
            Self::Store => "LIMIT_STORE_UNAVAILABLE",
            Self::Breaker => "BREAKER_OPEN",
            Self::Deadline => "DEADLINE_EXCEEDED",
        }
    }
}

impl From<Refused> for Refusal {
    fn from(Refused { why, limit, retry_after, reset, .. }: Refused) -> Self {
        let (status, text) = match why {
            Why::System(_) => (StatusCode::SERVICE_UNAVAILABLE, "the gateway has all that it can bear"),
            Why::Origin => (StatusCode::FORBIDDEN, "the route is not for this caller"),
            Why::Gateway | Why::Param => (StatusCode::TOO_MANY_REQUESTS, "more such requests than the route allows"),
            Why::Rate => (StatusCode::TOO_MANY_REQUESTS, "more requests than the route allows"),
            Why::Shared => (StatusCode::TOO_MANY_REQUESTS, "more such requests than all gateways together allow"),
            Why::Store => (StatusCode::SERVICE_UNAVAILABLE, "how many there were cannot be told just now"),
            Why::Breaker => (StatusCode::SERVICE_UNAVAILABLE, "the route is given up for a while: it did badly"),
            Why::Deadline => {
                (StatusCode::GATEWAY_TIMEOUT, "its turn would have come when nobody waits for it any more")
            }
        };
        let refusal = Self::new(status, why.word(), text);
        let refusal = match (limit, retry_after) {
            (Some(limit), Some(after)) => {
                let headers = rate_headers(limit as u64, 0, reset.unwrap_or(after));
                headers.into_iter().fold(refusal, |refusal, (name, value)| refusal.with(name, value))
            }
            _ => refusal,
        };
        Self { retry_after, ..refusal }
    }
}

/// What a limit is, what is left of it, and after how many seconds it is whole again.
pub(super) fn rate_headers(limit: u64, remaining: u64, reset: Duration) -> [(HeaderName, u64); 3] {
    let reset = u64::try_from(reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    [
        (HeaderName::from_static("x-ratelimit-limit"), limit),
        (HeaderName::from_static("x-ratelimit-remaining"), remaining),
        (HeaderName::from_static("x-ratelimit-reset"), reset),
    ]
}
