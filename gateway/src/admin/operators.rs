//! Who may change what can be changed: names, each with a token of its own.

use mainstay_registry::Secret;
use std::{collections::BTreeMap, sync::Arc};

/// The shortest token, in bytes.
const LEAST: usize = 16;

/// Operators and their tokens, as they were read at the start. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operators(Arc<Vec<(String, Secret)>>);

impl Operators {
    /// Reads the tokens at these places.
    ///
    /// # Errors
    /// Which one cannot be read, or is too short.
    pub(crate) fn read(places: &BTreeMap<String, String>) -> Result<Self, String> {
        let read = |(name, place): (&String, &String)| {
            let token = Secret::read(place).map_err(|why| format!("the token of {name}: {why}"))?;
            match token.expose().len() {
                length if length < LEAST => {
                    Err(format!("the token of {name} has {length} bytes, at least {LEAST} are wanted"))
                }
                _ => Ok((name.clone(), token)),
            }
        };
        places.iter().map(read).collect::<Result<_, _>>().map(|all| Self(Arc::new(all)))
    }

    /// There are none: nothing can be changed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token the value of `authorization` shows. Each is looked at: the time does not tell whose it nearly was.
    pub(super) fn who(&self, authorization: &[u8]) -> Option<&str> {
        let (word, token) = authorization.split_at_checked(7)?;
        let token = word.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())?;
        self.0.iter().fold(None, |found, (name, known)| if known.is(token) { Some(name.as_str()) } else { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let folder = std::env::temp_dir().join(format!("mainstay-operators-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = |name: &str, token: &str| {
            std::fs::write(folder.join(name), token).unwrap();
            format!("file:{}", folder.join(name).display())
        };
        let places = BTreeMap::from([
            ("ann".to_owned(), place("a", "0123456789abcdef\n")),
            ("bob".to_owned(), place("b", "fedcba9876543210")),
        ]);
        let operators = Operators::read(&places).unwrap();
        for (shown, who) in [
            ("Bearer 0123456789abcdef", Some("ann")),
            ("bearer  fedcba9876543210", Some("bob")),
            ("Bearer 0123456789abcdeF", None),
            ("Bearer ", None),
            ("0123456789abcdef", None),
        ] {
            assert_eq!(operators.who(shown.as_bytes()), who, "{shown}");
        }
        let short = BTreeMap::from([("eve".to_owned(), place("c", "short"))]);
        assert!(Operators::read(&short).unwrap_err().contains("at least 16"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
