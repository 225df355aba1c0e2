//! What a client knows of one instance, for people, probes and tests.

use super::{Connectivity, endpoint::Endpoint};
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
    /// Why the last attempt to connect that failed did so; kept while later ones succeed.
    pub last_error: Option<String>,
}

impl Endpoint {
    /// How it does now.
    pub(crate) fn state(&self) -> EndpointState {
        let pool = &self.live.pool;
        EndpointState {
            instance: self.instance.id.clone(),
            address: self.instance.address(),
            connectivity: pool.connectivity(),
            connections: pool.connections(),
            calls: self.live.load.in_flight(),
            last_error: pool.last_error().map(|error| error.as_ref().to_owned()),
        }
    }
}

/// As `127.0.0.1:7001 transient failure: connection refused`.
impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.connectivity)?;
        match &self.last_error {
            Some(error) if self.connectivity == Connectivity::TransientFailure => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}
