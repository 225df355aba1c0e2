//! What can go wrong when a program is set up: the error of `main`.
//!
//! `fn main() -> Result<(), mainstay::Error>` prints it with `Debug`, so that says what `Display` says, and the causes
//! below it.

use crate::call::{CallError, Status};
use mainstay_registry::RegistryError;
use std::{error::Error as _, fmt, io};

/// Why something could not be set up, or a call that `main` made failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The text is no address to connect to.
    #[error("`{text}` is no address: {why}; it should look like host:port or [::1]:port")]
    Address {
        /// The text, cut at 200 characters.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The application did not start, or its listener failed.
    #[cfg(feature = "server")]
    #[error(transparent)]
    App(#[from] crate::app::AppError),
    /// TLS cannot be set up.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] crate::transport::TlsError),
    /// A call failed.
    #[error("{0}")]
    Call(#[source] Status),
    /// A service answered with an error of its own.
    #[error("{0}")]
    Service(String),
    /// A setting cannot be what it is.
    #[error("{what}: {why}")]
    Setting {
        /// Which setting, and where it comes from.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A cause that its effect has quoted already is not said twice.
            if !said.contains(&text) {
                write!(f, "\n  because: {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

impl<E: fmt::Display> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::App(error) => Self::Service(error.to_string()),
            CallError::Call(status) => Self::Call(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_what_happened_and_why_once() {
        let source = io::Error::new(io::ErrorKind::AddrInUse, "address in use");
        let error = Error::Listen { address: "127.0.0.1:80".into(), source };
        assert_eq!(format!("{error:?}"), "could not listen on 127.0.0.1:80\n  because: address in use");
        let error = Error::from(Status::deadline_exceeded());
        assert_eq!(format!("{error:?}"), "DeadlineExceeded: the deadline passed [DEADLINE_EXCEEDED]");
    }
}
