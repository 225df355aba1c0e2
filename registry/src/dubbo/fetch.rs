//! The port by which a registry learns what a provider of the application level offers: it is asked, by gRPC.
//!
//! This crate makes no calls. Whoever can (the crate `mainstay`) implements the port and hands it to
//! [`connect_with`](crate::connect_with); without it, only documents that are stored in the registry are read.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::metadata::MetadataInfo;

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MetadataAddress {
    /// The application: the group under which its metadata service is served.
    pub application: String,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// The port of its metadata service.
    pub port: u16,
    /// The revision that is wanted.
    pub revision: String,
}

impl MetadataAddress {
    /// The metadata service of `application` at `host:port`, for the content `revision`.
    pub fn new(
        application: impl Into<String>,
        host: impl Into<String>,
        port: u16,
        revision: impl Into<String>,
    ) -> Self {
        Self { application: application.into(), host: host.into(), port, revision: revision.into() }
    }
}

/// The answer, or in words why there is none.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<MetadataInfo, String>> + Send + 'a>>;

/// Asks a provider's `org.apache.dubbo.metadata.MetadataServiceV2`, version `2.0.0`, in the group of its application.
pub trait FetchMetadata: Send + Sync + fmt::Debug {
    /// Asks once. The caller bounds it in time and asks again later; dropping the future ends the call.
    fn fetch<'a>(&'a self, from: &'a MetadataAddress) -> Fetched<'a>;
}

/// What a registry can use of the rest of the system.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Links {
    /// Asks providers of the application level for what they offer.
    pub metadata: Option<Arc<dyn FetchMetadata>>,
    /// The zone of whoever reads: of several registries, those of the same zone are read first.
    pub zone: Option<String>,
}

impl Links {
    /// Links with a way to ask providers.
    #[must_use]
    pub fn with_metadata(mut self, fetch: Arc<dyn FetchMetadata>) -> Self {
        self.metadata = Some(fetch);
        self
    }

    /// Links of a reader in this zone.
    #[must_use]
    pub fn in_zone(mut self, zone: Option<String>) -> Self {
        self.zone = zone;
        self
    }
}
