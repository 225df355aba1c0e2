//! What comes beside an answer of one message, for callers that want it.

use super::{Reply, Status};
use crate::dubbo::Attachments;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::metadata::MetadataMap;

/// Keeps what came beside the latest answer of one message: `client.with(CallOptions::new().beside(&beside))`.
///
/// A clone is the same. Of calls at once it keeps the one that ended last, so each has better one of its own. A stream has
/// its [`trailers`](super::Streaming::trailers) itself.
#[derive(Clone, Debug, Default)]
pub struct Beside(Arc<Mutex<Latest>>);

#[derive(Debug, Default)]
struct Latest {
    metadata: MetadataMap,
    trailers: MetadataMap,
}

impl Beside {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What came before the message. Empty for a call that failed.
    pub fn metadata(&self) -> MetadataMap {
        self.with(|latest| latest.metadata.clone())
    }

    /// What came after the message, or with the status of a call that failed.
    pub fn trailers(&self) -> MetadataMap {
        self.with(|latest| latest.trailers.clone())
    }

    /// The attachments of a Dubbo provider, which come after the message.
    pub fn attachments(&self) -> Attachments {
        self.with(|latest| Attachments::of(&latest.trailers))
    }

    pub(crate) fn note(&self, answered: &Result<Reply, Status>) {
        self.with(|latest| match answered {
            Ok(reply) => (latest.metadata, latest.trailers) = (reply.metadata.clone(), reply.trailers.clone()),
            Err(status) => (latest.metadata, latest.trailers) = (MetadataMap::new(), status.metadata().clone()),
        });
    }

    fn with<R>(&self, look: impl FnOnce(&mut Latest) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
