//! The port: what a config centre is to the rest of the system.

use std::{fmt, future::Future, pin::Pin};

use super::{error::ConfigError, key::ConfigKey, watch::ConfigWatch};

/// Largest content, in bytes. Half of what a ZooKeeper takes as it comes, and more than any rule needs.
pub const MAX_CONFIG: usize = 512 << 10;

/// What an operation of a centre answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ConfigError>> + Send + 'a>>;

/// Where settings and rules are kept: texts under keys.
///
/// All operations but [`watch`](Self::watch) wait for the centre, each for a bounded time. A future that is dropped may or
/// may not have had its effect.
pub trait ConfigCenter: Send + Sync + fmt::Debug {
    /// What is kept under `key` now, with the centre's eyes; `None` when nothing is.
    ///
    /// # Errors
    /// [`ConfigError::Unavailable`], [`ConfigError::Unreadable`].
    fn get<'a>(&'a self, key: &'a ConfigKey) -> Answer<'a, Option<Config>>;

    /// Follows what is kept under `key`, there or not, for as long as the watch lives. Returns at once, also when the centre
    /// is away.
    fn watch(&self, key: &ConfigKey) -> ConfigWatch;

    /// Puts `content` under `key`, if what is there is `expected`; answers its version.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when something else is there; nothing is changed then. [`ConfigError::TooLarge`],
    /// [`ConfigError::Empty`], [`ConfigError::Unavailable`]: after the last, it may have been done.
    fn publish<'a>(&'a self, key: &'a ConfigKey, content: &'a str, expected: Expected) -> Answer<'a, ConfigVersion>;

    /// Removes what is under `key`, if it is `expected`. That nothing is there is a success, unless a version is expected.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    fn delete<'a>(&'a self, key: &'a ConfigKey, expected: Expected) -> Answer<'a, ()>;

    /// The centre in words for people. No secrets.
    fn describe(&self) -> String;
}

/// A text that is kept, and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The text, as it was published.
    pub content: String,
    /// Which one it is.
    pub version: ConfigVersion,
}

impl Config {
    /// A text and its version; for adapters.
    pub fn new(content: impl Into<String>, version: ConfigVersion) -> Self {
        Self { content: content.into(), version }
    }
}

/// Names one content of one key; opaque. Other contents have other versions; the same content, published again, may or may
/// not have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ConfigVersion(String);

impl ConfigVersion {
    /// A version that is written so; for adapters.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a writer expects to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there, or nothing.
    Any,
    /// Nothing: the key must not exist.
    Absent,
    /// This version.
    Version(ConfigVersion),
}

impl Expected {
    /// Refuses what is there, if it is not what is expected.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`].
    pub fn check(&self, key: &ConfigKey, found: Option<&ConfigVersion>) -> Result<(), ConfigError> {
        let as_expected = match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version),
        };
        if as_expected { Ok(()) } else { Err(ConfigError::Conflict { key: key.clone(), found: found.cloned() }) }
    }
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSight {
    /// This is there.
    Present(Config),
    /// Nothing is there, and the centre says so.
    Absent,
    /// The centre does not answer, and this was there when it last did: from the disk of this machine.
    LastGood {
        /// What was there.
        config: Config,
        /// Why there is nothing newer.
        why: String,
    },
    /// The centre does not answer, and nothing is known of the key.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl ConfigSight {
    /// The text to go by, if there is one.
    pub fn config(&self) -> Option<&Config> {
        match self {
            Self::Present(config) | Self::LastGood { config, .. } => Some(config),
            Self::Absent | Self::Unknown { .. } => None,
        }
    }
}

/// Refuses what no centre has to take.
pub(crate) fn check_content(key: &ConfigKey, content: &str) -> Result<(), ConfigError> {
    match content.len() {
        size if size > MAX_CONFIG => Err(ConfigError::TooLarge { key: key.clone(), size, limit: MAX_CONFIG }),
        _ if content.trim().is_empty() => Err(ConfigError::Empty { key: key.clone() }),
        _ => Ok(()),
    }
}

/// What a centre holds under `key`, as a text.
///
/// # Errors
/// [`ConfigError::Unreadable`] for what is too large or is no text.
#[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
pub(crate) fn readable(key: &ConfigKey, bytes: Vec<u8>) -> Result<String, ConfigError> {
    let unreadable = |why| ConfigError::Unreadable { key: key.clone(), why };
    if bytes.len() > MAX_CONFIG {
        return Err(unreadable(format!("it takes {} bytes, at most {MAX_CONFIG} are taken", bytes.len())));
    }
    String::from_utf8(bytes).map_err(|error| unreadable(format!("it is no text: {}", error.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_decides() {
        let key = ConfigKey::new("x").unwrap();
        let (one, two) = (ConfigVersion::new("1"), ConfigVersion::new("2"));
        for (expected, found, fine) in [
            (Expected::Any, None, true),
            (Expected::Any, Some(&one), true),
            (Expected::Absent, None, true),
            (Expected::Absent, Some(&one), false),
            (Expected::Version(one.clone()), Some(&one), true),
            (Expected::Version(one.clone()), Some(&two), false),
            (Expected::Version(one.clone()), None, false),
        ] {
            assert_eq!(expected.check(&key, found).is_ok(), fine, "{expected:?} {found:?}");
        }
        let error = Expected::Absent.check(&key, Some(&two)).unwrap_err().to_string();
        assert_eq!(error, "dubbo/x is not as expected: it has version 2");
    }

    #[test]
    fn contents_are_bounded_at_both_ends() {
        let key = ConfigKey::new("x").unwrap();
        assert!(check_content(&key, "x").is_ok());
        for nothing in ["", " ", "\n\t"] {
            assert!(check_content(&key, nothing).unwrap_err().to_string().contains("delete"));
        }
        let error = check_content(&key, &"x".repeat(MAX_CONFIG + 1)).unwrap_err().to_string();
        assert!(error.contains("at most 524288"), "{error}");
    }
}
