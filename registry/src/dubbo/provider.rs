//! The interface level: a provider as a URL, `tri://host:port/path?name=value&…`, and what it offers. Pure.
//!
//! In ZooKeeper the whole URL, encoded, is the name of a node; in Nacos its parts are the metadata of an instance. What a
//! peer wrote is garbage until it is proved: a URL that cannot be taken is skipped for a stated reason, and nothing panics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use super::escape::{self, decode_value, encode_value, percent};
use crate::{
    instance::{DEFAULT_WEIGHT, Instance, InstanceId, Registration, address},
    key::{MAX_KEY_LEN, ServiceKey},
};

/// Longest URL that is taken, in bytes, encoded or not.
pub const MAX_URL: usize = 64 * 1024;
/// Longest host that is taken, in bytes: the longest name that the domain name system has.
const MAX_HOST: usize = 253;
/// Most parameters of a peer that become labels.
const MAX_LABELS: usize = 128;
/// Times below this are in seconds, as dubbo-go writes them; in milliseconds it is a day in 1973.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Protocol level, not the release: all of Dubbo 2 and 3 write this.
const DUBBO: &str = "2.0.2";
const RELEASE: &str = concat!("mainstay-", env!("CARGO_PKG_VERSION"));
/// What the releases of dubbo-go start with.
const DUBBO_GO: &str = "dubbo-golang-";
/// The label that keeps the path of requests, where a peer has another one than the interface.
const PATH: &str = "dubbo.path";
/// Before the name of a label that would otherwise be read as one of the parameters below.
const LABEL: &str = "mainstay.label.";

/// Parameters that say something else than a label does.
const OWN: &[&str] = &[
    "anyhost",
    "application",
    "background",
    "category",
    "deprecated",
    "disabled",
    "dubbo",
    "dynamic",
    "enabled",
    "generic",
    "group",
    "interface",
    "mainstay.epoch",
    "mainstay.id",
    "mainstay.role",
    "methods",
    "pid",
    "release",
    "service",
    "service-name-mapping",
    "side",
    "timestamp",
    "version",
    "weight",
    "zone",
];

/// Parameters that say which service it is and what it can do, and nothing of who offers it.
pub(super) const NAMING: &[&str] = &["group", "interface", "methods", "service", "version"];
/// Parameters of an instance that have a say in which service it offers.
pub(super) const RENAMING: &[&str] = &["group", "release", "version"];

/// A provider as Dubbo writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderUrl {
    /// `tri` for gRPC over HTTP/2.
    pub protocol: String,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// 0 when none is given.
    pub port: u16,
    /// The path that requests go to, without a slash; mostly the interface.
    pub path: String,
    /// The rest, as read; the values are plain text.
    pub parameters: BTreeMap<String, String>,
}

/// Why a peer's record is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skipped {
    /// It is longer than [`MAX_URL`].
    #[error("it is longer than {MAX_URL} bytes")]
    TooLong,
    /// It is not percent-encoded as it should be.
    #[error("it is badly encoded: {0}")]
    Garbled(escape::Garbled),
    /// It is not `protocol://host:port/path?…`.
    #[error("it is not a URL `protocol://host:port/path?…`")]
    NotAUrl,
    /// There is no port, or none that is a number.
    #[error("it has no port")]
    NoPort,
    /// It speaks something else than Triple.
    #[error("its protocol is not `tri`")]
    Protocol,
    /// It is no provider, but a consumer, a rule, or something else.
    #[error("it is no provider")]
    NotAProvider,
    /// Somebody switched it off.
    #[error("it is disabled")]
    Disabled,
    /// It offers another interface than the one it stands under, or none.
    #[error("it names no interface that could be looked up")]
    Interface,
    /// A parameter that matters cannot be read.
    #[error("the parameter `{0}` cannot be read")]
    Parameter(&'static str),
}

impl Skipped {
    /// Stable word for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Garbled(_) => "garbled",
            Self::NotAUrl => "not-a-url",
            Self::NoPort => "no-port",
            Self::Protocol => "protocol",
            Self::NotAProvider => "not-a-provider",
            Self::Disabled => "disabled",
            Self::Interface => "interface",
            Self::Parameter(_) => "parameter",
        }
    }
}

impl ProviderUrl {
    /// A URL of these parts; for registries that keep them apart.
    pub fn new(
        protocol: impl Into<String>,
        host: impl Into<String>,
        port: u16,
        path: impl Into<String>,
        parameters: BTreeMap<String, String>,
    ) -> Self {
        Self { protocol: protocol.into(), host: host.into(), port, path: path.into(), parameters }
    }

    /// How `registration` announces its service `key`.
    pub fn of(registration: &Registration, key: &ServiceKey) -> Self {
        let instance = &registration.instance;
        let mut parameters = parameters_of(registration, key);
        let given = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
        let started = (instance.started_at > 0).then(|| instance.started_at.to_string());
        let weight = (instance.weight != DEFAULT_WEIGHT).then(|| instance.weight.to_string());
        parameters.extend(
            [
                given("timestamp", started),
                given("weight", weight),
                given("zone", instance.zone.clone()),
                given("mainstay.id", Some(instance.id.to_string())),
                given("mainstay.role", instance.role.clone()),
                given("mainstay.epoch", instance.epoch.map(|epoch| epoch.to_string())),
            ]
            .into_iter()
            .flatten(),
        );
        Self::new("tri", instance.host.clone(), instance.port, key.interface.clone(), parameters)
    }

    /// The URL behind the name of a node.
    ///
    /// # Errors
    /// [`Skipped`], when it is none.
    pub fn from_node(name: &str) -> Result<Self, Skipped> {
        let text = escape::decode(name, MAX_URL).map_err(|why| match why {
            escape::Garbled::TooLong => Skipped::TooLong,
            why => Skipped::Garbled(why),
        })?;
        Self::parse(&text)
    }

    /// The name of the node: the URL, encoded as a whole.
    pub fn to_node(&self) -> String {
        escape::encode(&self.to_string())
    }

    /// Takes a URL apart that is no longer encoded.
    ///
    /// # Errors
    /// [`Skipped`], when it is none.
    pub fn parse(text: &str) -> Result<Self, Skipped> {
        if text.len() > MAX_URL {
            return Err(Skipped::TooLong);
        }
        let (protocol, rest) = text.split_once("://").ok_or(Skipped::NotAUrl)?;
        let (place, query) = rest.split_once('?').ok_or(Skipped::NotAUrl)?;
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = host_and_port(authority)?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let parameters = pairs.map(|(name, value)| (decode_value(name), decode_value(value))).collect();
        Ok(Self::new(protocol, host, port, decode_value(path), parameters))
    }

    /// What it offers to a consumer of `interface`, in whose list it stands: by Dubbo's rules the consumer's interface
    /// counts, whatever the provider calls it. Group and version are the provider's.
    ///
    /// # Errors
    /// [`Skipped`], when no call should go there.
    pub fn offered(&self, interface: &str) -> Result<(ServiceKey, Instance), Skipped> {
        let instance = self.told(interface)?;
        Ok((self.named(interface)?, instance))
    }

    /// Who offers it. [`NAMING`] parameters have no say in this, nor has the path where it is the interface.
    pub(super) fn told(&self, interface: &str) -> Result<Instance, Skipped> {
        self.is_for_us()?;
        if self.port == 0 {
            return Err(Skipped::NoPort);
        }
        let host = self.host.as_str();
        if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
            return Err(Skipped::NotAUrl);
        }
        let mut instance = self.instance()?;
        let path = self.path.trim_matches('/');
        if !path.is_empty() && path != interface {
            instance.labels.insert(PATH.to_owned(), path.to_owned());
        }
        Ok(instance)
    }

    /// What it offers.
    pub(super) fn named(&self, interface: &str) -> Result<ServiceKey, Skipped> {
        let key = self.key(interface);
        let short = !interface.is_empty() && key.to_string().len() <= MAX_KEY_LEN;
        if short { Ok(key) } else { Err(Skipped::Interface) }
    }

    /// The interface that it names: by parameter, or by its path.
    pub fn interface(&self) -> &str {
        self.text("interface").or_else(|| self.text("service")).unwrap_or(self.path.trim_matches('/'))
    }

    fn key(&self, interface: &str) -> ServiceKey {
        // dubbo-go writes 0.0.0 for a service without a version.
        let version = self.text("version").filter(|version| !(self.is_dubbo_go() && *version == "0.0.0"));
        let key = ServiceKey::new(interface).with_group(self.text("group").unwrap_or_default());
        key.with_version(version.unwrap_or_default())
    }

    fn is_for_us(&self) -> Result<(), Skipped> {
        let is = |name: &str, value: &str| self.text(name) == Some(value);
        match () {
            () if self.text("category").is_some_and(|category| category != "providers") => Err(Skipped::NotAProvider),
            () if self.text("side").is_some_and(|side| side != "provider") => Err(Skipped::NotAProvider),
            () if matches!(self.protocol.as_str(), "consumer" | "override" | "route" | "empty" | "admin") => {
                Err(Skipped::NotAProvider)
            }
            () if is("enabled", "false") || is("disabled", "true") => Err(Skipped::Disabled),
            () if self.protocol != "tri" => Err(Skipped::Protocol),
            () => Ok(()),
        }
    }

    fn instance(&self) -> Result<Instance, Skipped> {
        let started = self.text("timestamp").and_then(|text| text.parse().ok()).map_or(0, milliseconds);
        let id = match self.text("mainstay.id") {
            Some(id) => InstanceId::new(id),
            None => foreign_id(&self.host, self.port, started),
        };
        let mut instance = Instance::told(id, self.text("application").unwrap_or_default(), &self.host, self.port);
        instance.started_at = started;
        instance.weight = self.weight()?;
        instance.zone = self.text("zone").map(str::to_owned);
        instance.role = self.text("mainstay.role").map(str::to_owned);
        instance.epoch = match self.text("mainstay.epoch").map(str::parse) {
            Some(Ok(epoch)) => Some(epoch),
            Some(Err(_)) => return Err(Skipped::Parameter("mainstay.epoch")),
            None => None,
        };
        instance.labels = self.labels();
        Ok(instance)
    }

    /// Below 0 is 0, as in Dubbo Java. dubbo-go writes 0 and means nothing by it: beside others it would get no call.
    fn weight(&self) -> Result<u32, Skipped> {
        let Some(text) = self.text("weight") else { return Ok(DEFAULT_WEIGHT) };
        let weight: i64 = text.trim().parse().map_err(|_| Skipped::Parameter("weight"))?;
        match u32::try_from(weight.max(0)) {
            Ok(0) if self.is_dubbo_go() => Ok(DEFAULT_WEIGHT),
            Ok(weight) => Ok(weight),
            Err(_) => Err(Skipped::Parameter("weight")),
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let label = |(name, value): (&String, &String)| {
            let name = match name.strip_prefix(LABEL) {
                Some(name) => name,
                None if OWN.contains(&name.as_str()) => return None,
                None => name,
            };
            Some((name.to_owned(), value.clone()))
        };
        let mut labels: BTreeMap<_, _> = self.parameters.iter().filter_map(label).take(MAX_LABELS).collect();
        // A release says what its owner can do; of our own it would be noise.
        if let Some(release) = self.text("release").filter(|release| *release != RELEASE) {
            labels.insert("release".to_owned(), release.to_owned());
        }
        labels
    }

    fn is_dubbo_go(&self) -> bool {
        self.text("release").is_some_and(|release| release.starts_with(DUBBO_GO))
    }

    /// A parameter that is there and says something.
    fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// What the interface level and the metadata of the application level both say of a service: all but who offers it.
pub(super) fn parameters_of(registration: &Registration, key: &ServiceKey) -> BTreeMap<String, String> {
    let instance = &registration.instance;
    let labels = instance.labels.iter().map(|(name, value)| {
        let taken = OWN.contains(&name.as_str()) || name.starts_with(LABEL) || name == PATH;
        (if taken { format!("{LABEL}{name}") } else { name.clone() }, value.clone())
    });
    let mut parameters: BTreeMap<String, String> = labels.collect();
    let mut set = |name: &str, value: &str| {
        parameters.insert(name.to_owned(), value.to_owned());
    };
    set("application", &instance.application);
    set("deprecated", "false");
    set("dubbo", DUBBO);
    set("dynamic", "true");
    set("generic", "false");
    set("interface", &key.interface);
    set("methods", &methods_of(registration, key));
    set("release", RELEASE);
    set("service-name-mapping", "true");
    set("side", "provider");
    if let Some(group) = &key.group {
        set("group", group);
    }
    if let Some(version) = &key.version {
        set("version", version);
    }
    parameters
}

/// In order, each once; dubbo-go wants some text there.
fn methods_of(registration: &Registration, key: &ServiceKey) -> String {
    let names: BTreeSet<&str> = registration.methods.get(key).into_iter().flatten().map(String::as_str).collect();
    if names.is_empty() { "*".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(",") }
}

/// The identity of an instance that says none: the same place, started again, is another one.
pub(super) fn foreign_id(host: &str, port: u16, started_at: u64) -> InstanceId {
    let address = address(host, port);
    InstanceId::new(if started_at > 0 { format!("{address}#{started_at}") } else { address })
}

pub(super) fn milliseconds(time: u64) -> u64 {
    if time < MILLISECONDS_FROM { time * 1000 } else { time }
}

/// `host:port`, an IPv6 host with or without brackets; the port 0 when there is none.
fn host_and_port(authority: &str) -> Result<(&str, u16), Skipped> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(Skipped::NotAUrl)?;
            (host, rest.strip_prefix(':'))
        }
        None => authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.contains(['[', ']']) {
        return Err(Skipped::NotAUrl);
    }
    match port {
        None => Ok((host, 0)),
        Some(port) => port.parse().map(|port| (host, port)).map_err(|_| Skipped::NoPort),
    }
}

/// Dubbo Java cuts `timestamp=…` and `pid=…` out of the text wherever they stand, also at the end of a longer name: the
/// last letter of such a name is encoded.
fn write_name(out: &mut String, name: &str) {
    let cut = ["timestamp", "pid"].iter().any(|word| name != *word && name.ends_with(word));
    match name.char_indices().next_back() {
        Some((at, last)) if cut => {
            out.push_str(&encode_value(&name[..at]));
            last.to_string().bytes().for_each(|byte| percent(out, byte));
        }
        _ => out.push_str(&encode_value(name)),
    }
}

impl fmt::Display for ProviderUrl {
    /// The URL as Dubbo prints it, parameters in order; values are encoded where a reader could mistake them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let host = &self.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        write!(text, "{}://{host}:{}/{}?", self.protocol, self.port, encode_value(&self.path))?;
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "&" });
            write_name(&mut text, name);
            write!(text, "={}", encode_value(value))?;
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
