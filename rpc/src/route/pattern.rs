//! What texts and addresses in rules are compared with. Pure.
//!
//! A condition compares with a text that may have one `*`, or with a range of numbers, `1~100`. A tag and an override
//! compare as service meshes do: `exact`, `prefix`, `regex`, `wildcard`, `empty`, `noempty`. Addresses may have `*` in the
//! place of parts, be a network (`10.0.0.0/8`), and name a port.

use super::RuleError;
use crate::yaml::Node;
use regex_lite::Regex;
use std::net::IpAddr;

/// A text with at most one `*`, or a range of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Exact(String),
    /// What stands before and after the `*`.
    Glob(String, String),
    /// From and to, both included.
    Range(Option<i64>, Option<i64>),
    /// The consumer's own parameter of this name.
    Own(String),
}

impl Pattern {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix('$') {
            return Ok(Self::Own(name.to_owned()));
        }
        if let Some((from, to)) = text.split_once('~') {
            let bound = |text: &str| (!text.is_empty()).then(|| text.parse::<i64>()).transpose();
            if let (Ok(from), Ok(to)) = (bound(from), bound(to))
                && (from, to) != (None, None)
            {
                return Ok(Self::Range(from, to));
            }
        }
        match text.split_once('*') {
            None => Ok(Self::Exact(text.to_owned())),
            Some((_, after)) if after.contains('*') => Err(format!("`{text}` has more than one `*`")),
            Some((before, after)) => Ok(Self::Glob(before.to_owned(), after.to_owned())),
        }
    }

    /// Whether a value fits; `own` tells the consumer's parameters.
    pub(super) fn fits<'a>(&self, value: &str, own: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Exact(text) => text == value,
            Self::Glob(before, after) => {
                value.len() >= before.len() + after.len() && value.starts_with(&**before) && value.ends_with(&**after)
            }
            Self::Range(from, to) => value
                .parse::<i64>()
                .is_ok_and(|number| from.is_none_or(|from| from <= number) && to.is_none_or(|to| number <= to)),
            Self::Own(name) => own(name) == Some(value),
        }
    }
}

/// How a mesh compares a text.
#[derive(Clone, Debug)]
pub(super) enum TextMatch {
    Pattern(Pattern),
    Prefix(String),
    Regex(Regex),
    Empty,
    NoEmpty,
}

const KINDS: [&str; 6] = ["exact", "prefix", "regex", "wildcard", "empty", "noempty"];

impl TextMatch {
    /// Reads a mapping of one of the kinds.
    pub(super) fn read(node: &Node) -> Result<Self, RuleError> {
        let fields = node.fields(&KINDS)?;
        let mut kinds = KINDS.iter().filter_map(|kind| Some((*kind, fields.get(kind)?)));
        let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
            return Err(RuleError::at(node.line, format!("one of {} is wanted", KINDS.join(", "))));
        };
        let text = value.text()?;
        let bad = |why: String| RuleError::at(value.line, why);
        Ok(match kind {
            "exact" => Self::Pattern(Pattern::Exact(text.to_owned())),
            "wildcard" => Self::Pattern(Pattern::read(text).map_err(bad)?),
            "prefix" => Self::Prefix(text.to_owned()),
            "empty" => Self::Empty,
            "noempty" => Self::NoEmpty,
            // A whole value has to fit, as in Java.
            _ => Self::Regex(Regex::new(&format!("^(?:{text})$")).map_err(|error| bad(format!("no regex: {error}")))?),
        })
    }

    /// Reads `{oneof: [{exact: …}, …]}`.
    pub(super) fn one_of(node: &Node) -> Result<Vec<Self>, RuleError> {
        node.fields(&["oneof"])?.list("oneof")?.iter().map(Self::read).collect()
    }

    pub(super) fn fits(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Empty, value) => value.is_none_or(str::is_empty),
            (_, None) => false,
            (Self::NoEmpty, Some(value)) => !value.is_empty(),
            (Self::Pattern(pattern), Some(value)) => pattern.fits(value, &|_| None),
            (Self::Prefix(prefix), Some(value)) => value.starts_with(&**prefix),
            (Self::Regex(regex), Some(value)) => regex.is_match(value),
        }
    }
}

/// An address of a rule: `10.0.0.7:50051`, `10.0.1.*`, `0.0.0.0:50051`, `10.0.0.0/8`, `stock.local:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Name(String),
    /// Parts between dots; each may be `*`, a number, or a range of numbers.
    Parts(Vec<String>),
    Network(IpAddr, u8),
}

impl Place {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("`{text}` is no address: {why}");
        let (host, port) = split(text);
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(port.parse::<u16>().map_err(|_| bad("the port is no number"))?),
        };
        let host = match host {
            "" => return Err(bad("the host is missing")),
            "0.0.0.0" | "::" | "*" => Host::Any,
            host => match host.split_once('/') {
                Some((network, bits)) => {
                    let network: IpAddr = network.parse().map_err(|_| bad("the network is no IP address"))?;
                    let most = if network.is_ipv4() { 32 } else { 128 };
                    let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
                    Host::Network(network, bits.ok_or_else(|| bad("so many bits it does not have"))?)
                }
                None if host.contains('*') || is_range(host) => {
                    Host::Parts(host.split('.').map(str::to_owned).collect())
                }
                None => Host::Name(host.to_owned()),
            },
        };
        Ok(Self { host, port })
    }

    pub(super) fn fits(&self, host: &str, port: u16) -> bool {
        self.fits_host(host) && self.port.is_none_or(|own| own == port)
    }

    /// Whether the host fits, whatever the port.
    pub(super) fn fits_host(&self, host: &str) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Name(name) => name.eq_ignore_ascii_case(host),
            Host::Parts(parts) => {
                let mut own = parts.iter();
                host.split('.').all(|part| own.next().is_some_and(|wanted| part_fits(wanted, part)))
                    && own.next().is_none()
            }
            Host::Network(network, bits) => host.parse().is_ok_and(|ip| shares_bits(*network, ip, *bits)),
        }
    }
}

/// Host and port; an IPv6 address with a port stands in brackets.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    }
}

fn is_range(host: &str) -> bool {
    let parts = host.split('.').count();
    let numbers = |part: &str| part.split('-').all(|one| one.parse::<u8>().is_ok());
    parts == 4 && host.contains('-') && host.split('.').all(numbers)
}

fn part_fits(wanted: &str, part: &str) -> bool {
    match wanted.split_once('-') {
        _ if wanted == "*" || wanted == part => true,
        Some((from, to)) => match (from.parse::<u8>(), part.parse::<u8>(), to.parse::<u8>()) {
            (Ok(from), Ok(part), Ok(to)) => (from..=to).contains(&part),
            _ => false,
        },
        None => false,
    }
}

fn shares_bits(network: IpAddr, ip: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (a ^ b) >> (width - u32::from(bits)) == 0;
    match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn patterns() {
        let own = |name: &str| (name == "zone").then_some("hz");
        for (pattern, value, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("10.0.1.*", "10.0.1.7", true),
            ("10.0.1.*", "10.0.2.7", false),
            ("get*V2", "getStockV2", true),
            ("get*V2", "getV", false),
            ("1~100", "100", true),
            ("1~100", "101", false),
            ("~5", "-3", true),
            ("5~", "4", false),
            ("a~b", "a~b", true),
            ("$zone", "hz", true),
            ("$zone", "sh", false),
            ("$rack", "", false),
        ] {
            assert_eq!(Pattern::read(pattern).unwrap().fits(value, &own), fits, "{pattern} {value}");
        }
        assert!(Pattern::read("*a*").unwrap_err().contains("more than one"));
    }

    #[test]
    fn texts_are_compared_as_meshes_do() {
        for (text, value, fits) in [
            ("{exact: a}", Some("a"), true),
            ("{exact: a*}", Some("ab"), false),
            ("{prefix: a}", Some("ab"), true),
            ("{wildcard: 'a*c'}", Some("abc"), true),
            ("{regex: 'h[a-z]+'}", Some("hz"), true),
            ("{regex: 'h[a-z]'}", Some("hzx"), false),
            ("{regex: 'a|b'}", Some("xb"), false),
            ("{empty: any}", None, true),
            ("{empty: any}", Some("x"), false),
            ("{noempty: any}", Some("x"), true),
            ("{exact: a}", None, false),
        ] {
            let read = TextMatch::read(&yaml::read(text).unwrap()).unwrap();
            assert_eq!(read.fits(value), fits, "{text} {value:?}");
        }
        for (text, why) in [
            ("{}", "one of"),
            ("{exact: a, prefix: b}", "one of"),
            ("{regex: '('}", "no regex"),
            ("{regex: '(?<=a)b'}", "no regex"),
            ("{exakt: a}", "did you mean `exact`"),
        ] {
            let error = TextMatch::read(&yaml::read(text).unwrap()).unwrap_err();
            assert!(error.line == 1 && error.why.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn places() {
        for (place, host, port, fits) in [
            ("10.0.0.7:50051", "10.0.0.7", 50051, true),
            ("10.0.0.7:50051", "10.0.0.7", 50052, false),
            ("10.0.0.7", "10.0.0.7", 1, true),
            ("10.0.1.*:50051", "10.0.1.9", 50051, true),
            ("10.0.1.*", "10.0.2.9", 1, false),
            ("10.0.*", "10.0.2.9", 1, false),
            ("10.0.1.5-9", "10.0.1.7", 1, true),
            ("10.0.1.5-9", "10.0.1.10", 1, false),
            ("0.0.0.0:50051", "10.9.9.9", 50051, true),
            ("0.0.0.0:*", "10.9.9.9", 1, true),
            ("0.0.0.0", "stock.local", 1, true),
            ("10.0.0.0/8", "10.200.0.1", 1, true),
            ("10.0.0.0/8:80", "11.0.0.1", 80, false),
            ("0.0.0.0/0", "1.2.3.4", 1, true),
            ("[::1]:80", "::1", 80, true),
            ("fe80::/16", "fe80::7", 1, true),
            ("Stock.local:*", "stock.LOCAL", 7, true),
            ("my-host-1", "my-host-1", 7, true),
        ] {
            assert_eq!(Place::read(place).unwrap().fits(host, port), fits, "{place} {host}:{port}");
        }
        for place in ["", ":80", "h:x", "h:99999", "10.0.0.0/33", "h/8"] {
            assert!(Place::read(place).is_err(), "{place}");
        }
    }
}
