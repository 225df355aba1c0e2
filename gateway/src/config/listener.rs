//! Where requests come in, and where a line of each goes, as the file says it. Pure.

use super::{
    keys::{ACCESS_LOG, ADMIN, LISTENER},
    scope::Scope,
    tls::{self, TlsConfig},
};
use crate::ingress::Cidr;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerConfig {
    pub(crate) address: SocketAddr,
    pub(crate) trusted_proxies: Vec<Cidr>,
    pub(crate) max_connections: u32,
    /// `None`: any number of them.
    pub(crate) max_connections_per_ip: Option<u32>,
    pub(crate) max_streams: u32,
    pub(crate) header_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) max_head: u64,
    pub(crate) tls: Option<TlsConfig>,
}

/// Where lines about requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessLogConfig {
    /// `None`: to standard output.
    pub(crate) path: Option<PathBuf>,
    pub(crate) json: bool,
}

/// Where operators ask, and who of them may change what can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminConfig {
    pub(crate) address: SocketAddr,
    /// Names, and where the token of each is.
    pub(crate) tokens: BTreeMap<String, String>,
}

/// Reads a listener.
pub(super) fn read(at: Scope<'_>) -> Option<ListenerConfig> {
    let fields = at.fields(&LISTENER);
    let address = fields.must("address", |at| {
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            text.parse().map_err(|_| format!("`{text}` is no address to listen on, such as 0.0.0.0:8080 or [::]:8080"))
        })
    });
    let config = ListenerConfig {
        trusted_proxies: fields.each("trusted_proxies", str::parse),
        max_connections: fields.number("max_connections", 1, 1_000_000).unwrap_or(10_000),
        max_connections_per_ip: fields.number("max_connections_per_ip", 1, 1_000_000),
        max_streams: fields.number("max_streams", 1, 10_000).unwrap_or(100),
        header_timeout: fields.duration("header_timeout").unwrap_or(Duration::from_secs(15)),
        stall_timeout: fields.duration("stall_timeout").unwrap_or(Duration::from_secs(30)),
        max_head: fields.size("max_head").unwrap_or(32 * 1024),
        tls: fields.get("tls", tls::listener),
        address: address?,
    };
    if !(8 * 1024..=1024 * 1024).contains(&config.max_head) {
        at.wrong("`max_head` should be from 8KiB to 1MiB");
    }
    Some(config)
}

/// Reads where operators ask.
pub(super) fn admin(at: Scope<'_>) -> Option<AdminConfig> {
    let fields = at.fields(&ADMIN);
    let tokens: BTreeMap<_, _> =
        fields.get("tokens", |at| Some(at.named(|_, at| place(at)))).unwrap_or_default().into_iter().collect();
    let address = |text: &str| {
        let address: SocketAddr = text.parse().map_err(|_| format!("`{text}` is no address such as 127.0.0.1:9901"))?;
        let kept = address.ip().is_loopback() || fields.has("tokens");
        kept.then_some(address)
            .ok_or_else(|| "other machines would reach it: without tokens it wants an address of loopback".to_owned())
    };
    let address = fields.must("address", |at| at.read(|node| address(node.text().map_err(|error| error.why)?)));
    if fields.has("tokens") && tokens.is_empty() {
        at.wrong("`tokens` names nobody");
    }
    Some(AdminConfig { address: address?, tokens })
}

/// Where a secret is; not what it is.
pub(super) fn place(at: Scope<'_>) -> Option<String> {
    let place = at.text()?;
    let is_place = place.starts_with("env:") || place.starts_with("file:");
    let wrong = "a secret is not written here: it says where it is, env:NAME or file:/path";
    at.read(|_| is_place.then(|| place.to_owned()).ok_or_else(|| wrong.to_owned()))
}

/// Reads the access log.
pub(super) fn access_log(at: Scope<'_>) -> Option<AccessLogConfig> {
    let fields = at.fields(&ACCESS_LOG);
    let path = fields.text("path").filter(|path| path != "-").map(PathBuf::from);
    Some(AccessLogConfig { path, json: fields.word("format") != Some("text") })
}
