//! What a caller may say of one call, over what the method says.

use super::Beside;
use crate::dubbo::{self, AttachmentError, Attachments};
use std::time::Duration;
use tonic::metadata::{Ascii, Binary, MetadataKey, MetadataMap, MetadataValue};

/// Options of the calls that a client makes from here on: `client.with(timeout(…).retries(0))`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) per_try: Option<Duration>,
    pub(crate) gzip: Option<bool>,
    pub(crate) metadata: MetadataMap,
    pub(crate) beside: Option<Beside>,
}

/// Options that bound a call's whole time.
pub fn timeout(timeout: Duration) -> CallOptions {
    CallOptions::default().timeout(timeout)
}

impl CallOptions {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the whole time of a call: queueing, resolving, connecting, sending and receiving.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How often a failed call is sent again, at most. It still needs an idempotent method, or a server that was not
    /// reached.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// How long one try may take where another may follow. See [`RetryOptions`](crate::layer::RetryOptions).
    #[must_use]
    pub fn per_try_timeout(mut self, timeout: Duration) -> Self {
        self.per_try = Some(timeout);
        self
    }

    /// Compresses requests.
    #[must_use]
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = Some(gzip);
        self
    }

    /// Sends metadata along.
    #[must_use]
    pub fn metadata(mut self, key: MetadataKey<Ascii>, value: MetadataValue<Ascii>) -> Self {
        self.metadata.append(key, value);
        self
    }

    /// Sends binary metadata along; the key ends in `-bin`.
    #[must_use]
    pub fn metadata_bin(mut self, key: MetadataKey<Binary>, value: MetadataValue<Binary>) -> Self {
        self.metadata.append_bin(key, value);
        self
    }

    /// Sends an attachment of Dubbo along: metadata whose name may have capitals.
    ///
    /// # Errors
    /// As [`Attachments::set`].
    pub fn attachment(mut self, name: &str, value: impl Into<String>) -> Result<Self, AttachmentError> {
        let mut one = Attachments::new();
        one.set(name, value)?;
        one.write_to(&mut self.metadata);
        Ok(self)
    }

    /// Sends attachments of Dubbo along.
    #[must_use]
    pub fn attachments(mut self, attachments: &Attachments) -> Self {
        attachments.write_to(&mut self.metadata);
        self
    }

    /// Keeps what comes beside the answers of one message: metadata, trailers, attachments.
    #[must_use]
    pub fn beside(mut self, beside: &Beside) -> Self {
        self.beside = Some(beside.clone());
        self
    }

    /// These options, and where they say nothing, those of `base`.
    pub(crate) fn over(mut self, base: &Self) -> Self {
        self.timeout = self.timeout.or(base.timeout);
        self.retries = self.retries.or(base.retries);
        self.per_try = self.per_try.or(base.per_try);
        self.gzip = self.gzip.or(base.gzip);
        self.beside = self.beside.or_else(|| base.beside.clone());
        let own = std::mem::replace(&mut self.metadata, base.metadata.clone());
        dubbo::merge(&mut self.metadata, own);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_base_s() {
        let base = timeout(Duration::from_secs(1)).retries(2).metadata("a".parse().unwrap(), "1".parse().unwrap());
        let over = CallOptions::new().retries(0).metadata("b".parse().unwrap(), "2".parse().unwrap()).over(&base);
        assert_eq!((over.timeout, over.retries), (Some(Duration::from_secs(1)), Some(0)));
        assert_eq!(over.metadata.len(), 2);
        let (one, two) = (CallOptions::new().attachment("tenantId", "t"), CallOptions::new().attachment("userId", "u"));
        let both = Attachments::of(&two.unwrap().over(&one.unwrap()).metadata);
        assert_eq!(both.texts().collect::<Vec<_>>(), [("tenantId", "t"), ("userId", "u")]);
    }
}
