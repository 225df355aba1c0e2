//! The life of an application as a list of stages, and whether it is ready. Pure.
//!
//! The order is the promise: what consumers see first must happen first. An instance leaves the registry while it still
//! serves, and stops serving only when nobody should be sending any more.

use mainstay_registry::LeaseState;
use std::{fmt, time::Duration};

/// Where an application stands. Each is entered once, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// It listens and is being registered.
    Serving,
    /// The drain began: readiness is false, so that load balancers look elsewhere.
    Unready,
    /// Health answers NOT_SERVING.
    NotServing,
    /// The registry does not list it any more, or could not be told in time.
    Deregistered,
    /// It went on serving for as long as the news takes to reach consumers.
    Propagated,
    /// Every peer is told to go elsewhere; what is under way goes on, and with it the calls that it makes. Then what the clients
    /// of the application ([`App::console`](super::App::console)) were to send again is sent, for the last time.
    GoAway,
    /// Nothing is under way any more, or it was cut.
    Closed,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Serving,
        Self::Unready,
        Self::NotServing,
        Self::Deregistered,
        Self::Propagated,
        Self::GoAway,
        Self::Closed,
    ];

    /// Stable word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Unready => "unready",
            Self::NotServing => "not-serving",
            Self::Deregistered => "deregistered",
            Self::Propagated => "propagated",
            Self::GoAway => "go-away",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long a lost registration may be repaired before the instance says that it is not ready.
pub(crate) const LOST_GRACE: Duration = Duration::from_secs(10);

/// Why an application is not ready; `Ok` when it is. `lost_for`: how long the registration has been lost.
pub(crate) fn ready(stage: Stage, lease: &LeaseState, lost_for: Option<Duration>) -> Result<(), String> {
    if stage > Stage::Serving {
        return Err("draining".to_owned());
    }
    match lease {
        LeaseState::Registered | LeaseState::Unsupported => Ok(()),
        LeaseState::Lost { .. } if lost_for.is_none_or(|lost| lost < LOST_GRACE) => Ok(()),
        LeaseState::Lost { reason } => Err(format!("the registration is lost: {reason}")),
        LeaseState::Offline => Err("offline: an operator took the registration back".to_owned()),
        state => Err(format!("the registration is {state}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_serving_and_registered_with_a_grace_for_repairs() {
        let lost = LeaseState::Lost { reason: "gone".to_owned() };
        for (stage, lease, lost_for, is_ready) in [
            (Stage::Serving, LeaseState::Pending, None, false),
            (Stage::Serving, LeaseState::Registered, None, true),
            (Stage::Serving, LeaseState::Unsupported, None, true),
            (Stage::Serving, lost.clone(), Some(Duration::from_secs(9)), true),
            (Stage::Serving, lost, Some(Duration::from_secs(10)), false),
            (Stage::Serving, LeaseState::Withdrawn, None, false),
            (Stage::Serving, LeaseState::Offline, None, false),
            (Stage::Unready, LeaseState::Registered, None, false),
            (Stage::Closed, LeaseState::Registered, None, false),
        ] {
            assert_eq!(ready(stage, &lease, lost_for).is_ok(), is_ready, "{stage} {lease} {lost_for:?}");
        }
    }
}
