//! Sessions: who comes again gets the same lane and the same endpoint. Pure.
//!
//! A cookie holds a random number, and nothing else: what it leads to is worked out from it, by every gateway alike and with nothing
//! to keep or to sign. When endpoints come and go, only those move whose endpoint went, and the share of a new one. Clients that
//! keep no cookies, as those of gRPC, say who they are by a header.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// How a route remembers who comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sticky {
    /// By a cookie that it gives out.
    Cookie {
        name: String,
        /// As long as the browser runs, if this is left out.
        max_age: Option<Duration>,
    },
    /// By what they say themselves; who says nothing has no session.
    Header(HeaderName),
}

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    id: u64,
    /// It began with this request: its cookie is still to be set.
    pub(crate) is_new: bool,
}

impl Sticky {
    /// The session that a request belongs to. Where a cookie says it and none is shown, it is a new one, by this random number.
    pub(crate) fn session(&self, headers: &HeaderMap, random: u64) -> Option<Session> {
        match self {
            Self::Cookie { name, .. } => {
                let shown = crate::route::cookie(headers, name);
                let shown = shown.filter(|id| id.len() == 16).and_then(|id| u64::from_str_radix(id, 16).ok());
                Some(Session { id: shown.unwrap_or(random), is_new: shown.is_none() })
            }
            Self::Header(name) => {
                let said = headers.get(name).filter(|said| !said.is_empty())?;
                Some(Session { id: mixed(0, said.as_bytes()), is_new: false })
            }
        }
    }

    /// What a browser is told to remember.
    pub(crate) fn cookie(&self, session: Session, secure: bool) -> Option<HeaderValue> {
        let Self::Cookie { name, max_age } = self else { return None };
        let mut text = format!("{name}={:016x}; Path=/; HttpOnly; SameSite=Lax", session.id);
        if let Some(age) = max_age {
            text.push_str(&format!("; Max-Age={}", age.as_secs()));
        }
        if secure {
            text.push_str("; Secure");
        }
        HeaderValue::from_str(&text).ok()
    }
}

impl Session {
    /// The draw among the lanes of a route.
    pub(crate) fn draw(self, route: &str) -> u64 {
        mixed(self.id, route.as_bytes())
    }

    /// What all calls of it have in common.
    pub(crate) fn key(self) -> u64 {
        self.id
    }

    /// How much it is drawn to an endpoint of plain HTTP: it goes to the one to which it is drawn most.
    pub(crate) fn affinity(self, endpoint: u64) -> u64 {
        mixed(self.id, &endpoint.to_le_bytes())
    }
}

/// A number for a text that is the same in every process (FNV-1a, then the finalizer of SplitMix64).
pub(crate) fn mixed(seed: u64, text: &[u8]) -> u64 {
    let begin = 0xcbf2_9ce4_8422_2325 ^ seed;
    let hash = text.iter().fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;

    #[test]
    fn a_session_is_what_its_cookie_says() {
        let sticky = Sticky::Cookie { name: "lane".into(), max_age: Some(Duration::from_secs(60)) };
        let new = sticky.session(&HeaderMap::new(), 0xabc).unwrap();
        assert!(new.is_new);
        let set = sticky.cookie(new, true).unwrap();
        assert_eq!(set, "lane=0000000000000abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        let shown = |text: &str| HeaderMap::from_iter([(COOKIE, text.parse().unwrap())]);
        let again = sticky.session(&shown("a=b; lane=0000000000000abc"), 7).unwrap();
        assert_eq!((again.id, again.is_new, again.draw("pages")), (0xabc, false, new.draw("pages")));
        for forged in
            ["lane=", "lane=abc", "lane=000000000000000x", "lane=00000000000000000abc", "other=0000000000000abc"]
        {
            assert!(sticky.session(&shown(forged), 7).unwrap().is_new, "{forged}");
        }
    }

    #[test]
    fn a_session_is_what_a_header_says() {
        let sticky = Sticky::Header(HeaderName::from_static("x-user"));
        let said = |text: &'static str| {
            let headers = HeaderMap::from_iter([(HeaderName::from_static("x-user"), HeaderValue::from_static(text))]);
            sticky.session(&headers, 7)
        };
        let ada = said("ada").unwrap();
        assert_eq!(said("ada"), Some(ada));
        assert!(said("bob").is_some_and(|bob| bob.key() != ada.key()));
        assert_eq!((said(""), sticky.session(&HeaderMap::new(), 7)), (None, None));
        assert_eq!(sticky.cookie(ada, false), None);
    }

    #[test]
    fn draws_are_even_and_few_move_when_an_endpoint_goes() {
        let all: Vec<u64> = (0..5).map(|n| mixed(0, format!("10.0.0.{n}:80").as_bytes())).collect();
        let best = |session: Session, all: &[u64]| {
            let at = (0..all.len()).max_by_key(|at| session.affinity(all[*at])).unwrap();
            all[at]
        };
        let sessions = (0..10_000).map(|n| Session { id: mixed(n, b"session"), is_new: false });
        let (mut moved, mut counts, mut canary) = (0, [0; 5], 0);
        for session in sessions {
            let before = best(session, &all);
            counts[all.iter().position(|one| *one == before).unwrap()] += 1;
            moved += usize::from(before != best(session, &all[..4]) && before != all[4]);
            canary += usize::from(session.draw("pages") % 100 < 10);
        }
        assert_eq!(moved, 0, "nobody moves but those of the one that went");
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
        assert!((850..1150).contains(&canary), "{canary}");
    }
}
