//! Where a request says who asks: account, device and key. Pure.
//!
//! What stands in a header or a cookie is only said. It is good for refusing and for counting, since who lies there gains
//! nothing by being told from others; nobody is let in by it. What was proved counts before it.

use super::list::{LONGEST, Who};
use crate::{auth::Identity, route::cookie};
use http::{HeaderMap, HeaderName};
use std::net::IpAddr;

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Header(HeaderName),
    Cookie(String),
    /// What a token says, which was proved.
    Claim(String),
}

/// The places of each, the first that holds something counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subjects {
    pub(crate) account: Vec<Source>,
    pub(crate) device: Vec<Source>,
    pub(crate) key: Vec<Source>,
}

impl Subjects {
    /// What a request with these headers says of who asks.
    pub(crate) fn who(&self, ip: Option<IpAddr>, headers: &HeaderMap) -> Who {
        let first = |sources: &[Source]| sources.iter().find_map(|source| source.of(headers)).map(str::to_owned);
        Who { ip, account: first(&self.account), device: first(&self.device), key: first(&self.key) }
    }
}

impl Subjects {
    /// What is known of who asks when that was proved: it counts before what is only said.
    pub(crate) fn prove(&self, who: &mut Who, identity: &Identity) {
        let claim = |sources: &[Source]| {
            let mut claims = sources.iter().filter_map(|source| match source {
                Source::Claim(name) => identity.claim(name),
                _ => None,
            });
            claims.find(|text| !text.is_empty() && text.len() <= LONGEST)
        };
        if let Some(account) = claim(&self.account).or_else(|| identity.account.clone()) {
            who.account = Some(account);
        }
        if let Some(device) = claim(&self.device) {
            who.device = Some(device);
        }
        if let Some(key) = claim(&self.key).or_else(|| identity.key.clone()) {
            who.key = Some(key);
        }
    }
}

impl Source {
    fn of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let found = match self {
            Self::Header(name) => headers.get(name).and_then(|value| value.to_str().ok()),
            Self::Cookie(name) => cookie(headers, name),
            Self::Claim(_) => None,
        };
        found.filter(|text| !text.is_empty() && text.len() <= LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_holds_something_counts() {
        let header = |name: &'static str| Source::Header(HeaderName::from_static(name));
        let subjects = Subjects {
            device: vec![header("x-device"), Source::Cookie("did".into())],
            key: vec![header("x-key")],
            ..Subjects::default()
        };
        let headers = |pairs: &[(&'static str, &str)]| {
            let pair = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
            pairs.iter().map(pair).collect::<HeaderMap>()
        };
        for (pairs, device, key) in [
            (&[("x-device", "a"), ("cookie", "did=b")][..], Some("a"), None),
            (&[("x-device", ""), ("cookie", "x=1; did=b")], Some("b"), None),
            (&[("x-key", "k")], None, Some("k")),
        ] {
            let who = subjects.who(None, &headers(pairs));
            assert_eq!((who.device.as_deref(), who.key.as_deref(), who.account), (device, key, None), "{pairs:?}");
        }
        let mut who = subjects.who(None, &headers(&[("x-key", "said")]));
        let claims = serde_json::json!({ "did": "d-1" });
        let token = mainstay::auth::Caller::with_claims("joe".into(), claims.as_object().unwrap().clone());
        let identity = Identity { account: Some("joe".into()), token: Some(token), ..Identity::default() };
        let subjects = Subjects { device: vec![Source::Claim("did".into())], ..subjects };
        subjects.prove(&mut who, &identity);
        let known = [&who.account, &who.device, &who.key].map(|one| one.as_deref());
        assert_eq!(known, [Some("joe"), Some("d-1"), Some("said")]);
        assert!(subjects.who(None, &headers(&[("x-key", &"k".repeat(LONGEST + 1))])).key.is_none());
    }
}
