//! Who answers: upstreams by name. What they are at work with (connections, breakers, who is known) outlives a reload that
//! leaves their definition as it was.
//!
//! | file | what |
//! |---|---|
//! | `http/` | plain HTTP/1.1: endpoints, a pool, a pick |
//! | `grpc.rs` | gRPC, over the clients of `mainstay` |

mod grpc;
mod http;

pub(crate) use grpc::GrpcUpstream;
pub(crate) use http::{Failed, HttpUpstream};

use crate::config::{From, UpstreamConfig};
use mainstay_registry::{Discover, Lookup, RegistryError, ServiceKey, connect};
use std::sync::Arc;

/// One upstream, for routes of either kind.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    /// `None` where nothing says what plain HTTP would look up.
    pub(crate) http: Option<HttpUpstream>,
    pub(crate) grpc: Arc<GrpcUpstream>,
}

impl Upstream {
    /// Begins to follow who is there. Needs the tokio runtime.
    ///
    /// # Errors
    /// A registry that cannot be used on this machine.
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, RegistryError> {
        let (lb_policy, connect_timeout) = (config.lb_policy, config.connect_timeout);
        let (http, hub) = match &config.from {
            From::Endpoints(all) => (Some(HttpUpstream::fixed(all, lb_policy, connect_timeout)), None),
            From::Registry { url, service, application, version, group } => {
                let hub = connect(url)?;
                let following = service.as_ref().map(|service| {
                    let key =
                        ServiceKey::new(service.as_str()).with_version(version.as_str()).with_group(group.as_str());
                    let lookup = Lookup { key, application: application.clone() };
                    HttpUpstream::following(hub.subscribe(lookup), lb_policy, connect_timeout)
                });
                (following, Some(hub))
            }
        };
        Ok(Self { config: config.clone(), http, grpc: Arc::new(GrpcUpstream::new(config.clone(), hub)) })
    }
}
