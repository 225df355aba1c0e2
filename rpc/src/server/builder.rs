//! A server: services, limits, and a way to end.

use super::{Around, Dispatch, Health, Phase, Place, Serve, Shutdown, Tally, builtin::Builtin, stack};
use crate::{
    access::AccessLog,
    auth::Auth,
    call::{CallService, Channel},
    edge::{HttpService, Setup},
    policy::{ConcurrencyOptions, LimitLayers, LimitState, Limits, Rate},
    transport::{Accept, Http2Limits, Listen, Secure, Shared},
};
use mainstay_registry::Secret;
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tower_layer::Layer;

/// A server that has not begun. It knows nothing of registries: [`App`](crate::App) does.
#[derive(Default)]
pub struct Server {
    pub(super) services: Vec<Arc<dyn Serve>>,
    limits: Http2Limits,
    policies: Limits,
    auth: Option<Auth>,
    access: Option<AccessLog>,
    max_connections: Option<usize>,
    gzip: bool,
    secure: Option<Arc<dyn Secure>>,
    /// The outermost last.
    layers: Vec<Wrap>,
    pub(crate) edge: Setup,
    pub(super) builtin: Builtin,
    place: Place,
}

type Wrap = Box<dyn FnOnce(Channel) -> Channel + Send>;

/// How long those whose streams are cut have to take the status that says so.
const PARTING: Duration = Duration::from_millis(250);

/// Connections that a server accepts when nothing else is said.
const MAX_CONNECTIONS: usize = 10_000;

impl Server {
    /// A server of no service yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a service. Several versions and groups of one may be served.
    #[must_use]
    pub fn serve(mut self, service: impl Serve) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Bounds what one connection may cost.
    #[must_use]
    pub fn limits(mut self, limits: Http2Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Bounds the connections at once; further ones wait in the kernel's queue. Default 10 000.
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = Some(max.max(1));
        self
    }

    /// How many calls may be under way at once; what comes on top stands in line, and is shed when that does not empty.
    /// Health and reflection are not counted. Default: any number.
    #[must_use]
    pub fn concurrency(mut self, options: ConcurrencyOptions) -> Self {
        self.policies.concurrency = Some(options);
        self
    }

    /// Lets no more calls in than this rate allows. Said again: that one must allow a call too. Default: none.
    #[must_use]
    pub fn rate(mut self, rate: Rate) -> Self {
        self.policies.rates.push(rate);
        self
    }

    /// Finds out who calls, and lets those call who may. Default: everybody may, and nobody is asked.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Writes a line for each call that ends, health and reflection included. Default: none.
    #[must_use]
    pub fn access_log(mut self, log: AccessLog) -> Self {
        self.access = Some(log);
        self
    }

    /// Lets in who shows this token too.
    pub(crate) fn shared_token(mut self, token: Secret) -> Self {
        self.auth = Some(self.auth.take().unwrap_or_default().with_shared_token(token));
        self
    }

    /// Compresses answers of 512 bytes and more to callers that accept it.
    #[must_use]
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// Secures each connection before it is served: TLS.
    #[must_use]
    pub fn secure(mut self, secure: impl Secure) -> Self {
        self.secure = Some(Arc::new(secure));
        self
    }

    /// Puts a layer around every call, outside of those that are there.
    ///
    /// Its service must be ready whenever it is called: waiting belongs into the call.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer<Channel, Service: CallService> + Send + 'static) -> Self {
        self.layers.push(Box::new(move |inner| inner.under(layer)));
        self
    }

    /// Serves over TLS alone, as [`Tls::server`](crate::transport::Tls::server) says. Wants the feature `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::transport::ServerTls) -> Self {
        self.secure(tls)
    }

    /// Serves everything under this version and group, where one is given, whatever the traits say. What the server has of
    /// its own (health, reflection) stays outside of both.
    #[must_use]
    pub fn served_as(self, version: Option<&str>, group: Option<&str>) -> Self {
        self.at(Place { version: version.map(Arc::from), group: group.map(Arc::from) })
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// A server that brings nothing along: neither health nor reflection.
    pub fn bare() -> Self {
        Self { builtin: Builtin::none(), ..Self::default() }
    }

    /// What its services are found by.
    #[cfg(feature = "sim")]
    pub(crate) fn keys(&self) -> Vec<mainstay_registry::ServiceKey> {
        self.services.iter().map(|service| self.place.key(service.definition())).collect()
    }

    /// Begins to serve on the current tokio runtime.
    pub fn start(self, accept: impl Accept) -> Running {
        let shutdown = Shutdown::default();
        let services = self.builtin.beside(&self.services, &self.place, &self.edge, &shutdown);
        let limits = self.policies.layers();
        let around = Around { limits: limits.clone(), auth: self.auth, access: self.access.clone() };
        let (dispatch, service) = layered(&services, &self.place, around, self.layers);
        let address = accept.local_address();
        let http1 = self.edge.http1.clone();
        let shared = Shared {
            edge: self.edge.build(dispatch.clone(), service.clone(), self.limits.max_message, self.gzip),
            http1,
            service,
            dispatch,
            limits: self.limits,
            gzip: self.gzip,
            calls: Tally::default(),
            began: Instant::now(),
            shutdown,
            parted: AtomicUsize::default(),
        };
        let listen = Arc::new(Listen {
            shared: Arc::new(shared),
            secure: self.secure,
            connections: Tally::default(),
            max_connections: self.max_connections.unwrap_or(MAX_CONNECTIONS),
        });
        let accepting = tokio::spawn(listen.clone().run(accept));
        Running { listen, accepting, address, health: self.builtin.health, limits, access: self.access }
    }

    /// The server as a service of HTTP, for use inside axum, hyper or tonic. It listens nowhere: connections, their
    /// limits and the drain are the host's affair.
    pub fn into_service(self) -> HttpService {
        let services = self.builtin.beside(&self.services, &self.place, &self.edge, &Shutdown::default());
        let around = Around { limits: self.policies.layers(), auth: self.auth, access: self.access };
        let (dispatch, service) = layered(&services, &self.place, around, self.layers);
        self.edge.build(dispatch, service, self.limits.max_message, self.gzip).into_service()
    }
}

/// The services, and the user's layers around the server stack around them.
fn layered(services: &[Arc<dyn Serve>], place: &Place, around: Around, layers: Vec<Wrap>) -> (Dispatch, Channel) {
    let dispatch = Dispatch::at(place, services.iter().map(|service| &**service));
    let stack = Channel::of_stack(stack(dispatch.clone(), around));
    let service = layers.into_iter().fold(stack, |inner, layer| layer(inner));
    (dispatch, service)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.services.iter().map(|service| service.definition().full_name);
        f.debug_list().entries(services).finish()
    }
}

/// A server at work. Dropping it does not end it.
#[derive(Debug)]
pub struct Running {
    pub(super) listen: Arc<Listen>,
    accepting: JoinHandle<io::Result<()>>,
    address: Option<SocketAddr>,
    pub(super) health: Health,
    limits: LimitLayers,
    access: Option<AccessLog>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that were cut because they did not end in time.
    pub cut_calls: usize,
}

impl Running {
    /// The address that is listened on; `None` in memory.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The names of the layers that a call goes through, top to bottom; empty below a layer of the user's own.
    pub fn layers(&self) -> &[&'static str] {
        self.listen.shared.service.layers()
    }

    /// Connections that are open, handshakes included.
    pub fn connections(&self) -> usize {
        self.listen.connections.count()
    }

    /// Calls under way.
    pub fn calls(&self) -> usize {
        self.listen.shared.calls.count()
    }

    /// How the limits of the server do; empty where none is set.
    pub fn limits(&self) -> Vec<LimitState> {
        self.limits.states()
    }

    /// What moves the server on, for whoever decides about its peers.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.listen.shared.shutdown.clone()
    }

    pub(crate) fn limit_layers(&self) -> LimitLayers {
        self.limits.clone()
    }

    /// Waits until nothing can be accepted any more, which only a failure or a drain brings about. Cancel safe.
    ///
    /// # Errors
    /// When the listener failed.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.accepting).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    /// Ends the server: says so to whoever asks for its health, accepts nothing more, tells every peer to go elsewhere, waits for what is under way up to
    /// `grace`, and cuts the rest. Streams that are left are told so in the last quarter of a second of the grace, or the last
    /// quarter of a shorter one.
    pub async fn drain(&self, grace: Duration) -> Drained {
        let shutdown = &self.listen.shared.shutdown;
        self.health.stop();
        shutdown.to(Phase::Draining);
        let parting = PARTING.min(grace / 4);
        let mut in_time = timeout(grace.saturating_sub(parting), self.listen.connections.zero()).await.is_ok();
        if !in_time {
            shutdown.to(Phase::Parting);
            in_time = timeout(parting, self.listen.connections.zero()).await.is_ok();
        }
        let left = if in_time { 0 } else { self.calls() };
        let cut_calls = left + self.listen.shared.parted.load(Relaxed);
        shutdown.to(Phase::Closed);
        self.listen.connections.zero().await;
        if let Some(log) = self.access.clone() {
            // Its wait is bounded; a runtime that ends has nobody left to wait for.
            let _ = tokio::task::spawn_blocking(move || log.flush()).await;
        }
        Drained { cut_calls }
    }
}
