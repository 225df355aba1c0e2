//! From a URL to a registry: `connect`, and a URL taken apart.
//!
//! A `match` here, at the edge, turns the scheme into a type; there is no table of plug-ins to fill at run time. What
//! is not in this build, or not in this version, says so by name.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use crate::{
    config::MemoryConfig,
    dubbo::Links,
    error::RegistryError,
    fixed::FixedRegistry,
    hub::Hub,
    memory::MemoryRegistry,
    several::{placed, split},
    spelling::nearest,
};

/// Schemes of this version, as error texts list them.
const KNOWN: [&str; 6] = ["file", "memory", "static", "dns", "zookeeper", "nacos"];
/// Longest URL that is taken, in bytes.
const MAX_URL_LEN: usize = 1 << 20;

/// The registry that `url` means: `file://[/dir]`, `memory://[name]`, `static://host:port,…`, `dns://name:port`,
/// `zookeeper://h1,h2[/chroot]`, `nacos://host:port/namespace`. Several with `|` between are
/// [joined](crate::SeveralRegistries).
///
/// It does not wait for a registry that is away: only what is wrong with the URL or with this machine is an error.
///
/// # Errors
/// An unreadable URL, an unknown scheme, a feature that is off, a directory that is not safe to use.
pub fn connect(url: &str) -> Result<Hub, RegistryError> {
    connect_with(url, Links::default())
}

/// The same, with what a registry can use of the rest of the system.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(url: &str, links: Links) -> Result<Hub, RegistryError> {
    let mut members = Vec::new();
    for url in split(url)? {
        let (url, place) = placed(url)?;
        members.push((connect_one(&url, &links)?, place));
    }
    match <[_; 1]>::try_from(members) {
        Ok([(hub, _)]) => Ok(hub),
        Err(members) => Ok(Hub::several(members, links.zone.as_deref())),
    }
}

/// One of them.
#[cfg_attr(
    not(any(feature = "zookeeper", feature = "nacos")),
    expect(unused_variables, reason = "only some registries have a use for links")
)]
fn connect_one(url: &RegistryUrl, links: &Links) -> Result<Hub, RegistryError> {
    match Adapter::of(url)? {
        #[cfg(feature = "file")]
        Adapter::File => {
            let registry = crate::file::FileRegistry::from_url(url)?;
            let config = crate::file::FileConfig::beside(&registry);
            Ok(Hub::new(registry.clone()).with_config(config).with_inspect(registry))
        }
        Adapter::Memory => {
            url.only_parameters(&[])?;
            let registry = MemoryRegistry::named(url.authority());
            Ok(Hub::new(registry.clone()).with_config(MemoryConfig::new()).with_inspect(registry))
        }
        Adapter::Static => {
            let registry = FixedRegistry::from_url(url)?;
            Ok(Hub::new(registry.clone()).with_inspect(registry))
        }
        #[cfg(feature = "dns")]
        Adapter::Dns => {
            let registry = crate::dns::DnsRegistry::from_url(url)?;
            Ok(Hub::new(registry.clone()).with_inspect(registry))
        }
        #[cfg(feature = "zookeeper")]
        Adapter::Zookeeper => {
            let registry = crate::zookeeper::ZookeeperRegistry::linked(url, links)?;
            let config = crate::zookeeper::ZookeeperConfig::beside(&registry);
            Ok(Hub::new(registry.clone()).with_config(config).with_inspect(registry))
        }
        #[cfg(feature = "nacos")]
        Adapter::Nacos => {
            let registry = crate::nacos::NacosRegistry::linked(url, links)?;
            let config = crate::nacos::NacosConfig::beside(&registry);
            Ok(Hub::new(registry.clone()).with_config(config).with_inspect(registry))
        }
    }
}

/// Whether `url` can be read and this build has an adapter for its scheme. Touches nothing.
///
/// # Errors
/// As [`connect`], but for what is wrong with this machine.
pub fn check(url: &str) -> Result<(), RegistryError> {
    split(url)?.into_iter().try_for_each(|url| {
        let url = placed(url)?.0;
        match Adapter::of(&url)? {
            #[cfg(feature = "nacos")]
            Adapter::Nacos => crate::nacos::NacosRegistry::check(&url),
            #[cfg(feature = "zookeeper")]
            Adapter::Zookeeper => crate::zookeeper::Place::without_secrets(&url).map(drop),
            _ => Ok(()),
        }
    })
}

/// The adapters of this build.
enum Adapter {
    #[cfg(feature = "file")]
    File,
    Memory,
    Static,
    #[cfg(feature = "dns")]
    Dns,
    #[cfg(feature = "zookeeper")]
    Zookeeper,
    #[cfg(feature = "nacos")]
    Nacos,
}

impl Adapter {
    fn of(url: &RegistryUrl) -> Result<Self, RegistryError> {
        match url.scheme.as_str() {
            #[cfg(feature = "file")]
            "file" => Ok(Self::File),
            #[cfg(not(feature = "file"))]
            "file" => Err(feature_off("file")),
            "memory" => Ok(Self::Memory),
            "static" => Ok(Self::Static),
            #[cfg(feature = "dns")]
            "dns" => Ok(Self::Dns),
            #[cfg(not(feature = "dns"))]
            "dns" => Err(feature_off("dns")),
            #[cfg(feature = "zookeeper")]
            "zookeeper" => Ok(Self::Zookeeper),
            #[cfg(not(feature = "zookeeper"))]
            "zookeeper" => Err(feature_off("zookeeper")),
            #[cfg(feature = "nacos")]
            "nacos" => Ok(Self::Nacos),
            #[cfg(not(feature = "nacos"))]
            "nacos" => Err(feature_off("nacos")),
            scheme => Err(RegistryError::UnknownScheme {
                url: url.to_string(),
                scheme: scheme.to_owned(),
                nearest: nearest(scheme, KNOWN).map(str::to_owned),
                known: known(),
            }),
        }
    }
}

/// A registry URL, taken apart: `scheme://[user@]authority[/path][?name=value&…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryUrl {
    scheme: String,
    user: Option<String>,
    authority: String,
    path: String,
    parameters: BTreeMap<String, String>,
}

impl RegistryUrl {
    /// Takes `text` apart; the scheme is in lower case then, and parameters are percent-decoded.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let bad = |why: String| RegistryError::BadUrl { url: redacted(text), why };
        if text.len() > MAX_URL_LEN {
            return Err(bad(format!("it is {} bytes long, at most {MAX_URL_LEN} are taken", text.len())));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad(format!("no scheme; it should start with one of {}", known())));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host_part, path) = rest.split_at(slash);
        let (user, authority) = match host_part.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, host_part),
        };
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value).ok_or_else(|| bad(format!("the value of `{name}` is badly percent-encoded")))?;
            parameters.insert(name.to_owned(), value);
        }
        let path = decoded(path).ok_or_else(|| bad("the path is badly percent-encoded".to_owned()))?;
        let scheme = scheme.to_ascii_lowercase();
        Ok(Self { scheme, user, authority: authority.to_owned(), path, parameters })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Hosts and ports, without the user.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path, percent-decoded, with its leading slash; empty when there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text between `://` and the path, with `user@`, where that is no secret.
    pub(crate) fn authority_with_user(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.authority),
            None => self.authority.clone(),
        }
    }

    /// A parameter, read as a `T`.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`] when it is there and cannot be read.
    pub fn parameter_as<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, RegistryError> {
        let Some(value) = self.parameters.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|error| self.bad(format!("the value of `{name}`, `{value}`: {error}")))
    }

    /// Takes the URLs apart that stand in a text with `|` between them: see [`connect`].
    ///
    /// # Errors
    /// As [`parse`](Self::parse); and more than [`MAX_REGISTRIES`](crate::MAX_REGISTRIES).
    pub fn parse_all(text: &str) -> Result<Vec<Self>, RegistryError> {
        split(text)
    }

    /// Drops parameters that somebody else has read.
    pub(crate) fn forget(&mut self, names: &[&str]) {
        self.parameters.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// Refuses parameters that the adapter does not know: a misspelt one must not be silently without effect.
    pub(crate) fn only_parameters(&self, names: &[&str]) -> Result<(), RegistryError> {
        match self.parameters.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if names.is_empty() => Err(self.bad(format!("it takes no parameter, but has `{name}`"))),
            Some(name) => Err(self.bad(format!("unknown parameter `{name}`; known are {}", names.join(", ")))),
        }
    }

    /// Refuses a user in front of the hosts: what stands there ends up in logs.
    #[cfg(any(feature = "zookeeper", feature = "nacos"))]
    pub(crate) fn no_user(&self) -> Result<(), RegistryError> {
        match self.user {
            None => Ok(()),
            Some(_) => {
                Err(self.bad("user and password are not written in the URL: say `user=env:NAME&password=file:/path`"))
            }
        }
    }

    /// `host:port`, with an IPv6 host in brackets, taken apart.
    pub(crate) fn host_and_port(&self, address: &str) -> Result<(String, u16), RegistryError> {
        let bad = || self.bad(format!("`{address}` is no address; it should look like host:port or [::1]:port"));
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?;
        if host.is_empty() || host.contains(['[', ']', ' ']) {
            return Err(bad());
        }
        Ok((host.to_owned(), port))
    }

    /// An error about this URL.
    pub(crate) fn bad(&self, why: impl Into<String>) -> RegistryError {
        RegistryError::BadUrl { url: self.to_string(), why: why.into() }
    }
}

impl Display for RegistryUrl {
    /// The URL without user and parameters, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

#[cfg(not(all(feature = "file", feature = "dns", feature = "zookeeper", feature = "nacos")))]
fn feature_off(name: &str) -> RegistryError {
    RegistryError::FeatureOff { scheme: name.to_owned(), feature: name.to_owned() }
}

fn known() -> String {
    KNOWN.map(|scheme| format!("{scheme}://")).join(", ")
}

/// `text` as an error may show it: nothing before an `@`, nothing after a `?`, not too long.
fn redacted(text: &str) -> String {
    let shown = text.split('?').next().unwrap_or_default();
    let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => shown.to_owned(),
    };
    shown.chars().take(200).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::port::Registry;

    #[test]
    fn mistakes_are_named() {
        for (url, why) in [
            ("stock", "no scheme"),
            ("flie:///tmp/x", "did you mean `file`?"),
            ("memroy://", "did you mean `memory`?"),
            ("zookeper://h:1", "did you mean `zookeeper`?"),
            ("https://h:1", "known are file://, memory://, static://, dns://, zookeeper://, nacos://"),
            ("memory://x?a=b", "takes no parameter"),
            ("memory://x|flie:///tmp/x", "did you mean `file`?"),
            ("memory://|", "no scheme"),
            ("memory://?weight=x|memory://", "`weight`"),
            ("static://h:1?weight=%zz", "badly percent-encoded"),
        ] {
            let error = connect(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for url in
            ["zk://joe:secret@h:1/x?key=secret", "joe:secret@h", "static://h?secret=1", "static://a:secret@x?a=b"]
        {
            let error = connect(url).unwrap_err();
            let text = error.to_string();
            assert!(!text.contains("secret") || text.contains("unknown parameter"), "{text}");
        }
    }

    #[test]
    fn urls_come_apart() {
        let url = RegistryUrl::parse("File://u:p@h1:1,h2:2/a%20b?x=1%2C2&y").unwrap();
        assert_eq!((url.scheme(), url.authority(), url.path()), ("file", "h1:1,h2:2", "/a b"));
        assert_eq!(url.parameter_as::<String>("x").unwrap().as_deref(), Some("1,2"));
        assert_eq!(url.parameter_as::<String>("z").unwrap(), None);
        assert_eq!(url.to_string(), "file://h1:1,h2:2/a b");
    }

    #[cfg(feature = "dns")]
    #[test]
    fn bad_names_are_named() {
        for (url, why) in [
            ("dns://", "no address"),
            ("dns://stock", "host:port"),
            ("dns://stock:80/x", "no path"),
            ("dns://stock:80?every=0", "at least 1"),
            ("dns://stock:80?every=often", "invalid digit"),
        ] {
            let error = connect(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[cfg(not(feature = "dns"))]
    #[test]
    fn a_feature_that_is_off_is_named() {
        let error = connect("dns://stock:80").unwrap_err().to_string();
        assert!(error.contains("features = [\"dns\"]"), "{error}");
    }

    #[tokio::test]
    async fn a_hub_is_both_ends_of_its_adapter() {
        let hub = connect("memory://shop").unwrap();
        assert_eq!(Registry::describe(&hub), "memory://shop (this process only)");
        assert!(hub.capabilities().register);
    }

    #[tokio::test]
    async fn several_urls_are_one_hub() {
        let hub = connect("memory://a?preferred=true | static://h:1").unwrap();
        assert_eq!(Registry::describe(&hub), "memory://a (this process only) | static://h:1 (a fixed list)");
        assert!(hub.capabilities().register && hub.config_center().is_ok());
        assert!(check("memory://a|static://h:1").is_ok() && check("memory://a|dnss://h:1").is_err());
    }

    proptest! {
        #[test]
        fn no_url_panics(url in ".{0,80}") {
            let _ = connect(&url);
        }

        #[test]
        fn no_static_url_panics(rest in "[a-z@:,0-9\\[\\]/?=%]{0,40}") {
            let _ = connect(&format!("static://{rest}"));
        }
    }
}
