//! Whose word counts: the address of the client behind proxies, and which headers are handed on. Pure.
//!
//! What a peer says of others counts only if it is a proxy that the file trusts. Its `X-Forwarded-For` is then read from the
//! right: past trusted proxies, to the first address that is none of them. That is the client; what stands left of it anybody
//! may have written. (`docs/root/configuration/http/http_conn_man/headers.rst` of Envoy.)

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, EXPECT, FORWARDED, HOST},
};
use std::{fmt, net::IpAddr, str::FromStr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Names that the gateway alone gives a meaning, by their beginnings. Who says them from outside is not believed.
const RESERVED: [&str; 4] = ["x-mainstay-", "x-envoy-", "dubbo.", "dubbo-"];

/// Addresses that begin alike, as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The addresses that begin like this one. A range that is too narrow for its kind of address is the address.
    pub(crate) fn around(address: IpAddr, bits: u8) -> Self {
        let (address, bits) = match address {
            IpAddr::V6(v6) if bits >= 96 => v6.to_ipv4_mapped().map_or((address, bits), |v4| (v4.into(), bits - 96)),
            _ => (address, bits),
        };
        match address {
            IpAddr::V4(own) => {
                let bits = bits.min(32);
                let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V4((u32::from(own) & kept).into()), bits }
            }
            IpAddr::V6(own) => {
                let bits = bits.min(128);
                let kept = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V6((u128::from(own) & kept).into()), bits }
            }
        }
    }

    /// The same addresses, written in the one way that all who mean them share.
    pub(crate) fn normal(self) -> Self {
        Self::around(self.address, self.bits)
    }

    /// Whether they are of IPv4, and how many bits they share.
    pub(crate) fn width(&self) -> (bool, u8) {
        (self.address.is_ipv4(), self.bits)
    }

    /// The one address, if it is one.
    pub(crate) fn single(&self) -> Option<IpAddr> {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        (self.bits == most).then_some(self.address)
    }

    /// Whether an address is among them. An IPv4 address inside an IPv6 one is that IPv4 address.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address and no range like 10.0.0.0/8");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Makes the headers of a request those that an upstream may believe; answers the client's address.
///
/// `peer` is who is connected; `scheme` and `authority` are how it asked.
pub(crate) fn prepare(
    headers: &mut HeaderMap,
    peer: Option<IpAddr>,
    (scheme, authority): (&'static str, &str),
    trusted: &[Cidr],
) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.holds(address));
    let trusts = peer.is_some_and(is_trusted);
    // First what a peer asks to be taken out: it must not take out what is put in here.
    hop_by_hop(headers);
    headers.remove(EXPECT);
    let reserved: Vec<_> = headers.keys().filter(|name| is_reserved(name)).cloned().collect();
    reserved.iter().for_each(|name| drop(headers.remove(name)));
    if !trusts && headers.keys().any(is_of_a_proxy) {
        [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_REAL_IP, FORWARDED]
            .iter()
            .for_each(|name| drop(headers.remove(name)));
    }
    let told = told(headers);
    let client = told.iter().rev().copied().take_while(Option::is_some).flatten().find(|one| !is_trusted(*one));
    let nearest = told.iter().rev().copied().take_while(Option::is_some).flatten().last();
    let client = client.or(nearest).or(peer).map(|address| address.to_canonical());
    // Grown once, and not twice on the way.
    headers.reserve(4);
    let own = peer.map(|peer| (peer.to_canonical(), address(peer.to_canonical())));
    if let Some((peer, value)) = &own {
        let value = match told.iter().flatten().next() {
            None => value.clone(),
            Some(_) => {
                let line = told.iter().flatten().map(ToString::to_string).chain([peer.to_string()]);
                text(&line.collect::<Vec<_>>().join(", "))
            }
        };
        put(headers, X_FORWARDED_FOR, value);
    }
    if !headers.contains_key(X_FORWARDED_PROTO) {
        put(headers, X_FORWARDED_PROTO, Some(HeaderValue::from_static(scheme)));
    }
    if !headers.contains_key(X_FORWARDED_HOST) && !authority.is_empty() {
        // Mostly it stands there already, and is shared.
        let host = headers.get(HOST).filter(|host| host.as_bytes() == authority.as_bytes()).cloned();
        put(headers, X_FORWARDED_HOST, host.or_else(|| text(authority)));
    }
    if let Some(client) = client {
        let own = own.filter(|(peer, _)| *peer == client).and_then(|(_, value)| value);
        put(headers, X_REAL_IP, own.or_else(|| address(client)));
    }
    client
}

/// The addresses of `X-Forwarded-For`; `None` for what is no address. At most the last 32.
fn told(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    const MOST: usize = 32;
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().map(|value| value.to_str().unwrap_or("?"));
    let all: Vec<_> = lines.flat_map(|line| line.split(',')).map(|one| one.trim().parse().ok()).collect();
    all[all.len().saturating_sub(MOST)..].to_vec()
}

/// Takes out what says something of one connection alone, and what `Connection` names.
pub(crate) fn hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(is_of_the_hop) {
        return;
    }
    // Mostly it names nothing, and says only what becomes of the connection.
    let plain = |value: &HeaderValue| matches!(value.as_bytes(), b"keep-alive" | b"close");
    if !headers.get_all(CONNECTION).into_iter().all(plain) {
        let named = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
        let named: Vec<HeaderName> =
            named.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
        // What a peer names there must not make disappear what says who and where.
        let ends = |name: &HeaderName| [HOST, http::header::AUTHORIZATION, http::header::COOKIE].contains(name);
        named.iter().filter(|name| !ends(name)).for_each(|name| drop(headers.remove(name)));
    }
    while let Some(name) = headers.keys().find(|name| is_of_the_hop(name)).cloned() {
        headers.remove(name);
    }
}

/// It says something of one connection alone.
fn is_of_the_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
    )
}

/// It says what a proxy tells of whom it asks for.
fn is_of_a_proxy(name: &HeaderName) -> bool {
    matches!(name.as_str(), "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" | "x-real-ip" | "forwarded")
}

fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.iter().any(|beginning| name.as_str().starts_with(beginning))
}

/// An address as the value of a header. That of IPv4 is written by hand: it stands in nearly every request, and `Display` costs more
/// than all else that is done here.
fn address(address: IpAddr) -> Option<HeaderValue> {
    let IpAddr::V4(v4) = address else { return text(&address.to_string()) };
    let (mut bytes, mut len) = ([0; 15], 0);
    let mut push = |byte: u8| {
        bytes[len] = byte;
        len += 1;
    };
    for (at, octet) in v4.octets().into_iter().enumerate() {
        if at > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    HeaderValue::from_bytes(&bytes[..len]).ok()
}

fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges() {
        for (range, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
            ("::/0", "fe80::1", true),
        ] {
            assert_eq!(range.parse::<Cidr>().unwrap().holds(ip(address)), holds, "{range} {address}");
        }
        for text in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, told, client, line) in [
            ("9.9.9.9", "1.1.1.1", "9.9.9.9", "9.9.9.9"),
            ("10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "1.1.1.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1", "6.6.6.6, 1.1.1.1, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1", "1.1.1.1, junk, 10.0.0.2", "10.0.0.2", "1.1.1.1, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        ] {
            let mut headers = headers(&[("x-forwarded-for", told)]);
            let found = prepare(&mut headers, Some(ip(peer)), ("http", "shop"), &trusted);
            assert_eq!(
                (found, headers["x-forwarded-for"].to_str().unwrap()),
                (Some(ip(client)), line),
                "{peer} {told}"
            );
            assert_eq!(headers["x-real-ip"], client);
        }
    }

    #[test]
    fn what_is_of_one_connection_or_only_ours_to_say_is_taken_out() {
        let mut all = headers(&[
            ("connection", "close, x-forwarded-for, X-Mine, host, authorization"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("host", "shop"),
            ("authorization", "Bearer x"),
            ("x-mainstay-colour", "gray"),
            ("dubbo.tag", "gray"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("tri-service-version", "1"),
        ]);
        prepare(&mut all, Some(ip("9.9.9.9")), ("http", "shop"), &[]);
        let mut names: Vec<_> = all.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let kept = [
            "authorization",
            "host",
            "tri-service-version",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-real-ip",
        ];
        assert_eq!(names, kept);
        assert_eq!(
            (&all["x-forwarded-proto"], &all["x-real-ip"]),
            (&"http".parse().unwrap(), &"9.9.9.9".parse().unwrap())
        );
    }

    proptest! {
        #[test]
        fn addresses_are_written_as_they_are_displayed(v4: u32, v6: u128, is_v4: bool) {
            let ip: IpAddr = if is_v4 { std::net::Ipv4Addr::from(v4).into() } else { std::net::Ipv6Addr::from(v6).into() };
            let written = address(ip).unwrap();
            prop_assert_eq!(written.to_str().unwrap(), ip.to_string());
        }

        /// Whatever a trusted proxy says, the client is one of those that it names, or itself.
        #[test]
        fn the_client_is_somebody_who_is_named(told in prop::collection::vec(any::<u8>(), 0..40), plain in "[0-9., :a-f]{0,40}") {
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            for value in [HeaderValue::from_bytes(&told).ok(), plain.parse().ok()].into_iter().flatten() {
                let mut all = HeaderMap::from_iter([(X_FORWARDED_FOR, value.clone())]);
                let client = prepare(&mut all, Some(ip("10.0.0.1")), ("http", "a"), &trusted).unwrap();
                let named = value.to_str().unwrap_or_default().split(',').filter_map(|one| one.trim().parse().ok());
                prop_assert!(client == ip("10.0.0.1") || named.map(|ip: IpAddr| ip.to_canonical()).any(|ip| ip == client));
            }
        }

        /// Nobody outside is able to say who the client is.
        #[test]
        fn a_peer_that_is_not_trusted_is_the_client(told in "[0-9., :a-f]{0,60}") {
            let mut all = headers(&[("x-forwarded-for", told.trim())]);
            prop_assert_eq!(prepare(&mut all, Some(ip("9.9.9.9")), ("http", "a"), &[]), Some(ip("9.9.9.9")));
        }
    }
}
