//! An upstream of gRPC: channels of `mainstay`, one for each interface that is looked up, so that balancing, breakers, rules
//! and connections are those of every client.

use crate::config::{From, LbPolicy, UpstreamConfig};
use mainstay::{
    call::{Channel, Code, Reason, Status},
    client::{Balance, connect_channel},
    transport::ClientTls,
};
use mainstay_registry::{ConfigCenter, Discover};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Interfaces of one upstream that are looked up, at most: a route may take whole packages, and callers name what is in them.
const MAX_CHANNELS: usize = 256;

/// The channels of one upstream.
#[derive(Debug)]
pub(crate) struct GrpcUpstream {
    config: UpstreamConfig,
    finds: Arc<dyn Discover>,
    /// Where rules of operators are kept.
    rules: Option<Arc<dyn ConfigCenter>>,
    tls: Option<ClientTls>,
    /// By interface; of endpoints that are given once there is one channel for all.
    channels: Mutex<HashMap<String, Channel>>,
}

impl GrpcUpstream {
    pub(super) fn new(
        config: UpstreamConfig,
        finds: Arc<dyn Discover>,
        rules: Option<Arc<dyn ConfigCenter>>,
        tls: Option<ClientTls>,
    ) -> Self {
        Self { config, finds, rules, tls, channels: Mutex::default() }
    }

    /// The channel to those who offer an interface.
    ///
    /// # Errors
    /// UNAVAILABLE when too many are known already, or what the file says makes none.
    pub(crate) fn channel(&self, interface: &str) -> Result<Channel, Status> {
        let key = if matches!(self.config.from, From::Registry { .. }) { interface } else { "" };
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(key) {
            return Ok(channel.clone());
        }
        let refuse = |why: String| Status::because(Reason::NoRoute, Code::Unavailable, why).not_reached();
        if channels.len() >= MAX_CHANNELS {
            return Err(refuse(format!("more than {MAX_CHANNELS} interfaces of one upstream are asked for")));
        }
        let channel = self.connect(interface).map_err(|error| refuse(error.to_string()))?;
        channels.insert(key.to_owned(), channel.clone());
        Ok(channel)
    }

    /// The channels that there are, by interface.
    pub(crate) fn known(&self) -> Vec<(String, Channel)> {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = channels.iter().map(|(name, channel)| (name.clone(), channel.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn connect(&self, interface: &str) -> Result<Channel, mainstay::Error> {
        let (application, version, group) = match &self.config.from {
            From::Registry { application, version, group, .. } => {
                (application.as_deref().unwrap_or_default(), version.as_str(), group.as_str())
            }
            From::Endpoints(_) => ("", "", ""),
        };
        let balance = match self.config.lb_policy {
            LbPolicy::LeastRequest => Balance::P2c,
            LbPolicy::RoundRobin => Balance::RoundRobin,
            LbPolicy::Random => Balance::Random,
        };
        let connect = connect_channel(interface, application).registry(self.finds.clone()).rules(self.rules.clone());
        let mut connect = connect.version(version).group(group);
        if let Some(tls) = self.tls.clone() {
            connect = connect.tls(tls);
        }
        // Spans are of requests (`trace/`): what they say of a place in a trace goes on as it is.
        connect.spans(false).balance(balance).connect_timeout(self.config.connect_timeout).build()
    }
}
