//! What an application answers when it is asked for its metadata.

use super::{MetadataInfoV2, MetadataServiceV2, NAME, VERSION};
use crate::call::Status;
use arc_swap::ArcSwapOption;
use mainstay_registry::ServiceKey;
use std::sync::Arc;
use tonic::Code;

/// What an application tells of itself, from the moment that it knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<ArcSwapOption<MetadataInfoV2>>);

impl Told {
    /// Tells it from here on.
    pub(crate) fn set(&self, info: MetadataInfoV2) {
        self.0.store(Some(Arc::new(info)));
    }
}

impl MetadataServiceV2 for Told {
    async fn get_metadata_info(&self, _: String) -> Result<MetadataInfoV2, Status> {
        let starting = || Status::new(Code::Unavailable, "the application is starting: it has registered nothing yet");
        self.0.load().as_deref().cloned().ok_or_else(starting)
    }
}

/// The key under which consumers ask an application.
pub(crate) fn key(application: &str) -> ServiceKey {
    ServiceKey::new(NAME).with_group(application).with_version(VERSION)
}
