//! What a caller may say of one call, over what the method says.

use std::time::Duration;
use tonic::metadata::{Ascii, Binary, MetadataKey, MetadataMap, MetadataValue};

/// Options of the calls that a client makes from here on: `client.with(timeout(…).retries(0))`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) gzip: Option<bool>,
    pub(crate) metadata: MetadataMap,
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

    /// These options, and where they say nothing, those of `base`.
    pub(crate) fn over(mut self, base: &Self) -> Self {
        self.timeout = self.timeout.or(base.timeout);
        self.retries = self.retries.or(base.retries);
        self.gzip = self.gzip.or(base.gzip);
        let mut metadata = base.metadata.clone().into_headers();
        metadata.extend(std::mem::take(&mut self.metadata).into_headers());
        self.metadata = MetadataMap::from_headers(metadata);
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
    }
}
