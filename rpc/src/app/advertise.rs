//! Which address consumers are told to connect to: one rule, the same on each start, printed and previewable. Pure.
//!
//! Picking "the first interface that looks good" is what makes providers announce a container bridge one day and the
//! right network the next. So: what the operator says; else the address that is listened on; else loopback where the
//! registry is of this machine only; else the address by which the kernel reaches the registry, since whoever shares
//! the registry is most likely on that side.

use super::settings::{Advertise, Listen};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// The address that consumers are told, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advertised {
    /// A name or an IP address (an IPv6 address without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// Why this one.
    pub rule: Rule,
}

impl Advertised {
    /// Whether nobody on another machine can connect to it, although the registry is for more than this machine.
    pub fn reaches_this_machine_only(&self) -> bool {
        self.rule == Rule::NoRoute
    }
}

/// The rule that chose an advertised address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The setting `advertise` says so.
    Said,
    /// It is the address that is listened on.
    Listened,
    /// The registry is of this machine only.
    Local,
    /// It is the address by which this machine reaches the registry.
    Routed,
    /// No route was found, so that only this machine can connect.
    NoRoute,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Said => "as set by `advertise`",
            Self::Listened => "the address that is listened on",
            Self::Local => "loopback, since the registry is of this machine only",
            Self::Routed => "the address by which this machine reaches the registry",
            Self::NoRoute => "loopback, since no route to the registry was found: set `advertise`",
        })
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::host_port(&self.host, Some(self.port)))
    }
}

/// Where to listen: what is said; else any free port, on loopback if nobody else can find it anyway.
pub(crate) fn listen(said: Listen, local_registry: bool) -> SocketAddr {
    let all = IpAddr::V4(if local_registry { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED });
    SocketAddr::new(said.host.unwrap_or(all), said.port.unwrap_or(0))
}

/// What consumers are told. `routed` is this machine's address on the way to the registry.
pub(crate) fn advertise(
    said: &Advertise,
    listening: SocketAddr,
    local_registry: bool,
    routed: Option<IpAddr>,
) -> Advertised {
    let loopback = || Ipv4Addr::LOCALHOST.to_string();
    let routed = routed.filter(|ip| !ip.is_unspecified());
    let (host, rule) = match (&said.host, routed) {
        (Some(host), _) => (host.clone(), Rule::Said),
        _ if local_registry && listening.ip().is_loopback() => (listening.ip().to_string(), Rule::Local),
        _ if !listening.ip().is_unspecified() => (listening.ip().to_string(), Rule::Listened),
        _ if local_registry => (loopback(), Rule::Local),
        (None, Some(ip)) => (ip.to_string(), Rule::Routed),
        (None, None) => (loopback(), Rule::NoRoute),
    };
    Advertised { host, port: said.port.unwrap_or(listening.port()), rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::text;

    #[test]
    fn the_rule() {
        let ten = Some("10.0.0.7".parse().unwrap());
        for (said, listening, local, routed, address, rule) in [
            ("stock.local", "0.0.0.0:7001", false, ten, "stock.local:7001", Rule::Said),
            ("[fd00::1]:80", "127.0.0.1:7001", true, None, "[fd00::1]:80", Rule::Said),
            ("", "192.168.0.9:7001", true, ten, "192.168.0.9:7001", Rule::Listened),
            ("", "192.168.0.9:7001", false, ten, "192.168.0.9:7001", Rule::Listened),
            ("", "[::1]:7001", true, None, "[::1]:7001", Rule::Local),
            ("", "0.0.0.0:7001", true, ten, "127.0.0.1:7001", Rule::Local),
            ("", "0.0.0.0:7001", false, ten, "10.0.0.7:7001", Rule::Routed),
            ("", "[::]:7001", false, ten, "10.0.0.7:7001", Rule::Routed),
            ("", "0.0.0.0:7001", false, None, "127.0.0.1:7001", Rule::NoRoute),
        ] {
            let said = if said.is_empty() { Advertise::default() } else { text::advertise(said).unwrap() };
            let advertised = advertise(&said, listening.parse().unwrap(), local, routed);
            assert_eq!((advertised.to_string().as_str(), advertised.rule), (address, rule));
        }
    }

    #[test]
    fn a_registry_of_this_machine_needs_no_other_interface() {
        let said = |text: &str| text::listen(text).unwrap();
        for (listen_on, local, expected) in [
            (Listen::default(), true, "127.0.0.1:0"),
            (Listen::default(), false, "0.0.0.0:0"),
            (said("7001"), true, "127.0.0.1:7001"),
            (said("0.0.0.0:7001"), true, "0.0.0.0:7001"),
            (said("[::1]"), false, "[::1]:0"),
        ] {
            assert_eq!(listen(listen_on, local), expected.parse().unwrap());
        }
    }
}
