//! `StockApiClient::connect("stock")`: from a name to a client, with a safe default for everything.
//!
//! Building is lazy: it reads no socket and waits for nobody, so a dependency that is away keeps no program from
//! starting. The first call does the rest.

use super::{Above, Client, Discovery, discovery::direct, known::Known, showing::Showing, stack};
use crate::{
    Error,
    call::{CallService, Channel, Insight, ServiceDef},
    cluster::{Cluster, HealthSettings, Settings},
    layer::{Cares, Degrade, FailureLayer, FaultPolicy, RetryOptions, Ruled, Side, TraceLayer},
    policy::{ConcurrencyOptions, Key, Limits, Rate},
    route::RulesFrom,
    transport::{Connect, Http2Limits, Tcp},
};
use mainstay_registry::{ConfigCenter, Lookup, ServiceKey};
use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc, time::Duration};
use tonic::metadata::{Ascii, MetadataValue};
use tower_layer::Layer;

/// A client being set up. See [`Client`](super::Client) for what it becomes.
pub struct ConnectBuilder<C> {
    definition: &'static ServiceDef,
    /// What is looked up.
    interface: String,
    version: Option<String>,
    group: Option<String>,
    application: String,
    discovery: Option<Discovery>,
    address: Option<String>,
    rules: RulesFrom,
    cares: Cares,
    pub(super) settings: Settings,
    retry: RetryOptions,
    limits: Limits,
    timeout: Option<Duration>,
    trace: TraceLayer,
    layers: Vec<Box<dyn FnOnce(Channel) -> Channel>>,
    pub(super) showing: Showing,
    #[cfg(feature = "server")]
    consoles: Vec<crate::admin::Console>,
    #[cfg(feature = "tls")]
    tls: Option<crate::transport::ClientTls>,
    client: PhantomData<fn() -> C>,
}

/// A client of what `application` serves of `definition`; an empty name means any application.
pub fn connect<C: From<Client>>(definition: &'static ServiceDef, application: &str) -> ConnectBuilder<C> {
    ConnectBuilder {
        definition,
        interface: definition.full_name.to_owned(),
        version: definition.version.map(str::to_owned),
        group: definition.group.map(str::to_owned),
        application: application.to_owned(),
        discovery: None,
        address: None,
        rules: RulesFrom::default(),
        cares: Cares::default(),
        settings: Settings::default(),
        retry: RetryOptions::default(),
        limits: Limits::default(),
        timeout: None,
        trace: TraceLayer::new(Side::Client),
        layers: Vec::new(),
        showing: Showing::default(),
        #[cfg(feature = "server")]
        consoles: Vec::new(),
        #[cfg(feature = "tls")]
        tls: None,
        client: PhantomData,
    }
}

/// What nobody has a trait of.
static UNDESCRIBED: ServiceDef =
    ServiceDef { package: "", name: "", full_name: "", version: None, group: None, docs: "", methods: &[] };

/// A channel to those who offer an interface that is named at run time, as a gateway does it: what the calls are of, their
/// [`Method`](crate::call::Method)s say. An empty name of an application means any. What is said of single methods needs a trait.
pub fn connect_channel(interface: impl Into<String>, application: &str) -> ConnectBuilder<Channel> {
    ConnectBuilder { interface: interface.into(), ..connect(&UNDESCRIBED, application) }
}

impl<C: From<Client>> ConnectBuilder<C> {
    /// Looks instances up in this registry: a URL, a [`Hub`](mainstay_registry::Hub), a registry. Several URLs stand with `|` between:
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

    /// Follows the rules that are kept in this config centre; in none with `None`. Default: the one beside the registry, if
    /// it has one. See [`route`](crate::route).
    #[must_use]
    pub fn rules(mut self, center: impl Into<Option<Arc<dyn ConfigCenter>>>) -> Self {
        self.rules = RulesFrom::from(center);
        self
    }

    /// Gives a tag to calls that have none: Dubbo's traffic colour, `dubbo.tag`. They go to instances with that tag as far as
    /// there are any, and so do the calls that are made while they are handled. Visible ASCII. Default: none.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.settings.tag = Some(tag.into());
        self
    }

    /// Says something of this client that rules may ask for, as `env=gray`, or `host=10.0.1.7`: its application
    /// ([`consumer`](Self::consumer)) and its [`zone`](Self::zone) they know.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.labels.insert(name.into(), value.into());
        self
    }

    /// Opens connections in another way than TCP: memory, TLS, a simulated network.
    #[must_use]
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.settings.connector = Arc::new(connector);
        self.showing.is_plain = false;
        self
    }

    /// Encrypts connections, and trusts whom `tls` says alone: [`Tls::client`](crate::transport::Tls::client). Wants
    /// the feature `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::transport::ClientTls) -> Self {
        self.tls = Some(tls);
        self.showing.is_plain = false;
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

    /// Whether calls have spans. Without, the place in a trace that a call brings, or that of the request that is being handled, is
    /// handed on as it came: for who makes spans of their own. Default: yes.
    #[must_use]
    pub fn spans(mut self, spans: bool) -> Self {
        self.trace = self.trace.spans(spans);
        self
    }

    /// How often a failed call is sent again, at most, when neither the caller nor the method says. Default 2. It still
    /// needs an idempotent method, or a server that was not reached.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// How long one try of a method that is idempotent and answers with one message may take before another instance is asked, as
    /// retries, budget and deadline allow; where they do not, it goes on. Default: as long as the call.
    #[must_use]
    pub fn per_try_timeout(mut self, timeout: Duration) -> Self {
        self.retry.per_try_timeout = Some(timeout);
        self
    }

    /// How retries are paced and bounded.
    #[must_use]
    pub fn retry(mut self, options: RetryOptions) -> Self {
        self.retry = options;
        self
    }

    /// What becomes of calls that fail. Default: [`FaultPolicy::Failover`]. What is said of a method alone is said after this.
    #[must_use]
    pub fn fault_policy(mut self, policy: FaultPolicy) -> Self {
        self.cares.all.policy = policy;
        self
    }

    /// The same of one method, by its name on the wire, as `Hold`.
    #[must_use]
    pub fn method_fault_policy(mut self, method: impl Into<Arc<str>>, policy: FaultPolicy) -> Self {
        self.cares.entry(method.into()).policy = policy;
        self
    }

    /// What callers of one method, by its name on the wire, get instead of an answer. Default: the failure.
    #[must_use]
    pub fn degrade(mut self, method: impl Into<Arc<str>>, degrade: Degrade) -> Self {
        self.cares.entry(method.into()).degrade = Some(degrade);
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

    /// Makes what is chosen at random, instances and jitter, the same each time: for simulations.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        (self.settings.seed, self.retry.seed) = (Some(seed), Some(!seed));
        self
    }

    /// Shows the client on the admin port of an application: [`App::console`](crate::App::console).
    #[cfg(feature = "server")]
    #[must_use]
    pub fn console(mut self, console: &crate::admin::Console) -> Self {
        self.consoles.push(console.clone());
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
        let (discover, beside) = match (self.address, self.discovery) {
            (Some(address), _) => (direct(&address)?, None),
            (None, discovery) => discovery.unwrap_or_else(|| "file://".into()).open(&self.settings.connector)?,
        };
        self.settings.rules = self.rules.center(beside);
        let tag = self.settings.tag.as_deref().map(tag_value).transpose()?;
        if let Some(name) = self.settings.consumer.as_deref().filter(|name| !is_visible(name)) {
            let why = "only visible ASCII can be told".to_owned();
            return Err(Error::Setting { what: format!("the consumer's name {name:?}"), why });
        }
        let key = ServiceKey { interface: self.interface, group: self.group, version: self.version };
        let application = Some(self.application).filter(|name| !name.is_empty());
        let lookup = Lookup { key, application };
        self.settings.cares = self.cares.clone();
        let cluster = Cluster::new(discover, lookup, self.settings);
        let failure = FailureLayer::new(self.cares, self.definition)
            .map_err(|why| Error::Setting { what: "what becomes of calls that fail".to_owned(), why })?;
        let ruled = Ruled::layer(tag, cluster.tunes());
        let credentials = self.showing.credentials()?;
        let limits = self.limits.layers();
        let known = Known { cluster: cluster.clone(), limits: limits.clone(), failure: failure.clone() };
        let (insight, above): (Arc<dyn Insight>, _) = (Arc::new(known), Above { trace: self.trace, failure, ruled });
        #[cfg(feature = "server")]
        self.consoles.iter().for_each(|console| console.show(&insight));
        let channel =
            Channel::of_client(stack(cluster, above, self.retry, &limits, self.timeout, credentials), Some(insight));
        Ok(self.layers.into_iter().fold(channel, |channel, wrap| wrap(channel)))
    }
}

/// What travels with the calls of a client that has a tag.
fn tag_value(tag: &str) -> Result<MetadataValue<Ascii>, Error> {
    tag.parse().ok().filter(|_| is_visible(tag)).ok_or_else(|| Error::Setting {
        what: format!("the tag {tag:?}"),
        why: "only visible ASCII can be told".to_owned(),
    })
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl<C> fmt::Debug for ConnectBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectBuilder")
            .field("service", &self.interface)
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
            balance: super::Balance::default(),
            sticky: false,
            hash_by: Key::Field(1),
            zone: None,
            warm_up: Duration::from_secs(600),
            slow_start: Duration::from_secs(10),
            health: HealthSettings::default(),
            concurrency: None,
            connections: 1..=4,
            connect_timeout: Duration::from_secs(3),
            patience: Duration::from_secs(2),
            consumer: None,
            rules: None,
            tag: None,
            labels: BTreeMap::new(),
            cares: Cares::default(),
            seed: None,
        }
    }
}
