//! What can go wrong in a config centre; every text says what was attempted, with what, and what to do.

use super::{key::ConfigKey, port::ConfigVersion};

/// Failure of an operation on a config centre.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The words are no key.
    #[error("`{text}` cannot be the {part} of a config key: {why}")]
    BadKey {
        /// `group` or `name`.
        part: &'static str,
        /// The text, cut at 200 characters.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The content is larger than any centre has to take.
    #[error("the content of {key} takes {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// The key.
        key: ConfigKey,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Nothing, or nothing but white space, is no content: some centres cannot tell it from an absent key.
    #[error("the content of {key} is empty: delete the key instead")]
    Empty {
        /// The key.
        key: ConfigKey,
    },
    /// Somebody else was quicker: what is there is not what was expected. Nothing was changed.
    #[error("{key} is not as expected: {}", found.as_ref().map_or("it is not there".to_owned(), |v| format!("it has version {v}")))]
    Conflict {
        /// The key.
        key: ConfigKey,
        /// What is there; `None` when nothing is.
        found: Option<ConfigVersion>,
    },
    /// What is there cannot be read as a content.
    #[error("what is under {key} cannot be used: {why}")]
    Unreadable {
        /// The key.
        key: ConfigKey,
        /// Why not.
        why: String,
    },
    /// The centre did not answer, or did not answer usefully.
    #[error("{attempted}: {why}")]
    Unavailable {
        /// What was attempted, with what.
        attempted: String,
        /// The answer.
        why: String,
    },
    /// There is no config centre.
    #[error("{registry} keeps no settings; these do: {known}")]
    Unsupported {
        /// The registry, as it describes itself.
        registry: String,
        /// The schemes of those that do.
        known: String,
    },
}
