//! `StockApiClient::connect("stock")`: from a name to a client, with a safe default for everything.
//!
//! Building is lazy: it reads no socket and waits for nobody, so a dependency that is away keeps no program from
//! starting. The first call does the rest.

use super::{Balance, Client, stack};
use crate::{
    Error,
    call::{CallService, Channel, ServiceDef},
    cluster::{Cluster, HealthSettings, Settings},
    dubbo::metadata::links,
    layer::RetryOptions,
    policy::{BreakerOptions, ConcurrencyOptions, Key, Limits, OutlierOptions, Rate},
    transport::{Connect, Http2Limits, Tcp},
};
use mainstay_registry::{
    Discover, FixedRegistry, Hub, Instance, InstanceId, Lookup, MemoryRegistry, RegistryError, ServiceKey,
};
use std::{fmt, marker::PhantomData, ops::RangeInclusive, sync::Arc, time::Duration};
use tower_layer::Layer;

/// Where instances are looked up: a URL, a [`Hub`], or anything that discovers.
#[derive(Debug)]
pub struct Discovery(Source);

#[derive(Debug)]
enum Source {
    Url(String),
    Is(Arc<dyn Discover>),
}

/// A client being set up. See [`Client`](super::Client) for what it becomes.
pub struct ConnectBuilder<C> {
    definition: &'static ServiceDef,
    version: Option<String>,
    group: Option<String>,
    application: String,
    discovery: Option<Discovery>,
    address: Option<String>,
    settings: Settings,
    retry: RetryOptions,
    limits: Limits,
    timeout: Option<Duration>,
    layers: Vec<Box<dyn FnOnce(Channel) -> Channel>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::transport::ClientTls>,
    client: PhantomData<fn() -> C>,
}

/// A client of what `application` serves of `definition`; an empty name means any application.
pub fn connect<C: From<Client>>(definition: &'static ServiceDef, application: &str) -> ConnectBuilder<C> {
    ConnectBuilder {
        definition,
        version: definition.version.map(str::to_owned),
        group: definition.group.map(str::to_owned),
        application: application.to_owned(),
        discovery: None,
        address: None,
        settings: Settings::default(),
        retry: RetryOptions::default(),
        limits: Limits::default(),
        timeout: None,
        layers: Vec::new(),
        #[cfg(feature = "tls")]
        tls: None,
        client: PhantomData,
    }
}

impl<C: From<Client>> ConnectBuilder<C> {
    /// Looks instances up in this registry: a URL, a [`Hub`], a registry. Several URLs stand with `|` between:
    /// [`SeveralRegistries`](mainstay_registry::SeveralRegistries). Default: the embedded `file://`.
    #[must_use]
    pub fn registry(mut self, registry: impl Into<Discovery>) -> Self {
        self.discovery = Some(registry.into());
        self
    }

    /// Connects to this `host:port` and looks nothing up. It wins over [`registry`](Self::registry).
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Asks for this version, whatever the trait says. Empty: for none.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into()).filter(|version| !version.is_empty());
        self
    }

    /// Asks for this group, whatever the trait says. Empty: for none.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into()).filter(|group| !group.is_empty());
        self
    }

    /// Tells providers which application calls, as Dubbo's do (`tri-consumer-appname`): for their logs and their routing.
    /// Nothing is told by default.
    #[must_use]
    pub fn consumer(mut self, application: impl Into<Arc<str>>) -> Self {
        self.settings.consumer = Some(application.into());
        self
    }

    /// Opens connections in another way than TCP: memory, TLS, a simulated network.
    #[must_use]
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.settings.connector = Arc::new(connector);
        self
    }

    /// Encrypts connections, and trusts whom `tls` says alone: [`Tls::client`](crate::transport::Tls::client). Wants
    /// the feature `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::transport::ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Bounds what one connection may cost.
    #[must_use]
    pub fn limits(mut self, limits: Http2Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How long a call may take when neither the caller nor the method says. Default: 5 s for one that answers with
    /// one message, no bound for one that answers with a stream.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How often a failed call is sent again, at most, when neither the caller nor the method says. Default 2. It still
    /// needs an idempotent method, or a server that was not reached.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// How retries are paced and bounded.
    #[must_use]
    pub fn retry(mut self, options: RetryOptions) -> Self {
        self.retry = options;
        self
    }

    /// How many calls of this client may be under way at once; what comes on top stands in line. Default: any number.
    #[must_use]
    pub fn concurrency(mut self, options: ConcurrencyOptions) -> Self {
        self.limits.concurrency = Some(options);
        self
    }

    /// Lets no more calls out than this rate allows. Said again: that one must allow a call too. Default: none.
    #[must_use]
    pub fn rate(mut self, rate: Rate) -> Self {
        self.limits.rates.push(rate);
        self
    }

    /// How one of several instances is chosen.
    #[must_use]
    pub fn balance(mut self, balance: Balance) -> Self {
        self.settings.balance = balance;
        self
    }

    /// What calls are told apart by when the balance is [`Balance::ConsistentHash`]. Default: the first field of the request.
    #[must_use]
    pub fn hash_by(mut self, key: Key) -> Self {
        self.settings.hash_by = key;
        self
    }

    /// Stays with the instance that was picked as long as it can be used. Default: no.
    #[must_use]
    pub fn sticky(mut self, sticky: bool) -> Self {
        self.settings.sticky = sticky;
        self
    }

    /// Prefers instances of this zone. As fewer of them can be used, more calls go elsewhere: a quarter when it is half of
    /// them. Default: zones do not count.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.settings.zone = Some(zone.into());
        self
    }

    /// How long a new instance grows to its whole share, from when it says that it began to serve. It is held against the
    /// one that has run the longest: where all are new, none is held back. Default 10 minutes; zero switches it off.
    #[must_use]
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.settings.warm_up = warm_up;
        self
    }

    /// How long an instance grows to its whole share after it was left out. Default 10 s.
    #[must_use]
    pub fn slow_start(mut self, slow_start: Duration) -> Self {
        self.settings.slow_start = slow_start;
        self
    }

    /// When an instance that fails most of its calls gets none for a while, whatever the others do; `None` for never.
    #[must_use]
    pub fn breaker(mut self, options: impl Into<Option<BreakerOptions>>) -> Self {
        self.settings.health.breaker = options.into();
        self
    }

    /// The same for one method at each instance, by its name on the wire, as `Hold`. Its calls count for the breaker of the
    /// instance too. Not set by default; slowness belongs here, since what is slow depends on the method.
    #[must_use]
    pub fn method_breaker(mut self, method: impl Into<Arc<str>>, options: BreakerOptions) -> Self {
        self.settings.health.methods.push((method.into(), options));
        self
    }

    /// When an instance that does worse than the others is left out for a while; `None` for never.
    #[must_use]
    pub fn outliers(mut self, options: impl Into<Option<OutlierOptions>>) -> Self {
        self.settings.health.outliers = options.into();
        self
    }

    /// How many connections an instance gets: the first number when it is used at all, more as calls pile up.
    /// Default `1..=4`.
    #[must_use]
    pub fn connections(mut self, connections: RangeInclusive<usize>) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Bounds one attempt to connect. Default 3 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long a call waits for an instance to be there and connected, within its deadline. Default 2 s: long enough
    /// for a restart, short enough to say soon that there is nobody.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Makes what is chosen at random, instances and jitter, the same each time: for simulations.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        (self.settings.seed, self.retry.seed) = (Some(seed), Some(!seed));
        self
    }

    /// Puts a layer of one's own on top of the stack; the one that is added last sees a call first.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer<Channel, Service: CallService> + 'static) -> Self {
        self.layers.push(Box::new(move |channel| channel.under(layer)));
        self
    }

    /// The client. Connects to nobody yet.
    ///
    /// # Errors
    /// A registry URL or an address that cannot be read, a registry that cannot be used on this machine, or TLS whose
    /// certificates are not what they should be.
    pub fn build(self) -> Result<C, Error> {
        let (definition, version, group) = (self.definition, self.version.clone(), self.group.clone());
        Ok(Client::asking(definition, version.as_deref(), group.as_deref(), self.channel()?).into())
    }

    /// The stack below the client: for a client of another type, and to see which layers there are.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    pub fn channel(mut self) -> Result<Channel, Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            self.settings.connector = Arc::new(tls.around(self.settings.connector)?);
        }
        let discover = match (self.address, self.discovery) {
            (Some(address), _) => direct(&address)?,
            (None, Some(discovery)) => discovery.open()?,
            (None, None) => Discovery::from("file://").open()?,
        };
        if let Some(name) = self.settings.consumer.as_deref().filter(|name| !is_visible(name)) {
            let why = "only visible ASCII can be told".to_owned();
            return Err(Error::Setting { what: format!("the consumer's name {name:?}"), why });
        }
        let interface = self.definition.full_name.to_owned();
        let key = ServiceKey { interface, group: self.group, version: self.version };
        let application = Some(self.application).filter(|name| !name.is_empty());
        let lookup = Lookup { key, application };
        let cluster = Cluster::new(discover, lookup, self.settings);
        let known = cluster.clone();
        let endpoints = Arc::new(move || known.states());
        let channel = Channel::of_client(stack(cluster, self.retry, &self.limits, self.timeout), Some(endpoints));
        Ok(self.layers.into_iter().fold(channel, |channel, wrap| wrap(channel)))
    }
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One address that offers whatever is asked of it.
fn direct(text: &str) -> Result<Arc<dyn Discover>, Error> {
    let bad = |why: &str| Error::Address { text: text.chars().take(200).collect(), why: why.to_owned() };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("it has no port"))?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| bad("the port is no number"))?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').ok_or_else(|| bad("the bracket is not closed"))?,
        None if host.contains(':') => return Err(bad("an IPv6 address stands in brackets")),
        None => host,
    };
    if host.is_empty() || host.contains(['/', '@', ' ', '[', ']']) {
        return Err(bad("the host is no name and no IP address"));
    }
    let instance = Instance::new("", host, port).with_id(InstanceId::new(text));
    Ok(Arc::new(FixedRegistry::new([instance])))
}

impl Discovery {
    fn open(self) -> Result<Arc<dyn Discover>, RegistryError> {
        match self.0 {
            Source::Url(url) => Ok(Arc::new(mainstay_registry::connect_with(&url, links())?)),
            Source::Is(discover) => Ok(discover),
        }
    }
}

impl From<&str> for Discovery {
    fn from(url: &str) -> Self {
        Self(Source::Url(url.to_owned()))
    }
}

impl From<String> for Discovery {
    fn from(url: String) -> Self {
        Self(Source::Url(url))
    }
}

impl From<Arc<dyn Discover>> for Discovery {
    fn from(discover: Arc<dyn Discover>) -> Self {
        Self(Source::Is(discover))
    }
}

impl From<Hub> for Discovery {
    fn from(hub: Hub) -> Self {
        Self(Source::Is(Arc::new(hub)))
    }
}

impl From<&Hub> for Discovery {
    fn from(hub: &Hub) -> Self {
        hub.clone().into()
    }
}

impl From<MemoryRegistry> for Discovery {
    fn from(registry: MemoryRegistry) -> Self {
        Self(Source::Is(Arc::new(registry)))
    }
}

impl From<FixedRegistry> for Discovery {
    fn from(registry: FixedRegistry) -> Self {
        Self(Source::Is(Arc::new(registry)))
    }
}

impl<C> fmt::Debug for ConnectBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectBuilder")
            .field("service", &self.definition.full_name)
            .field("application", &self.application)
            .field("discovery", &self.discovery)
            .field("address", &self.address)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connector: Arc::new(Tcp),
            limits: Http2Limits::default(),
            balance: Balance::default(),
            sticky: false,
            hash_by: Key::Field(1),
            zone: None,
            warm_up: Duration::from_secs(600),
            slow_start: Duration::from_secs(10),
            health: HealthSettings::default(),
            connections: 1..=4,
            connect_timeout: Duration::from_secs(3),
            patience: Duration::from_secs(2),
            consumer: None,
            seed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["127.0.0.1:80", "[::1]:80", "stock.local:7001"] {
            assert!(direct(text).is_ok(), "{text}");
        }
        for text in ["", "stock", "stock:", "stock:0", "stock:99999", "::1:80", "[::1:80", ":80", "http://stock:80"] {
            let error = direct(text).unwrap_err().to_string();
            assert!(error.contains("is no address"), "{text}: {error}");
        }
    }
}
