//! What can be wrong with what TLS was given.

use std::{io, path::PathBuf};
use tokio_rustls::rustls;

/// Why TLS could not be set up. Nothing of a private key is ever in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("{what}: cannot read {}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text is PEM that breaks off, or is none.
    #[error("{what}: {origin} is no PEM: {cause}")]
    NotPem {
        /// What was looked for.
        what: &'static str,
        /// Where it came from.
        origin: String,
        /// What is wrong.
        cause: String,
    },
    /// The PEM holds something else.
    #[error("{what}: there is none in {origin}; it must hold `-----BEGIN {section}-----`")]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where it came from.
        origin: String,
        /// The PEM section that would have been it.
        section: &'static str,
    },
    /// A certificate of ours is past its end.
    #[error("{what}: the certificate in {origin} expired {ago_s} s ago; renew it")]
    Expired {
        /// What was looked for.
        what: &'static str,
        /// Where it came from.
        origin: String,
        /// Seconds since its end.
        ago_s: u64,
    },
    /// The certificate belongs to another key.
    #[error("the private key in {key} does not fit the certificate in {certificate}")]
    KeyMismatch {
        /// Where the key came from.
        key: String,
        /// Where the certificate came from.
        certificate: String,
    },
    /// A client that trusts nobody can connect to nobody.
    #[error("no authority to trust: name one with `Tls::client().ca(…)`")]
    NoAuthority,
    /// This is no name that a certificate could hold.
    #[error("{name:?} is neither a host name nor an IP address")]
    BadName {
        /// The name.
        name: String,
    },
    /// rustls refuses what it was given.
    #[error("{what}: {origin} cannot be used")]
    Refused {
        /// What it was for.
        what: &'static str,
        /// Where it came from.
        origin: String,
        /// Why not.
        source: rustls::Error,
    },
}
