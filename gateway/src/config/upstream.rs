//! An upstream, as the file says it. Pure.

use super::{
    check::{self, CheckConfig},
    keys::UPSTREAM,
    scope::Scope,
    tls::{self, UpstreamTls},
};
use std::time::Duration;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamConfig {
    pub(crate) from: From,
    pub(crate) lb_policy: LbPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls: Option<UpstreamTls>,
    pub(crate) check: Option<CheckConfig>,
}

/// Where its instances are known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Endpoints(Vec<Address>),
    Registry {
        url: String,
        /// What plain HTTP looks up.
        service: Option<String>,
        application: Option<String>,
        /// `*` for any.
        version: String,
        group: String,
    },
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// How one of several is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LbPolicy {
    /// Of two that are drawn, the one with fewer requests under way.
    LeastRequest,
    RoundRobin,
    Random,
}

/// Reads one.
pub(super) fn read(at: Scope<'_>) -> Option<UpstreamConfig> {
    let fields = at.fields(&UPSTREAM);
    let lb_policy = match fields.word("lb_policy") {
        Some("round_robin") => LbPolicy::RoundRobin,
        Some("random") => LbPolicy::Random,
        _ => LbPolicy::LeastRequest,
    };
    let connect_timeout = fields.duration("connect_timeout").unwrap_or(Duration::from_secs(3));
    let (tls, check) = (fields.get("tls", tls::upstream), fields.get("health_check", check::read));
    let endpoints = fields.each("endpoints", address);
    let registry = fields.get("registry", |at| {
        at.read(|node| {
            let url = node.text().map_err(|error| error.why)?;
            mainstay_registry::check(url).map_err(|error| error.to_string())?;
            Ok(url.to_owned())
        })
    });
    let of_registry = ["service", "application", "version", "group"].into_iter().filter(|key| fields.has(key));
    let from = match (fields.has("endpoints"), fields.has("registry")) {
        (true, true) => {
            at.wrong("endpoints and registry are both there: one says who there is");
            return None;
        }
        (false, false) => {
            at.wrong("`endpoints` or `registry` is missing");
            return None;
        }
        (true, false) => {
            of_registry.for_each(|key| at.wrong(format!("`{key}` says something of a registry, and there is none")));
            if fields.get("endpoints", |at| Some(at.list(|_| Some(())).is_empty())).unwrap_or_default() {
                at.wrong("there is no endpoint");
            }
            From::Endpoints(endpoints)
        }
        (false, true) => From::Registry {
            url: registry?,
            service: fields.text("service"),
            application: fields.text("application"),
            version: fields.text("version").unwrap_or_else(|| "*".to_owned()),
            group: fields.text("group").unwrap_or_else(|| "*".to_owned()),
        },
    };
    Some(UpstreamConfig { from, lb_policy, connect_timeout, tls, check })
}

fn address(text: &str) -> Result<Address, String> {
    let wrong = || format!("`{text}` is no HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()).ok_or_else(wrong)?,
        None => host,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let is_name = !host.is_empty() && host.chars().all(plain) && (text.starts_with('[') || !host.contains(':'));
    is_name.then(|| Address { host: host.to_owned(), port }).ok_or_else(wrong)
}
