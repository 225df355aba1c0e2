//! The port for bearer tokens: whoever can tell from a token who shows it, without asking anybody.

use super::Caller;
use std::{borrow::Cow, fmt, time::Duration};

/// Tells who shows a token.
pub trait Tokens: Send + Sync + 'static {
    /// The caller that `token` is for, at `now` since the epoch.
    ///
    /// # Errors
    /// Why the token is none. The words go to the caller: no part of the token, and nothing of the keys.
    fn caller(&self, token: &str, now: Duration) -> Result<Caller, BadToken>;
}

/// The token of `Bearer TOKEN`; the word may be in any case.
pub(crate) fn bearer(authorization: &[u8]) -> Option<&str> {
    let (word, token) = authorization.split_at_checked(7)?;
    let token = word.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())?;
    std::str::from_utf8(token).ok().filter(|token| !token.is_empty())
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadToken {
    /// Its time is over: a new one may do.
    pub expired: bool,
    /// Why, for people.
    pub why: Cow<'static, str>,
}

impl BadToken {
    /// It is no token of ours.
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { expired: false, why: why.into() }
    }

    /// It was one.
    pub fn expired(why: impl Into<Cow<'static, str>>) -> Self {
        Self { expired: true, why: why.into() }
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for BadToken {}
