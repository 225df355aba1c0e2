//! Why a call failed: the only failure between a stub and a handler.
//!
//! It carries gRPC's code, message and metadata, and what gRPC leaves out: a stable reason, whose fault it is, whether
//! another try may help, and whether the server was reached at all. The inside is boxed, so that a `Result` of it
//! stays small on the way that matters, the good one.

use super::{ErrorInfo, Fault, Reason};
use bytes::Bytes;
use mainstay_registry::InstanceId;
use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};
use tonic::{Code, metadata::MetadataMap};

/// The failure of a call. See the module's text for what it carries beside gRPC's own.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    reason: Reason,
    retryable: bool,
    reached: bool,
    retry_after: Option<Duration>,
    metadata: MetadataMap,
    details: Bytes,
    info: Option<ErrorInfo>,
    instance: Option<InstanceId>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Status {
    /// What a handler answers with: a code and a message for the caller.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::because(Reason::Handler, code, message)
    }

    /// A failure that the framework itself found.
    pub fn because(reason: Reason, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            reason,
            retryable: reason.retryable(),
            reached: true,
            retry_after: None,
            metadata: MetadataMap::new(),
            details: Bytes::new(),
            info: None,
            instance: None,
            source: None,
        }))
    }

    /// The deadline passed.
    pub fn deadline_exceeded() -> Self {
        Self::because(Reason::DeadlineExceeded, Code::DeadlineExceeded, "the deadline passed")
    }

    /// gRPC's code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The stable reason code.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.0.reason.fault()
    }

    /// Another try may end better. Sending again also needs an idempotent method, or that the server was not reached.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// The request may have come to a server. `false` only when it certainly did not: then repeating is safe.
    pub fn reached_server(&self) -> bool {
        self.0.reached
    }

    /// How long the server asks to wait before another try; zero asks for none (`grpc-retry-pushback-ms`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The instance that the call failed at; `None` when it came to none, or there is no cluster.
    pub fn instance(&self) -> Option<&InstanceId> {
        self.0.instance.as_ref()
    }

    /// What travels beside the status.
    pub fn metadata(&self) -> &MetadataMap {
        &self.0.metadata
    }

    /// See [`metadata`](Self::metadata).
    pub fn metadata_mut(&mut self) -> &mut MetadataMap {
        &mut self.0.metadata
    }

    /// An encoded `google.rpc.Status`, as it came or will go in `grpc-status-details-bin`. Empty when there is none.
    pub fn details(&self) -> &Bytes {
        &self.0.details
    }

    /// The `google.rpc.ErrorInfo` of the status: a reason inside a domain, with its fields.
    pub fn info(&self) -> Option<&ErrorInfo> {
        self.0.info.as_ref()
    }

    /// Attaches metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: MetadataMap) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// Attaches an encoded `google.rpc.Status`, and the `ErrorInfo` in it if there is one.
    #[must_use]
    pub fn with_details(mut self, details: Bytes) -> Self {
        self.0.info = ErrorInfo::find(&details);
        self.0.details = details;
        self
    }

    /// Attaches an `ErrorInfo`, replacing the details by one that holds it.
    #[must_use]
    pub fn with_info(mut self, info: ErrorInfo) -> Self {
        self.0.details = info.to_details(self.0.code, &self.0.message);
        self.0.info = Some(info);
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Arc<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says at which instance the call failed.
    #[must_use]
    pub fn at(mut self, instance: InstanceId) -> Self {
        self.set_instance(instance);
        self
    }

    pub(crate) fn set_instance(&mut self, instance: InstanceId) {
        self.0.instance = Some(instance);
    }

    /// Says that the request certainly did not come to a server.
    #[must_use]
    pub fn not_reached(mut self) -> Self {
        self.0.reached = false;
        self
    }

    /// Says that another try would not help, whatever the reason says.
    #[must_use]
    pub fn not_retryable(mut self) -> Self {
        self.0.retryable = false;
        self
    }

    pub(crate) fn set_not_retryable(&mut self) {
        self.0.retryable = false;
    }

    /// Says how long to wait before another try.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.code, self.0.message)?;
        match self.0.reason {
            Reason::Remote | Reason::Handler => Ok(()),
            reason => write!(f, " [{reason}]"),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("reason", &self.0.reason)
            .field("retryable", &self.0.retryable)
            .field("reached", &self.0.reached)
            .field("info", &self.0.info)
            .field("instance", &self.0.instance)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<tonic::Status> for Status {
    fn from(from: tonic::Status) -> Self {
        Self::new(from.code(), from.message().to_owned())
            .with_metadata(from.metadata().clone())
            .with_details(Bytes::copy_from_slice(from.details()))
            .with_source(Arc::new(from) as Arc<dyn Error + Send + Sync>)
    }
}

impl From<Status> for tonic::Status {
    fn from(from: Status) -> Self {
        let Inner { code, message, details, metadata, .. } = *from.0;
        Self::with_details_and_metadata(code, message, details, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tonic_and_back() {
        let mut status = Status::new(Code::NotFound, "no article a-1")
            .with_info(ErrorInfo::new("UNKNOWN", "stock").with("sku", "a-1"));
        status.metadata_mut().insert("x", "y".parse().unwrap());
        let back = Status::from(tonic::Status::from(status.clone()));
        assert_eq!((back.code(), back.message()), (Code::NotFound, "no article a-1"));
        assert_eq!(back.info(), status.info());
        assert_eq!(back.metadata().get("x").unwrap(), "y");
    }

    #[test]
    fn display_shows_the_reason_only_when_the_framework_found_it() {
        assert_eq!(Status::new(Code::NotFound, "no").to_string(), "NotFound: no");
        assert_eq!(
            Status::deadline_exceeded().to_string(),
            "DeadlineExceeded: the deadline passed [DEADLINE_EXCEEDED]"
        );
    }

    #[test]
    fn a_result_of_it_stays_small() {
        assert_eq!(size_of::<Result<(), Status>>(), size_of::<usize>());
    }
}
