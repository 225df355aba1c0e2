//! Secrets of registries: named in a URL, kept elsewhere, never shown.
//!
//! A URL ends up in logs, in process lists and in version control. So it does not hold a secret, it says where one is:
//! `env:NAME` for a variable of the environment, `file:/path` for a file, whose last line feed is no part of it.

use std::fmt;

#[cfg(any(feature = "nacos", feature = "zookeeper"))]
use crate::{error::RegistryError, url::RegistryUrl};

/// Longest secret that is taken, in bytes.
const MAX_SECRET: usize = 4096;

/// A secret, which no formatting shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret that `source` says the place of: `env:NAME` or `file:/path`.
    ///
    /// # Errors
    /// What is wrong with the place, in words; never what is there.
    pub fn read(source: &str) -> Result<Self, String> {
        let text = match source.split_once(':') {
            Some(("env", name)) => std::env::var(name).map_err(|why| format!("the variable {name}: {why}"))?,
            Some(("file", path)) => std::fs::read_to_string(path).map_err(|why| format!("the file {path}: {why}"))?,
            _ => return Err("a secret is not written here: say `env:NAME` or `file:/path`".to_owned()),
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        match text.len() {
            0 => Err(format!("there is nothing in {source}")),
            length if length > MAX_SECRET => {
                Err(format!("{source} holds {length} bytes, at most {MAX_SECRET} are taken"))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// Whether `shown` is this secret, in a time that tells nothing but how long it is.
    pub fn is(&self, shown: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        secret.len() == shown.len() && secret.iter().zip(shown).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    /// The secret itself, for whoever it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who asks a registry.
#[cfg(any(feature = "nacos", feature = "zookeeper"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// As little to be shown as the password: half of what it takes to get in.
    pub(crate) user: Secret,
    pub(crate) password: Secret,
}

#[cfg(any(feature = "nacos", feature = "zookeeper"))]
impl Login {
    /// What `user` and `password` of `url` say the places of; `None` when it has neither.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`], when it has one alone, or one cannot be read.
    pub(crate) fn of(url: &RegistryUrl) -> Result<Option<Self>, RegistryError> {
        let said = |name| url.parameter_as::<String>(name);
        let read = |name: &str, text: &str| Secret::read(text).map_err(|why| url.bad(format!("`{name}`: {why}")));
        match (said("user")?, said("password")?) {
            (None, None) => Ok(None),
            (Some(user), Some(password)) => {
                Ok(Some(Self { user: read("user", &user)?, password: read("password", &password)? }))
            }
            _ => Err(url.bad("`user` and `password` belong together: `user=env:NAME&password=file:/path`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_where_its_source_says_and_never_shown() {
        let file = std::env::temp_dir().join(format!("mainstay-test-{:016x}", crate::instance::fresh()));
        for (held, expected) in
            [("open sesame\n", Some("open sesame")), ("a\r\n", Some("a")), (" b ", Some(" b ")), ("\n", None)]
        {
            std::fs::write(&file, held).unwrap();
            let read = Secret::read(&format!("file:{}", file.display()));
            assert_eq!(read.as_ref().ok().map(Secret::expose), expected, "{held:?}");
            assert!(!format!("{read:?}").contains("sesame"));
        }
        std::fs::remove_file(file).unwrap();
        let path = Secret::read("env:PATH").unwrap();
        assert_eq!(path.expose(), std::env::var("PATH").unwrap());
        assert!(path.is(path.expose().as_bytes()) && !path.is(b"") && !path.is(b"/"));
    }

    #[test]
    fn a_secret_in_the_open_is_refused_and_not_repeated() {
        for source in ["hunter2", "hunter:2", "", "env:MAINSTAY_NO_SUCH_VARIABLE", "file:/no/such/file"] {
            let why = Secret::read(source).unwrap_err();
            assert!(!why.contains("hunter"), "{why}");
        }
    }
}
