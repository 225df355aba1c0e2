//! Which keys of a set may sign, and when a set is fetched. Pure: the time is an argument.

use mainstay::auth::JwtKey;
use serde_json::Value;
use std::time::Duration;

/// Keys of one set, at most.
const MAX_KEYS: usize = 100;

/// The keys of a set that may sign, by these algorithms. The set names its algorithms, and so does the file; a token names none
/// that counts.
///
/// # Errors
/// It is no set, or holds no such key: what was known stays so.
pub(super) fn usable(text: &[u8], algorithms: &[String]) -> Result<Vec<JwtKey>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no `keys`")?;
    if keys.len() > MAX_KEYS {
        return Err(format!("it has {} keys, at most {MAX_KEYS} are taken", keys.len()));
    }
    let allowed = |key: &JwtKey| algorithms.iter().any(|one| one == key.algorithm());
    let keys: Vec<_> = keys.iter().filter_map(JwtKey::from_jwk).filter(allowed).collect();
    if keys.is_empty() { Err(format!("none of its keys is for {}", algorithms.join(" or "))) } else { Ok(keys) }
}

/// How old what is known may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ages {
    /// After this time the next set is fetched, while the old one serves.
    pub(crate) refresh: Duration,
    /// Between two fetches, whatever tokens say.
    pub(crate) cooldown: Duration,
    /// After this time what is known counts no more.
    pub(crate) max_stale: Duration,
}

/// When a set was fetched, and when that was last tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    pub(super) fetched: Option<Duration>,
    pub(super) tried: Option<Duration>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What is known serves.
    Use,
    /// It serves, and the next set is fetched meanwhile.
    UseAndFetch,
    /// First another set.
    Fetch,
    /// Nothing is known that counts, and it is too early to ask again.
    Nothing,
}

impl Freshness {
    /// What is to be done for a token; `knows` says whether its key is known.
    pub(super) fn step(&self, knows: bool, ages: Ages, now: Duration) -> Step {
        let may_ask = self.tried.is_none_or(|tried| now >= tried + ages.cooldown);
        let serves = self.fetched.is_some_and(|fetched| now < fetched + ages.max_stale);
        let old = self.fetched.is_none_or(|fetched| now >= fetched + ages.refresh);
        match (serves, knows) {
            (true, true) if old && may_ask => Step::UseAndFetch,
            (true, true) => Step::Use,
            (true, false) if may_ask => Step::Fetch,
            (true, false) => Step::Use,
            (false, _) if may_ask => Step::Fetch,
            (false, _) => Step::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_the_file_allows_of_it() {
        let x = "A".repeat(43);
        let p256 = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","kid":"one"}}"#);
        let set = format!(r#"{{"keys":[{p256},{{"kty":"oct","k":"AQAB"}},{{"kty":"RSA","n":"AQAB","e":"AQAB"}},7]}}"#);
        let names = |algorithms: &[&str]| {
            let algorithms: Vec<_> = algorithms.iter().map(|one| (*one).to_owned()).collect();
            usable(set.as_bytes(), &algorithms).map(|keys| keys.iter().map(|key| key.id().map(str::to_owned)).collect())
        };
        assert_eq!(names(&["RS256", "ES256"]), Ok(vec![Some("one".to_owned())]));
        assert!(names(&["RS256"]).unwrap_err().contains("none of its keys is for RS256"));
        for text in ["", "{}", r#"{"keys":[]}"#, "[]"] {
            assert!(usable(text.as_bytes(), &["ES256".to_owned()]).is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_is_fetched_when_it_is_wanted_and_not_more_often() {
        let s = Duration::from_secs;
        let ages = Ages { refresh: s(300), cooldown: s(60), max_stale: s(1000) };
        let step = |fetched: Option<u64>, tried: Option<u64>, knows| {
            Freshness { fetched: fetched.map(s), tried: tried.map(s) }.step(knows, ages, s(2000))
        };
        for (fetched, tried, knows, expected) in [
            (None, None, false, Step::Fetch),
            (None, Some(1990), false, Step::Nothing),
            (Some(1990), Some(1990), true, Step::Use),
            (Some(1990), Some(1990), false, Step::Use),
            (Some(1900), Some(1900), false, Step::Fetch),
            (Some(1600), Some(1600), true, Step::UseAndFetch),
            (Some(1600), Some(1990), true, Step::Use),
            (Some(1000), Some(1990), true, Step::Nothing),
            (Some(1000), Some(1900), true, Step::Fetch),
        ] {
            assert_eq!(step(fetched, tried, knows), expected, "{fetched:?} {tried:?} {knows}");
        }
    }
}
