//! What can go wrong when a registry is set up or a registration is made; every text says what was attempted, with
//! what, and what to do.

use std::{io, path::PathBuf, time::Duration};

/// Failure of a registry operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The text is no service key.
    #[error("`{text}` is not a service key `[group/]interface[:version]`: {why}")]
    BadKey {
        /// The text, cut at 200 characters.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The text is no registry URL of its scheme.
    #[error("registry URL `{url}`: {why}")]
    BadUrl {
        /// The URL, without user and password.
        url: String,
        /// What is wrong with it, and how it should look.
        why: String,
    },
    /// No adapter has this scheme.
    #[error("registry URL `{url}`: unknown scheme `{scheme}`{}; known are {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownScheme {
        /// The URL, without user and password.
        url: String,
        /// The scheme as written.
        scheme: String,
        /// The known scheme with the nearest spelling, when one is near.
        nearest: Option<String>,
        /// All known schemes.
        known: String,
    },
    /// The adapter exists, but this build leaves it out.
    #[error("`{scheme}://` needs the feature `{feature}`: add `features = [\"{feature}\"]` to the dependency")]
    FeatureOff {
        /// The scheme.
        scheme: String,
        /// The feature that has its adapter.
        feature: String,
    },
    /// The directory of the embedded registry is not safe to use or cannot be used.
    #[error("registry directory {}: {why}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A file operation failed.
    #[error("{attempted} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A record is larger than the registry takes.
    #[error("{what} takes {size} bytes, at most {limit} are taken: announce fewer services or shorter labels")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The adapter cannot do that at all.
    #[error("{registry} {what}")]
    Unsupported {
        /// The registry, as it describes itself.
        registry: String,
        /// What it does not do.
        what: &'static str,
    },
    /// The registry did not answer, or did not answer usefully.
    #[error("{attempted}: {why}")]
    Unavailable {
        /// What was attempted, with what.
        attempted: String,
        /// The answer.
        why: String,
    },
    /// The operation did not end in the time given. It goes on in the background.
    #[error("{attempted}: not done within {after:?}; last state: {state}")]
    Timeout {
        /// What was attempted.
        attempted: &'static str,
        /// The time given.
        after: Duration,
        /// What is known instead.
        state: String,
    },
    /// The registration was withdrawn, or its runtime is gone.
    #[error("the registration has ended: {why}")]
    Ended {
        /// Why.
        why: String,
    },
}

impl RegistryError {
    /// A maker of [`RegistryError::Io`], for `map_err`.
    #[cfg(feature = "file")]
    pub(crate) fn io(attempted: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { attempted, path, source }
    }
}
