//! `App`: services, a registry and settings, put together into a process that can be found and ends well.

use super::{
    RunningApp, Stage,
    advertise::{Advertised, advertise, listen},
    error::{AppError, Problems},
    offering::Offering,
    operator::Desk,
    probes,
    readiness::Readiness,
    report,
    running::{self, Plan},
    settings::{Settings, scheme},
    sources::{Given, Origin, Resolved, Sources},
};
use crate::{
    Error,
    access::AccessLog,
    call::{CallService, Channel, ServiceDef},
    cluster::TOKEN,
    dubbo::metadata::{Told, links},
    edge::Mountable,
    route::{RuleBoard, RulesFrom},
    server::{Serve, Server},
    transport::{Http2Limits, Secure, Tcp, TcpAccept},
};
use mainstay_registry::{ConfigCenter, Discover, Hub, RegistryUrl, Secret, ServiceKey, connect_with};
use std::{
    collections::BTreeSet,
    fmt::{self, Display},
    fs, io,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::net::UdpSocket;
use tower_layer::Layer;

/// An application: serves, registers, and drains when it is told to end.
///
/// ```no_run
/// # use mainstay::server::Serve;
/// # async fn example(stock: impl Serve) -> Result<(), mainstay::Error> {
/// mainstay::App::from_env("stock")?.serve(stock).run().await
/// # }
/// ```
///
/// [`from_env`](Self::from_env) lets whoever starts the program decide: flags win over `MAINSTAY_…` variables, these over
/// a TOML file (`--config`), that over what the program says here, and that over defaults. `--print-config` shows every
/// value and who set it.
pub struct App {
    application: String,
    server: Server,
    services: Vec<&'static ServiceDef>,
    hub: Option<Hub>,
    rules: RulesFrom,
    sources: Sources,
    pub(super) desk: Desk,
    on_stage: Vec<Box<dyn Fn(Stage) + Send + Sync>>,
}

impl App {
    /// An application of this name, which looks at neither flags nor variables.
    pub fn new(application: impl Into<String>) -> Self {
        Self {
            application: application.into(),
            server: Server::new(),
            services: Vec::new(),
            hub: None,
            rules: RulesFrom::default(),
            sources: Sources::default(),
            desk: Desk::default(),
            on_stage: Vec::new(),
        }
    }

    /// An application of this name that whoever starts it can set up: by the process' flags and variables.
    ///
    /// # Errors
    /// All flags, variables and keys of the file that are unknown or cannot be read, at once.
    pub fn from_env(application: impl Into<String>) -> Result<Self, Error> {
        // What is not Unicode cannot be a name of ours, and as a value it is refused where it is read.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Self::from_sources(application, std::env::args_os().skip(1).map(text), variables)
    }

    /// The same with the arguments (without the program's name) and variables given: for programs that have arguments
    /// of their own, and for tests.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_sources(
        application: impl Into<String>,
        arguments: impl IntoIterator<Item = String>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut sources = Sources::read(arguments, variables, |path: &Path| fs::read_to_string(path));
        let values = Resolved::of(sources.given.clone()).err().unwrap_or_default();
        let problems: Vec<_> = sources.problems.drain(..).chain(values).collect();
        if problems.is_empty() {
            Ok(Self { sources, ..Self::new(application) })
        } else {
            Err(AppError::Settings(Problems(problems)).into())
        }
    }

    /// Serves a service, and registers it.
    #[must_use]
    pub fn serve(mut self, service: impl Serve) -> Self {
        self.services.push(service.definition());
        self.server = self.server.serve(service);
        self
    }

    /// Puts a layer around every call, outside of those that are there.
    ///
    /// Its service must be ready whenever it is called: waiting belongs into the call.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer<Channel, Service: CallService> + Send + 'static) -> Self {
        self.server = self.server.layer(layer);
        self
    }

    /// Mounts any other service of HTTP on the port, as [`Server::mount`]: a tonic service at its name, an `axum::Router`
    /// at `/`. `/livez` and `/readyz` are there already.
    #[must_use]
    pub fn mount(mut self, at: &str, service: impl Mountable) -> Self {
        self.server = self.server.mount(at, service);
        self
    }

    /// Secures each connection before it is served: TLS.
    #[must_use]
    pub fn secure(mut self, secure: impl Secure) -> Self {
        self.server = self.server.secure(secure);
        self
    }

    /// Sets up the server below in ways that have no method here: `app.with_server(|server| server.gzip(true))`. What it
    /// serves and its limits are the application's.
    #[must_use]
    pub fn with_server(mut self, set_up: impl FnOnce(Server) -> Server) -> Self {
        self.server = set_up(self.server);
        self
    }

    /// Registers in the registry that this URL means; in several, with `|` between their URLs:
    /// [`SeveralRegistries`](mainstay_registry::SeveralRegistries). Default `file://`, the embedded one of this machine.
    #[must_use]
    pub fn registry(self, url: impl Display) -> Self {
        self.set("registry", url)
    }

    /// Registers in this registry, whatever the settings say.
    #[must_use]
    pub fn with_hub(mut self, hub: Hub) -> Self {
        self.hub = Some(hub);
        self
    }

    /// Follows the rules about what it registers (its weight, its labels, `disabled`) that are kept in this config centre; none
    /// with `None`. Default: those beside the registry, if it has any. See [`route`](crate::route).
    #[must_use]
    pub fn rules(mut self, center: impl Into<Option<Arc<dyn ConfigCenter>>>) -> Self {
        self.rules = RulesFrom::from(center);
        self
    }

    /// The registry that it will register in, for the clients of whoever calls others while it serves:
    /// `StockApiClient::connect("stock").registry(app.hub()?)`.
    ///
    /// # Errors
    /// When there is no such registry, or it cannot be used on this machine.
    pub fn hub(&mut self) -> Result<Hub, Error> {
        if let Some(hub) = &self.hub {
            return Ok(hub.clone());
        }
        let settings = self.resolve()?.settings;
        let hub = connect_with(&settings.registry, links(Arc::new(Tcp)).in_zone(settings.zone))?;
        Ok(self.hub.insert(hub).clone())
    }

    /// What consumers would be told if it started now, and why; port 0 stands for a free one. Nothing is bound or sent.
    ///
    /// # Errors
    /// When settings cannot be used.
    pub async fn advertised(&self) -> Result<Advertised, Error> {
        Ok(preview(&self.resolve()?).await.1)
    }

    /// Listens on this address: `127.0.0.1:7001`, `:7001` or `[::1]`. Default a free port, on loopback when the registry
    /// is of this machine only, else on all interfaces.
    #[must_use]
    pub fn listen(self, address: impl Display) -> Self {
        self.set("listen", address)
    }

    /// Tells consumers to connect to this host, and port if there is one. Default see [`Advertised`].
    #[must_use]
    pub fn advertise(self, address: impl Display) -> Self {
        self.set("advertise", address)
    }

    /// Says which zone this instance is in.
    #[must_use]
    pub fn zone(self, zone: impl Display) -> Self {
        self.set("zone", zone)
    }

    /// Share of the load relative to other instances. Default 100.
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        self.set("weight", weight)
    }

    /// Says something of this instance that rules may ask for, as `env=gray`; with `dubbo.tag`, only calls with that tag come
    /// here. See [`route`](crate::route).
    #[must_use]
    pub fn label(self, name: impl Display, value: impl Display) -> Self {
        self.set("labels", format!("{name}={value}"))
    }

    /// Serves everything under this version, and registers it so, whatever the traits say.
    #[must_use]
    pub fn service_version(self, version: impl Display) -> Self {
        self.set("service-version", version)
    }

    /// Serves everything in this group, and registers it so, whatever the traits say: one more lane of the same services
    /// in one registry.
    #[must_use]
    pub fn service_group(self, group: impl Display) -> Self {
        self.set("service-group", group)
    }

    /// Lets in who shows the token at this place (`env:NAME` or `file:/path`), beside whom [`Server::auth`] knows. It is
    /// registered, so that consumers find it there, ours and Dubbo's: it keeps out who cannot read the registry.
    #[must_use]
    pub fn token(self, place: impl Display) -> Self {
        self.set("service-token", place)
    }

    /// Writes a line to the output for each call that ends: `json` or `text`. To elsewhere: [`Server::access_log`].
    #[must_use]
    pub fn access_log(self, form: impl Display) -> Self {
        self.set("access-log", form)
    }

    /// How long to serve on after deregistering, and how long calls under way may take to end then.
    #[must_use]
    pub fn drain(self, delay: Duration, grace: Duration) -> Self {
        let millis = |time: Duration| format!("{}ms", time.as_millis());
        self.set("drain-delay", millis(delay)).set("drain-grace", millis(grace))
    }

    /// Calls a function at each [`Stage`], in the order they are entered.
    #[must_use]
    pub fn on_stage(mut self, function: impl Fn(Stage) + Send + Sync + 'static) -> Self {
        self.on_stage.push(Box::new(function));
        self
    }

    pub(super) fn set(mut self, name: &'static str, value: impl Display) -> Self {
        self.sources.given.push(Given { name, text: value.to_string(), origin: Origin::Program });
        self
    }

    /// Serves until the process is told to end, then drains. It is the last thing a `main` does.
    ///
    /// Prints where it listens, what it advertises and why, and the registry. SIGTERM or SIGINT begins the drain; a
    /// second one cuts what is under way. When nothing had to be cut it answers `Ok`; when something was, **it ends the
    /// process with code 75**, since a `main` that returns cannot say so (an embedded application uses
    /// [`start`](Self::start), which never does that). With `--print-config` or `--help` it prints, and answers `Ok`.
    ///
    /// # Errors
    /// When it cannot start, or the listener fails.
    pub async fn run(self) -> Result<(), Error> {
        self.run_until(std::future::pending()).await
    }

    /// The same, and the drain also begins when `stop` is ready.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        if self.sources.help {
            say(&report::help(&self.application));
            return Ok(());
        }
        if self.sources.print {
            let resolved = self.resolve()?;
            let (listening, advertised) = preview(&resolved).await;
            say(&report::settings(&resolved, listening, &advertised));
            return Ok(());
        }
        running::run(self, stop).await
    }

    /// Starts, and answers a handle: for tests, and for programs that have more to do. Nothing is printed.
    ///
    /// # Errors
    /// When settings cannot be used, nothing is served, the address cannot be listened on, or there is no such
    /// registry. A registry that is away is no error: it is tried until it is there.
    pub async fn start(mut self) -> Result<RunningApp, Error> {
        let resolved = self.resolve()?;
        let settings = &resolved.settings;
        if self.services.is_empty() {
            return Err(AppError::NoService { application: self.application }.into());
        }
        let hub = self.hub()?;
        let address = listen(settings.listen, settings.is_local());
        let failed = |source| AppError::Listen { address, source };
        let accept = TcpAccept::bind(address).await.map_err(failed)?;
        let mut limits = Http2Limits::default();
        (limits.max_message, limits.max_streams) = (settings.max_message, settings.max_streams);
        let readiness = Readiness::new(Arc::from(self.on_stage));
        let place = settings.place();
        let keys: Vec<ServiceKey> = self.services.iter().map(|service| place.key(service)).collect();
        if let Some(twice) = twice(&keys) {
            return Err(AppError::ServedTwice { key: twice.to_string() }.into());
        }
        let token = settings.service_token.as_deref().map(Secret::read).transpose();
        let token = token.map_err(|why| AppError::Token { why })?;
        self.server = token.clone().into_iter().fold(self.server, Server::shared_token);
        if let Some(form) = settings.access_log {
            let log = AccessLog::new(form, io::stdout()).map_err(|source| AppError::AccessLog { source })?;
            self.server = self.server.access_log(log);
        }
        let told = Told::default();
        let server = secured(self.server.at(place).telling(&self.application, &told), settings)?;
        let probes = probes::all(&readiness).into_iter();
        let server = probes.fold(server, |server, (path, probe)| server.mount(path, probe));
        let server = server.limits(limits).max_connections(settings.max_connections).start(accept);
        let listening = server.address().unwrap_or(address);
        let routed = routed(&settings.registry, settings.is_local()).await;
        let advertised = advertise(&settings.advertise, listening, settings.is_local(), routed);
        let mut instance = mainstay_registry::Instance::new(&self.application, &advertised.host, advertised.port);
        (instance.zone, instance.weight) = (settings.zone.clone(), settings.weight);
        instance.labels = settings.labels.clone();
        instance.labels.extend(token.iter().map(|token| (TOKEN.to_owned(), token.expose().to_owned())));
        let plan = Plan {
            delay: settings.drain_delay(),
            grace: settings.drain_grace,
            registry: Discover::describe(&hub),
            services: keys.iter().map(ServiceKey::to_string).collect(),
            application: self.application,
            listening,
            advertised,
        };
        let methods: Vec<_> =
            keys.iter().cloned().zip(self.services.iter().map(|service| method_names(service))).collect();
        let registration = mainstay_registry::Registration::new(instance, keys);
        let registration = methods.into_iter().fold(registration, |all, (key, names)| all.with_methods(key, names));
        let (center, board) = (self.rules.center(hub.config_center().ok()), RuleBoard::default());
        let clients = self.desk.console();
        let admin = self.desk.open(&resolved, &readiness, &server, &board, &plan).await?;
        let (peers, news) = (server.shutdown(), plan.delay);
        let offering = Offering { hub, said: registration, told, center, board, peers, news };
        Ok(RunningApp::new(server, admin, clients, offering, readiness, plan))
    }

    pub(super) fn resolve(&self) -> Result<Resolved, AppError> {
        Resolved::of(self.sources.given.clone()).map_err(|problems| AppError::Settings(Problems(problems)))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(|service| service.full_name).collect();
        f.debug_struct("App")
            .field("application", &self.application)
            .field("services", &services)
            .finish_non_exhaustive()
    }
}

/// The names that a service's methods are called by, each once, in order.
fn method_names(service: &ServiceDef) -> Vec<&'static str> {
    let all = service.methods.iter().flat_map(|method| [method.name].into_iter().chain(method.aliases.iter().copied()));
    let names: BTreeSet<_> = all.collect();
    names.into_iter().collect()
}

/// A key that is there more than once.
fn twice(keys: &[ServiceKey]) -> Option<&ServiceKey> {
    keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key)).map(|(_, key)| key)
}

/// The server with the TLS of the settings, if they want it: they win over what the program says.
#[cfg(feature = "tls")]
pub(super) fn secured(server: Server, settings: &Settings) -> Result<Server, AppError> {
    use crate::transport::{ClientAuth, Pem, Tls};
    let Ok(Some(files)) = settings.tls() else { return Ok(server) };
    let tls = Tls::server(Pem::file(files.cert), Pem::file(files.key));
    let tls = match files.client_ca {
        Some(authorities) => tls.client_ca(Pem::file(authorities), ClientAuth::Required),
        None => tls,
    };
    Ok(server.tls(tls.build()?))
}

#[cfg(not(feature = "tls"))]
pub(super) fn secured(server: Server, _: &Settings) -> Result<Server, AppError> {
    Ok(server)
}

/// What would be listened on and advertised.
async fn preview(resolved: &Resolved) -> (SocketAddr, Advertised) {
    let (settings, local) = (&resolved.settings, resolved.settings.is_local());
    let listening = listen(settings.listen, local);
    let advertised = advertise(&settings.advertise, listening, local, routed(&settings.registry, local).await);
    (listening, advertised)
}

/// This machine's address on the way to the registry: what the kernel would send from. Nothing is sent.
async fn routed(registry: &str, local: bool) -> Option<IpAddr> {
    if local || scheme(registry).is_empty() {
        return None;
    }
    let urls = RegistryUrl::parse_all(registry).ok()?;
    let hosts = urls.iter().flat_map(|url| url.authority().split(',')).filter(|host| !host.is_empty());
    for host in hosts {
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:1") };
        if let Ok(ip) = way_to(&host).await {
            return Some(ip);
        }
    }
    None
}

async fn way_to(host: &str) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(host).await?;
    Ok(socket.local_addr()?.ip())
}

/// Prints for people. Nobody to read it is no reason to end.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
