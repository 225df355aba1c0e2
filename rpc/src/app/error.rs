//! What can keep an application from starting, or end it.

use mainstay_registry::RegistryError;
use std::{fmt, io, net::SocketAddr};

/// Why an application did not start, or ended otherwise than by a drain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Settings cannot be used: all that is wrong with them.
    #[error("the settings cannot be used:{0}")]
    Settings(Problems),
    /// Nothing is served.
    #[error("`{application}` serves nothing: add a service with `App::serve`")]
    NoService {
        /// The application's name.
        application: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with `--listen` or MAINSTAY_LISTEN")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The token that consumers show cannot be read.
    #[error("{why}; the token that consumers show is set by `service-token`")]
    Token {
        /// What is wrong with it.
        why: String,
    },
    /// Nobody can write the access log.
    #[error("cannot write the access log: {source}")]
    AccessLog {
        /// The system's answer.
        source: io::Error,
    },
    /// Operators cannot be answered.
    #[error("cannot answer operators: {why}; the port is set by `admin` and `admin-token`")]
    Admin {
        /// What is wrong with it.
        why: String,
    },
    /// The files of TLS cannot be used.
    #[cfg(feature = "tls")]
    #[error("cannot serve TLS: {source}; the files are set by `tls-cert`, `tls-key` and `tls-client-ca`")]
    Tls {
        /// What is wrong with which file.
        #[from]
        source: crate::transport::TlsError,
    },
    /// Two services would be served under one name, version and group.
    #[error("{key} would be served twice: `service-version` and `service-group` hold for everything that is served")]
    ServedTwice {
        /// Interface, group and version.
        key: String,
    },
    /// There is no such registry, or it cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The listener failed while serving.
    #[error("the listener on {address} failed: {source}")]
    Listener {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
}

/// Mistakes in settings, each in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub(crate) Vec<String>);

impl Problems {
    /// Each with where it stands.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
