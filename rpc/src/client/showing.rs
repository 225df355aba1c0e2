//! What a client shows of itself, as it is set up.

use super::{Client, ConnectBuilder};
use crate::{
    Error,
    auth::{AtPlace, Credentials},
};

/// Whether there is anything to show, and over what.
pub(super) struct Showing {
    credentials: Option<Box<dyn Credentials>>,
    /// Connections are plain TCP: whoever is on the way can read them.
    pub(super) is_plain: bool,
    in_clear: bool,
}

impl Default for Showing {
    fn default() -> Self {
        Self { credentials: None, is_plain: true, in_clear: false }
    }
}

impl Showing {
    /// What is to be shown.
    ///
    /// # Errors
    /// When all on the way could read it, and nobody said that this is meant.
    pub(super) fn credentials(&mut self) -> Result<Option<Box<dyn Credentials>>, Error> {
        let credentials = self.credentials.take();
        if credentials.is_some() && self.is_plain && !self.in_clear {
            let why = "they would be sent in the clear: use TLS, or say `credentials_in_clear()`".to_owned();
            return Err(Error::Setting { what: "the credentials of a client".to_owned(), why });
        }
        Ok(credentials)
    }
}

impl<C: From<Client>> ConnectBuilder<C> {
    /// Shows what these fetch with each call that has no `authorization` of its own. One fetch serves all calls; the next
    /// one is fetched before the time of what is there is over.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Credentials) -> Self {
        self.showing.credentials = Some(Box::new(credentials));
        self
    }

    /// Shows the bearer token that is at this place: `env:NAME` or `file:/path`. It is read again each minute.
    #[must_use]
    pub fn bearer(self, place: impl Into<String>) -> Self {
        self.credentials(AtPlace(place.into()))
    }

    /// Shows credentials over plain TCP too, where whoever is on the way can read them: for one machine, or where
    /// something else encrypts.
    #[must_use]
    pub fn credentials_in_clear(mut self) -> Self {
        self.showing.in_clear = true;
        self
    }
}
