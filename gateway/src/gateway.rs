//! A gateway at work: its listeners, what is in force, and its end.

use crate::{
    access::Log,
    admin,
    config::{Config, FlowConfig, ListenerConfig, RuleKind},
    flow::{self, Limits, Shared, Source},
    ingress::GuardedAccept,
    meters,
    reload::ReloadError,
    snapshot::{BadUpstream, Snapshot},
    stack::Stack,
};
use arc_swap::ArcSwap;
use mainstay::{
    prometheus::Prometheus,
    server::{Running, Server},
    transport::{Http1Limits, Http2Limits, TcpAccept},
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

/// A gateway. Dropping it does not end it.
#[derive(Debug)]
pub struct Gateway {
    current: Arc<ArcSwap<Snapshot>>,
    /// One change at a time.
    changing: Mutex<()>,
    running: Vec<Running>,
    admin: Option<Running>,
    log: Option<Log>,
    /// Follow the rules of flow control.
    following: Vec<JoinHandle<()>>,
}

/// Why a gateway cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener's address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The access log cannot be written.
    #[error("the access log cannot be written: {0}")]
    AccessLog(#[source] io::Error),
    /// An upstream cannot be.
    #[error(transparent)]
    Upstream(#[from] BadUpstream),
    /// The config centre of some rules, or the store of shared limits, cannot be.
    #[error("{0}: {1}")]
    Rules(&'static str, String),
}

impl Gateway {
    /// Listens, and answers what the file says, on the current tokio runtime. The admin port, if the file has one, shows
    /// `metrics`, which is the recorder of the process or none.
    ///
    /// # Errors
    /// What cannot be done on this machine.
    pub async fn start(config: Config, metrics: Option<Prometheus>) -> Result<Self, StartError> {
        let log = config.access_log.as_ref().map(Log::open).transpose().map_err(StartError::AccessLog)?;
        meters::describe();
        let listeners = config.listeners.clone();
        flow::describe();
        let shared = config.limit_store.clone().map(Shared::new).transpose();
        let limits = Limits::new(shared.map_err(|why| StartError::Rules("limit_store", why))?);
        let mut sources = Vec::new();
        for (kind, config) in &config.rules {
            sources.push((*kind, source(config).map_err(|why| StartError::Rules(kind.key(), why))?));
        }
        let operators = config.admin;
        let current = Arc::new(ArcSwap::from_pointee(Snapshot::new(config, None)?));
        let mut running = Vec::new();
        for listener in listeners {
            let accept = TcpAccept::bind(listener.address).await;
            let accept = accept.map_err(|source| StartError::Listen { address: listener.address, source })?;
            let stack = Stack::new(current.clone(), listener.trusted_proxies.clone(), limits.clone(), log.clone());
            running.push(server(&listener).mount("/", stack).start(GuardedAccept(accept)));
        }
        let admin = match operators {
            Some(address) => {
                let started = admin::start(address, current.clone(), limits.clone(), metrics).await;
                Some(started.map_err(|source| StartError::Listen { address, source })?)
            }
            None => None,
        };
        let mut following = Vec::new();
        following.extend(limits.shared().map(|shared| tokio::spawn(shared.keep())));
        for (kind, source) in sources {
            following.push(tokio::spawn(flow::follow(kind, source, limits.clone())));
            if kind == RuleKind::System {
                following.push(tokio::spawn(flow::watch(limits.clone())));
            }
        }
        Ok(Self { current, changing: Mutex::new(()), running, admin, log, following })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.running.iter().filter_map(Running::address)
    }

    /// Where operators ask.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(Running::address)
    }

    /// The version of what is in force: 1, and one more with each text that is taken.
    pub fn version(&self) -> u64 {
        self.current.load().version
    }

    /// Puts another text into force: whole, for requests that come from now on. Connections stay, and so does what is known of
    /// upstreams that are as before. Answers the version.
    ///
    /// # Errors
    /// Why it cannot be; then what was in force stays so.
    pub fn reload(&self, config: Config) -> Result<u64, ReloadError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load_full();
        if old.config == config {
            return Ok(old.version);
        }
        if old.config.listeners != config.listeners {
            return Err(ReloadError::Fixed("listeners"));
        }
        if old.config.access_log != config.access_log {
            return Err(ReloadError::Fixed("access_log"));
        }
        if old.config.admin != config.admin {
            return Err(ReloadError::Fixed("admin"));
        }
        if old.config.limit_store != config.limit_store {
            return Err(ReloadError::Fixed("limit_store"));
        }
        let moved = |kind: &&RuleKind| old.config.rules.get(kind) != config.rules.get(kind);
        if let Some(kind) = RuleKind::ALL.iter().find(moved) {
            return Err(ReloadError::Fixed(kind.key()));
        }
        let new = Snapshot::new(config, Some(&old))?;
        let version = new.version;
        self.current.store(Arc::new(new));
        Ok(version)
    }

    /// Ends the gateway: accepts nothing more, tells peers to go elsewhere, waits for requests under way up to `grace`, and cuts
    /// the rest. Answers how many were cut.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.following.iter().for_each(JoinHandle::abort);
        let drains = self.running.iter().map(|running| running.drain(grace));
        let mut drains: Vec<_> = drains.map(Box::pin).collect();
        let mut cut = 0;
        // All begin at once: each is polled while the first is waited for.
        std::future::poll_fn(|cx| {
            drains.retain_mut(|drain| match drain.as_mut().poll(cx) {
                std::task::Poll::Ready(drained) => {
                    cut += drained.cut_calls;
                    false
                }
                std::task::Poll::Pending => true,
            });
            if drains.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        if let Some(admin) = &self.admin {
            // Probes and pages were answered to the end.
            admin.drain(Duration::from_millis(100)).await;
        }
        if let Some(log) = self.log.clone() {
            // Its wait is bounded; a runtime that ends has nobody left to wait for.
            let _ = tokio::task::spawn_blocking(move || log.to.flush()).await;
        }
        cut
    }
}

/// Where the rules are followed.
fn source(config: &FlowConfig) -> Result<Source, String> {
    match config {
        FlowConfig::File(path) => Ok(Source::File(path.clone())),
        FlowConfig::Center { url, key } => {
            let hub = mainstay_registry::connect(url).map_err(|error| error.to_string())?;
            let center = hub.config_center().map_err(|error| error.to_string())?;
            Ok(Source::Center(center, key.clone()))
        }
    }
}

/// A server of ours that brings nothing along.
fn server(listener: &ListenerConfig) -> Server {
    let max_head = usize::try_from(listener.max_head).unwrap_or(usize::MAX);
    let mut http1 = Http1Limits::default();
    http1.header_timeout = listener.header_timeout;
    http1.stall_timeout = listener.stall_timeout;
    http1.max_head = max_head;
    let mut http2 = Http2Limits::default();
    http2.max_streams = listener.max_streams;
    http2.max_headers = u32::try_from(max_head).unwrap_or(u32::MAX);
    Server::bare().http1_limits(http1).limits(http2).max_connections(listener.max_connections as usize)
}
