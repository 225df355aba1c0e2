//! Who answers: upstreams by name. What they are at work with (connections, breakers, who is known) outlives a reload that
//! leaves their definition as it was.
//!
//! | file | what |
//! |---|---|
//! | `http/` | plain HTTP/1.1: endpoints, a pool, a pick |
//! | `grpc.rs` | gRPC, over the clients of `mainstay` |
//! | `check/` | asks endpoints whether they are well, and leaves out who is not, for both |
//! | `wire.rs` | how connections are made: plain, or encrypted |

mod check;
mod grpc;
mod http;
mod wire;

pub(crate) use check::{Checks, Health};
pub(crate) use grpc::GrpcUpstream;
pub(crate) use http::{Failed, HttpUpstream, Terms};

use crate::config::{Address, From, UpstreamConfig};
use check::Checked;
use mainstay::transport::TlsError;
use mainstay_registry::{Discover, FixedRegistry, Instance, InstanceId, Lookup, RegistryError, ServiceKey, connect};
use std::sync::Arc;
use wire::Wire;

/// One upstream, for routes of either kind.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    /// `None` where nothing says what plain HTTP would look up.
    pub(crate) http: Option<HttpUpstream>,
    pub(crate) grpc: Arc<GrpcUpstream>,
    /// What is known of its endpoints' health, where they are asked.
    pub(crate) checks: Option<Arc<Checks>>,
}

/// Why an upstream cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

impl Upstream {
    /// Begins to follow who is there. Needs the tokio runtime.
    ///
    /// # Errors
    /// A registry that cannot be used on this machine, or certificates that cannot be read.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        let wire = Wire::new(config.tls.as_ref())?;
        let checks = config.check.clone().map(|check| Checks::new(check, wire.clone()));
        let (finds, rules): (Arc<dyn Discover>, _) = match &config.from {
            From::Endpoints(all) => (Arc::new(fixed(all)), None),
            From::Registry { url, .. } => {
                let hub = connect(url)?;
                let rules = hub.config_center().ok();
                (Arc::new(hub), rules)
            }
        };
        let finds = match &checks {
            Some(checks) => Arc::new(Checked::new(finds, checks.clone())),
            None => finds,
        };
        let http = match &config.from {
            // Without a check nobody changes: they are there at once.
            From::Endpoints(all) if checks.is_none() => Some(HttpUpstream::fixed(all, config, &wire)),
            From::Endpoints(_) => {
                let lookup = Lookup::new(ServiceKey::new(""));
                Some(HttpUpstream::following(finds.subscribe(lookup), config, &wire))
            }
            From::Registry { service, application, version, group, .. } => service.as_ref().map(|service| {
                let key = ServiceKey::new(service.as_str()).with_version(version.as_str()).with_group(group.as_str());
                let lookup = Lookup { key, application: application.clone() };
                HttpUpstream::following(finds.subscribe(lookup), config, &wire)
            }),
        };
        let grpc = Arc::new(GrpcUpstream::new(config.clone(), finds, rules, wire.tls));
        Ok(Self { config: config.clone(), http, grpc, checks })
    }
}

fn fixed(endpoints: &[Address]) -> FixedRegistry {
    FixedRegistry::new(endpoints.iter().map(|at| {
        let mut instance = Instance::new("", at.host.as_str(), at.port);
        instance.id = InstanceId::new(format!("{}:{}", at.host, at.port));
        instance.started_at = 0;
        instance
    }))
}
