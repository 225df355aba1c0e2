//! What of a request is signed, and whether it was. Pure: the time is an argument.
//!
//! The text that is signed has eight lines, the last without an end: the form, method, host (lower case, without port), path in
//! the one form in which it is matched, query as it is sent, SHA-256 of the body in hex, seconds since the epoch, nonce. None
//! of them can hold a line feed, so no two requests have one text.

use super::nonces::Print;
use crate::ingress::Target;
use http::Method;
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// The form, so that another can come.
const FORM: &str = "MAINSTAY-HMAC-SHA256";

/// What a request says of its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) key: &'a str,
    timestamp: u64,
    nonce: &'a str,
    mac: Vec<u8>,
}

/// Why a signature is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Form,
    /// Its time is over, or has not come.
    Time,
    /// Nobody's key, or not of this request.
    Mac,
}

impl<'a> Said<'a> {
    /// Understands `key=acme, timestamp=1764400000, nonce=…, signature=…`.
    pub(super) fn parse(text: &'a str) -> Result<Self, Bad> {
        let mut parts = BTreeMap::new();
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(Bad::Form)?;
            if parts.insert(name, value).is_some() {
                return Err(Bad::Form);
            }
        }
        let part = |name: &str| parts.get(name).copied().ok_or(Bad::Form);
        let nonce = part("nonce")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte);
        if parts.len() != 4 || !(16..=64).contains(&nonce.len()) || !nonce.bytes().all(plain) {
            return Err(Bad::Form);
        }
        let timestamp = part("timestamp")?;
        let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp = timestamp.parse().ok().filter(|_| digits).ok_or(Bad::Form)?;
        let mac = bytes(part("signature")?).filter(|mac| mac.len() == 32).ok_or(Bad::Form)?;
        Ok(Self { key: part("key")?, timestamp, nonce, mac })
    }

    /// Whether its time is near enough.
    pub(super) fn is_of(&self, now: Duration, window: Duration) -> Result<(), Bad> {
        let near = Duration::from_secs(self.timestamp).abs_diff(now) <= window;
        if near { Ok(()) } else { Err(Bad::Time) }
    }

    /// Whether this key signed this request.
    pub(super) fn is_by(&self, key: &hmac::Key, request: (&Method, &Target), body: &[u8]) -> Result<(), Bad> {
        let text = text(request, body, self.timestamp, self.nonce);
        hmac::verify(key, text.as_bytes(), &self.mac).map_err(|_| Bad::Mac)
    }

    /// What is remembered of it, and until when it could be shown again.
    pub(super) fn once(&self, window: Duration) -> (Print, Duration) {
        let hash = digest(&SHA256, format!("{}\n{}", self.key, self.nonce).as_bytes());
        let mut print = [0; 16];
        print.copy_from_slice(&hash.as_ref()[..16]);
        (print, Duration::from_secs(self.timestamp) + window + Duration::from_secs(1))
    }
}

/// The text that is signed.
fn text((method, target): (&Method, &Target), body: &[u8], timestamp: u64, nonce: &str) -> String {
    let query = target.query.as_deref().unwrap_or_default();
    let hash = hex(digest(&SHA256, body).as_ref());
    format!("{FORM}\n{method}\n{}\n{}\n{query}\n{hash}\n{timestamp}\n{nonce}", target.host, target.path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let even = hex.is_ascii() && hex.len().is_multiple_of(2);
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
    even.then(|| (0..hex.len()).step_by(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1_764_400_000);
    const WINDOW: Duration = Duration::from_secs(300);

    fn target(path: &str, query: Option<&str>) -> Target {
        Target {
            host: "shop.example".into(),
            authority: "Shop.Example:80".into(),
            path: path.into(),
            query: query.map(str::to_owned),
        }
    }

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, b"a secret of more than thirty-two bytes")
    }

    fn header(method: &Method, target: &Target, body: &[u8]) -> String {
        let text = text((method, target), body, NOW.as_secs(), "0123456789abcdef");
        let mac = hex(hmac::sign(&key(), text.as_bytes()).as_ref());
        format!("key=acme, timestamp={}, nonce=0123456789abcdef, signature={mac}", NOW.as_secs())
    }

    #[test]
    fn a_request_is_signed_with_all_that_it_says() {
        let target = target("/pay", Some("to=joe"));
        let header = header(&Method::POST, &target, b"5");
        let said = Said::parse(&header).unwrap();
        assert_eq!(said.key, "acme");
        let is_by = |method: Method, target: &Target, body: &[u8]| said.is_by(&key(), (&method, target), body);
        assert_eq!(is_by(Method::POST, &target, b"5"), Ok(()));
        for (method, other, body) in [
            (Method::PUT, target.clone(), &b"5"[..]),
            (Method::POST, Target { path: "/pay2".into(), ..target.clone() }, b"5"),
            (Method::POST, Target { query: Some("to=eve".into()), ..target.clone() }, b"5"),
            (Method::POST, Target { host: "other".into(), ..target.clone() }, b"5"),
            (Method::POST, target.clone(), b"6"),
        ] {
            assert_eq!(is_by(method, &other, body), Err(Bad::Mac), "{other:?}");
        }
        for (now, known) in [
            (NOW, Ok(())),
            (NOW + WINDOW, Ok(())),
            (NOW + WINDOW + Duration::from_millis(1), Err(Bad::Time)),
            (NOW - WINDOW, Ok(())),
            (NOW - WINDOW - Duration::from_secs(1), Err(Bad::Time)),
        ] {
            assert_eq!(said.is_of(now, WINDOW), known, "{now:?}");
        }
        // As long as it could be taken it is remembered.
        assert!(said.once(WINDOW).1 > NOW + WINDOW);
    }

    #[test]
    fn what_is_not_plainly_a_signature_is_none() {
        let good = header(&Method::GET, &target("/", None), b"");
        assert!(Said::parse(&good).is_ok());
        for bad in [
            "",
            "key=acme",
            &good.replace("nonce=0123456789abcdef", "nonce=short"),
            &good.replace("nonce=0123456789abcdef", "nonce=0123456789 abcdef"),
            &good.replace("timestamp=1", "timestamp=+1"),
            &good.replace("timestamp=1", "timestamp=x1"),
            &good.replace("signature=", "signature=00"),
            &good.replace("signature=", "signature=zz"),
            &format!("{good}, key=other"),
            &format!("{good}, more=1"),
        ] {
            assert_eq!(Said::parse(bad), Err(Bad::Form), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_a_signature_or_none(text in ".{0,200}") {
            let _ = Said::parse(&text);
        }

        /// Two requests that differ have texts that differ.
        #[test]
        fn no_two_requests_have_one_text(
            a in ("[/a-z%\n]{0,6}", "[a-z=&]{0,6}", prop::collection::vec(any::<u8>(), 0..4)),
            b in ("[/a-z%]{0,6}", "[a-z=&]{0,6}", prop::collection::vec(any::<u8>(), 0..4)),
        ) {
            // The normal form of a path has no line feed.
            let path = a.0.replace('\n', "%0A");
            let of = |path: &str, query: &str, body: &[u8]| text((&Method::GET, &target(path, Some(query))), body, 1, "n");
            let same = (path.as_str(), a.1.as_str(), &a.2) == (b.0.as_str(), b.1.as_str(), &b.2);
            prop_assert_eq!(of(&path, &a.1, &a.2) == of(&b.0, &b.1, &b.2), same);
        }
    }
}
