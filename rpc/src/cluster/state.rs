//! What a client knows of one instance, for people, probes and tests.

use super::{Common, Connectivity, endpoint::Endpoint};
use crate::policy::BreakerState;
use mainstay_registry::InstanceId;
use std::fmt;

/// An instance that a client knows, and how its connections do. A picture of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointState {
    /// Which instance.
    pub instance: InstanceId,
    /// Where it is: `host:port`.
    pub address: String,
    /// How its connections do.
    pub connectivity: Connectivity,
    /// Connections that are open and take calls.
    pub connections: usize,
    /// Calls under way.
    pub calls: usize,
    /// Why it gets no calls now; `None` when it may get some.
    pub avoided: Option<Avoided>,
    /// The worst of its breakers.
    pub breaker: BreakerState,
    /// Why the last attempt to connect that failed did so; kept while later ones succeed.
    pub last_error: Option<String>,
}

/// Why an instance gets no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Avoided {
    /// No connection is open.
    NotConnected,
    /// Its breaker is open.
    BreakerOpen,
    /// It does worse than the others, and is left out for a while.
    LeftOut,
}

impl Avoided {
    /// The stable code, as `LEFT_OUT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "NOT_CONNECTED",
            Self::BreakerOpen => "BREAKER_OPEN",
            Self::LeftOut => "LEFT_OUT",
        }
    }
}

impl Endpoint {
    /// How it does now.
    pub(super) fn state(&self, common: &Common) -> EndpointState {
        let (pool, now) = (&self.live.pool, common.now());
        let avoided = if !pool.is_ready() {
            Some(Avoided::NotConnected)
        } else if !self.live.health.may_ask(None, now) {
            Some(Avoided::BreakerOpen)
        } else {
            common.leaves_out(self, now).then_some(Avoided::LeftOut)
        };
        EndpointState {
            instance: self.instance.id.clone(),
            address: self.instance.address(),
            connectivity: pool.connectivity(),
            connections: pool.connections(),
            calls: self.live.load.in_flight(),
            avoided,
            breaker: self.live.health.breaker(),
            last_error: pool.last_error().map(|error| error.as_ref().to_owned()),
        }
    }
}

/// As `127.0.0.1:7001 transient failure: connection refused`.
impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.connectivity)?;
        if let Some(avoided @ (Avoided::BreakerOpen | Avoided::LeftOut)) = self.avoided {
            write!(f, ", {}", avoided.as_str())?;
        }
        match &self.last_error {
            Some(error) if self.connectivity == Connectivity::TransientFailure => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}
