//! Who may ask. Pure.
//!
//! With a token: who shows it. Without, the port is on loopback, and who is on this machine may ask. That must not let in
//! a page that a browser here shows: by a name of its own that it points at loopback (then `host` is that name), or by a
//! request that it sends without reading the answer (then there is an `origin`). Probes may always ask: orchestrators
//! have no token, and learn nothing that they could not learn on the main port.

use crate::auth::bearer;
use http::{HeaderMap, Method, header};
use mainstay_registry::Secret;
use std::net::{IpAddr, SocketAddr};

/// What anybody may ask.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/startupz"];

/// Why somebody may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The token is missing or another.
    Token,
    /// The request was not sent to this machine by its name.
    ForeignHost,
    /// A browser sent it, to change something.
    Origin,
}

impl Refused {
    /// The stable code.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "TOKEN_WRONG",
            Self::ForeignHost => "HOST_NOT_LOCAL",
            Self::Origin => "ORIGIN_REFUSED",
        }
    }
}

/// The address is of this machine only, or a token is asked for.
///
/// # Errors
/// What is missing.
pub(crate) fn may_listen(at: IpAddr, token: bool) -> Result<(), String> {
    if token || at.is_loopback() {
        return Ok(());
    }
    Err(format!("other machines reach {at}: it wants `admin-token` too, or an address of loopback"))
}

/// The port's guard.
#[derive(Debug)]
pub(super) struct Door {
    token: Option<Secret>,
}

impl Door {
    /// Asks for this token, if there is one.
    pub(super) fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// May this request be answered? `host` is where it was sent to, as the request says.
    pub(super) fn admits(
        &self,
        method: &Method,
        path: &str,
        host: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(), Refused> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if reads && PROBES.contains(&path) {
            return Ok(());
        }
        match &self.token {
            Some(token) => {
                let shown = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
                let right = shown.is_some_and(|shown| token.is(shown.as_bytes()));
                right.then_some(()).ok_or(Refused::Token)
            }
            None if !host.is_some_and(is_local) => Err(Refused::ForeignHost),
            None if !reads && headers.contains_key(header::ORIGIN) => Err(Refused::Origin),
            None => Ok(()),
        }
    }
}

/// A host by which this machine alone is meant, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = |text: &str| text.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let bracketed = || host.parse::<SocketAddr>().is_ok_and(|at| at.ip().is_loopback());
    name.eq_ignore_ascii_case("localhost")
        || literal(name)
        || bracketed()
        || name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(literal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::Place;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_address_of_others_wants_a_token() {
        for (at, token, may) in
            [("127.0.0.1", false, true), ("::1", false, true), ("0.0.0.0", true, true), ("0.0.0.0", false, false)]
        {
            assert_eq!(may_listen(at.parse().unwrap(), token).is_ok(), may, "{at}");
        }
    }

    #[test]
    fn who_shows_the_token_may_ask() {
        let place = Place::of("sesame\n");
        let door = Door::new(Some(Secret::read(&place.said()).unwrap()));
        for (value, may) in [
            ("Bearer sesame", true),
            ("bearer sesame", true),
            ("Bearer sesam", false),
            ("Bearer sesame2", false),
            ("sesame", false),
            ("", false),
            ("Basic c2VzYW1l", false),
        ] {
            let shown = headers(&[("authorization", value), ("origin", "https://x")]);
            assert_eq!(door.admits(&Method::POST, "/offline", Some("far"), &shown).is_ok(), may, "{value}");
        }
        let none = HeaderMap::new();
        assert_eq!(door.admits(&Method::GET, "/settings", Some("localhost"), &none), Err(Refused::Token));
        assert_eq!(door.admits(&Method::GET, "/readyz", None, &none), Ok(()));
        assert_eq!(door.admits(&Method::POST, "/readyz", None, &none), Err(Refused::Token));
        assert!(!format!("{door:?}").contains("sesame"));
    }

    #[test]
    fn without_a_token_a_page_in_a_browser_does_not_get_in() {
        let door = Door::new(None);
        let none = HeaderMap::new();
        for host in ["localhost", "localhost:9901", "127.0.0.1:9901", "127.9.9.9", "[::1]:9901", "[::1]", "LOCALHOST:1"]
        {
            assert_eq!(door.admits(&Method::POST, "/offline", Some(host), &none), Ok(()), "{host}");
        }
        for host in [None, Some("evil.example:9901"), Some("localhost.evil.example"), Some("10.0.0.7:9901"), Some("")] {
            assert_eq!(door.admits(&Method::GET, "/settings", host, &none), Err(Refused::ForeignHost), "{host:?}");
        }
        let origin = headers(&[("origin", "https://evil.example")]);
        assert_eq!(door.admits(&Method::POST, "/offline", Some("localhost"), &origin), Err(Refused::Origin));
        assert_eq!(door.admits(&Method::GET, "/instances", Some("localhost"), &origin), Ok(()));
    }
}
