//! A gateway at work: its listeners, what is in force, and its end.

use crate::{
    access::Log,
    admin::{Admin, Operators},
    builder::Builder,
    chaos::Chaos,
    config::{AdminConfig, Config, FlowConfig, ListenerConfig, RuleKind, RulesFrom},
    flow::{self, Limits, Shared, Source},
    ingress::{Certificates, CrowdAccept, GuardedAccept},
    meters,
    reload::ReloadError,
    risk::{self, Risk},
    snapshot::BadUpstream,
    stack::Stack,
    trace::Tracer,
    versions::Versions,
};
use mainstay::{
    prometheus::Prometheus,
    server::{Running, Server},
    transport::{Http1Limits, Http2Limits, TcpAccept, TlsError},
};
use mainstay_registry::ConfigKey;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinHandle};

/// A gateway. Dropping it does not end it.
#[derive(Debug)]
pub struct Gateway {
    versions: Arc<Versions>,
    running: Vec<Running>,
    admin: Option<Running>,
    log: Option<Log>,
    tracer: Option<Tracer>,
    risk: Risk,
    /// Hears when an operator ends it.
    ending: Arc<Notify>,
    /// They follow the rules of flow control, those of risk, and files of certificates.
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
    /// A listener has no certificate to show.
    #[error("{address}: {source}")]
    Tls {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: TlsError,
    },
    /// The access log cannot be written.
    #[error("the access log cannot be written: {0}")]
    AccessLog(#[source] io::Error),
    /// The collector of spans cannot be.
    #[error("tracing: {0}")]
    Tracing(String),
    /// An upstream cannot be.
    #[error(transparent)]
    Upstream(#[from] BadUpstream),
    /// The config centre of some rules, or the store of shared limits, cannot be.
    #[error("{0}: {1}")]
    Rules(&'static str, String),
    /// What lies on disk of risk control cannot be read.
    #[error("risk: {0}")]
    Risk(String),
    /// A token of the admin port cannot be read.
    #[error("admin: {0}")]
    Admin(String),
}

impl Gateway {
    /// Listens, and answers what the file says, on the current tokio runtime. The admin port, if the file has one, shows
    /// `metrics`, which is the recorder of the process or none.
    ///
    /// # Errors
    /// What cannot be done on this machine.
    pub async fn start(config: Config, metrics: Option<Prometheus>) -> Result<Self, StartError> {
        Self::builder().start(config, metrics).await
    }

    /// A gateway with filters of one's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn with(
        builder: Builder,
        config: Config,
        metrics: Option<Prometheus>,
    ) -> Result<Self, StartError> {
        let log = config.access_log.as_ref().map(Log::open).transpose().map_err(StartError::AccessLog)?;
        let tracer = config.tracing.as_ref().map(Tracer::open).transpose().map_err(StartError::Tracing)?;
        meters::describe();
        let listeners = config.listeners.clone();
        flow::describe();
        let shared = config.limit_store.clone().map(Shared::new).transpose();
        let limits = Limits::new(shared.map_err(|why| StartError::Rules("limit_store", why))?);
        let mut sources = Vec::new();
        for (kind, config) in &config.rules {
            sources.push((*kind, source(config).map_err(|why| StartError::Rules(kind.key(), why))?));
        }
        let risk_source = match &config.risk.rules {
            Some(RulesFrom::File(path)) => Some(Source::File(path.clone())),
            Some(RulesFrom::Center { url, key }) => {
                Some(center(url, key).map_err(|why| StartError::Rules("risk_rules", why))?)
            }
            Some(RulesFrom::Inline(_)) | None => None,
        };
        let risk = Risk::open(&config.risk).map_err(StartError::Risk)?;
        let operators = config.admin.clone();
        let versions = Arc::new(Versions::begin(config, risk.clone())?);
        let chaos = Chaos::default();
        let (current, filters) = (versions.current.clone(), Arc::<[_]>::from(builder.filters));
        let (mut running, mut following) = (Vec::new(), Vec::new());
        for listener in listeners {
            let accept = TcpAccept::bind(listener.address).await;
            let accept = accept.map_err(|source| StartError::Listen { address: listener.address, source })?;
            let accept = CrowdAccept::new(accept, &listener);
            let stack = Stack::new(
                current.clone(),
                &listener,
                filters.clone(),
                (limits.clone(), risk.clone(), chaos.clone()),
                (log.clone(), tracer.clone()),
            );
            let server = server(&listener).mount("/", stack);
            let address = listener.address;
            let secured = listener.tls.as_ref().map(Certificates::read).transpose();
            running.push(match secured.map_err(|source| StartError::Tls { address, source })? {
                None => server.start(GuardedAccept(accept)),
                Some(certificates) => {
                    let server = server.secure(certificates.secure());
                    following.push(tokio::spawn(certificates.follow()));
                    server.start(accept)
                }
            });
        }
        let ending = Arc::<Notify>::default();
        let admin = match operators {
            Some(AdminConfig { address, tokens }) => {
                let operators = Operators::read(&tokens).map_err(StartError::Admin)?;
                let (guards, ending) = ((risk.clone(), chaos), ending.clone());
                let admin = Admin::new(versions.clone(), limits.clone(), metrics, operators, guards, ending);
                let started = admin.start(address).await;
                Some(started.map_err(|source| StartError::Listen { address, source })?)
            }
            None => None,
        };
        following.extend(limits.shared().map(|shared| tokio::spawn(shared.keep())));
        for (kind, source) in sources {
            following.push(tokio::spawn(flow::follow(kind, source, limits.clone())));
            if kind == RuleKind::System {
                following.push(tokio::spawn(flow::watch(limits.clone())));
            }
        }
        following.extend(risk_source.map(|source| tokio::spawn(risk::follow(source, risk.clone()))));
        Ok(Self { versions, running, admin, log, tracer, risk, ending, following })
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
        self.versions.version()
    }

    /// Puts another text into force: whole, for requests that come from now on. Connections stay, and so does what is known of
    /// upstreams that are as before. Answers the version.
    ///
    /// # Errors
    /// Why it cannot be; then what was in force stays so.
    pub fn reload(&self, config: Config) -> Result<u64, ReloadError> {
        self.versions.put(config)
    }

    /// The versions before the one in force that can be put into force again, the oldest first: at most ten.
    pub fn earlier(&self) -> Vec<u64> {
        self.versions.earlier()
    }

    /// Puts what an earlier version said into force again, as a new version, which it answers. It stays until the file changes
    /// the next time.
    ///
    /// # Errors
    /// The version is not kept, or cannot be any more.
    pub fn roll_back(&self, to: u64) -> Result<u64, ReloadError> {
        self.versions.roll_back(to)
    }

    /// Waits until an operator asks at the admin port that the gateway ends: then it is time to [`drain`](Self::drain). One who waits
    /// hears of it, also when it was asked before. Cancel safe.
    pub async fn asked_to_end(&self) {
        self.ending.notified().await;
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
        let risk = self.risk.clone();
        let _ = tokio::task::spawn_blocking(move || risk.flush()).await;
        if let Some(tracer) = self.tracer.clone() {
            let _ = tokio::task::spawn_blocking(move || tracer.close()).await;
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
        FlowConfig::Center { url, key } => center(url, key),
    }
}

fn center(url: &str, key: &ConfigKey) -> Result<Source, String> {
    let hub = mainstay_registry::connect(url).map_err(|error| error.to_string())?;
    let center = hub.config_center().map_err(|error| error.to_string())?;
    Ok(Source::Center(center, key.clone()))
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
    // Large frames are for those who know each other: what browsers and proxies send is no larger than HTTP/2's own bound.
    http2.max_frame = 16 * 1024;
    http2.max_headers = u32::try_from(max_head).unwrap_or(u32::MAX);
    Server::bare().http1_limits(http1).limits(http2).max_connections(listener.max_connections as usize)
}
