//! A request, as limits see it: what of it a rule looks at. Pure.

use super::rule::Pick;
use crate::{
    deadline::Deadline,
    route::{Asked, Capture, cookie, parameters},
};
use percent_encoding::percent_decode_str;
use std::{borrow::Cow, net::IpAddr};

/// What limits are asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asks<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) client: Option<IpAddr>,
    /// The variables of the route's path.
    pub(crate) captures: &'a [Capture<'a>],
    /// Who calls, where that is known.
    pub(crate) origin: Option<&'a str>,
    /// Nobody waits for longer.
    pub(crate) deadline: Deadline,
}

impl<'a> Asks<'a> {
    /// What a rule looks at, if the request has such a thing; the first of several.
    pub(super) fn pick(&self, pick: &Pick) -> Option<Cow<'a, str>> {
        match pick {
            Pick::All => Some(Cow::Borrowed("")),
            Pick::Index(at) => {
                let many = self.captures.len();
                let at = if *at < 0 {
                    many.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)?
                } else {
                    usize::try_from(*at).ok()?
                };
                self.captures.get(at).map(decoded)
            }
            Pick::Path(name) => self.captures.iter().find(|capture| capture.name == name).map(decoded),
            Pick::Name(name) => {
                let variable = self.captures.iter().find(|capture| capture.name == name).map(decoded);
                variable.or_else(|| self.parameter(name))
            }
            Pick::ClientIp => self.client.map(|client| Cow::Owned(client.to_canonical().to_string())),
            Pick::Host => Some(Cow::Borrowed(self.asked.host)),
            Pick::Header(name) => self.asked.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())),
            Pick::Query(name) => self.parameter(name),
            Pick::Cookie(name) => cookie(self.asked.headers, name).map(Cow::Borrowed),
        }
    }

    fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        parameters(self.asked.query).find(|(key, _)| key == name).map(|(_, value)| Cow::Owned(value))
    }
}

fn decoded<'a>(capture: &Capture<'a>) -> Cow<'a, str> {
    percent_decode_str(capture.value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method, header::COOKIE};
    use tokio::time::Instant;

    #[test]
    fn what_is_looked_at() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", "ada".parse().unwrap());
        headers.insert(COOKIE, "s=1; t=2".parse().unwrap());
        let capture = |name, value| Capture { name, value, several: false };
        let captures = [capture("kind", "a%20b"), capture("id", "7")];
        let asked = Asked { host: "shop", path: "/x", query: "id=q&user=bob", method: &Method::GET, headers: &headers };
        let now = Instant::now();
        let (client, deadline) = ("::ffff:10.0.0.1".parse().ok(), Deadline { began: now, at: now });
        let asks = Asks { asked, client, captures: &captures, origin: None, deadline };
        for (pick, value) in [
            (Pick::All, Some("")),
            (Pick::Index(0), Some("a b")),
            (Pick::Index(-1), Some("7")),
            (Pick::Index(2), None),
            (Pick::Index(-3), None),
            (Pick::Index(i64::MIN), None),
            (Pick::Name("id".into()), Some("7")),
            (Pick::Name("user".into()), Some("bob")),
            (Pick::Path("user".into()), None),
            (Pick::ClientIp, Some("10.0.0.1")),
            (Pick::Host, Some("shop")),
            (Pick::Header("x-user".parse().unwrap()), Some("ada")),
            (Pick::Header("x-none".parse().unwrap()), None),
            (Pick::Query("id".into()), Some("q")),
            (Pick::Cookie("t".into()), Some("2")),
        ] {
            assert_eq!(asks.pick(&pick).as_deref(), value, "{pick:?}");
        }
    }
}
