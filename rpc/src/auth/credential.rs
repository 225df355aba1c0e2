//! What a client shows of itself, and where the next one comes from.

use super::guard::setting;
use crate::call::BoxFuture;
use mainstay_registry::Secret;
use std::{error::Error, fmt, future::Future, time::Duration};
use tonic::metadata::{Ascii, MetadataValue};

/// The value of `authorization` for some time. It is shown to no log.
#[derive(Clone)]
pub struct Credential {
    pub(super) value: MetadataValue<Ascii>,
    pub(super) lasts: Option<Duration>,
}

impl Credential {
    /// A bearer token that is good for ever.
    ///
    /// # Errors
    /// When it holds what no header may.
    pub fn bearer(token: &str) -> Result<Self, crate::Error> {
        let bad = || setting("a bearer token", "only visible ASCII can be shown".to_owned());
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad());
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(Self { value, lasts: None })
    }

    /// The same, good for so long from when it was fetched. The next one is fetched before that, after four fifths of it.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// Fetches what a client shows: from a file, from a server of tokens. A function that answers a future is one.
///
/// It is asked by one task at a time, for all calls together, and bounded to 10 s.
pub trait Credentials: Send + Sync + 'static {
    /// The next one.
    ///
    /// # Errors
    /// Why there is none, in words without secrets: whoever calls is told.
    fn fetch(&self) -> BoxFuture<'static, Result<Credential, Box<dyn Error + Send + Sync>>>;
}

impl<F, R> Credentials for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Credential, Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    fn fetch(&self) -> BoxFuture<'static, Result<Credential, Box<dyn Error + Send + Sync>>> {
        Box::pin(self())
    }
}

/// How long what was read is good for: who changes a file need restart nobody.
const REREAD: Duration = Duration::from_secs(60);

/// A bearer token at a place, which is read again each minute.
pub(crate) struct AtPlace(pub(crate) String);

impl Credentials for AtPlace {
    fn fetch(&self) -> BoxFuture<'static, Result<Credential, Box<dyn Error + Send + Sync>>> {
        let place = self.0.clone();
        Box::pin(async move {
            let secret = Secret::read(&place)?;
            Ok(Credential::bearer(secret.expose())?.lasting(REREAD))
        })
    }
}
