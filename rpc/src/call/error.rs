//! Errors of services, typed across the wire.
//!
//! An error travels as gRPC's status with a `google.rpc.Status` in its details, which holds an `ErrorInfo {reason,
//! domain, metadata}` (AIP-193). The caller gets its own type back when it knows the reason, else the status.

use super::Status;
use bytes::Bytes;
use prost::Message as _;
use std::{collections::BTreeMap, error::Error, fmt};
use tonic::Code;

/// An error of a service, as `#[derive(ServiceError)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error of a service",
    label = "not a `ServiceError`",
    note = "a type of your own: add `#[derive(mainstay::ServiceError)]` to it; an error without a type is `mainstay::call::Status`"
)]
pub trait ServiceError: Sized + Send + 'static {
    /// The status that carries this error.
    fn to_status(&self) -> Status;

    /// The error that a status carries; `None` when it is not one of this type.
    fn from_status(status: &Status) -> Option<Self>;

    /// The same as [`to_status`](Self::to_status), when the error is not needed any more.
    fn into_status(self) -> Status {
        self.to_status()
    }
}

impl ServiceError for Status {
    fn to_status(&self) -> Status {
        self.clone()
    }

    fn from_status(_: &Status) -> Option<Self> {
        None
    }

    fn into_status(self) -> Status {
        self
    }
}

/// Why a typed call failed.
#[derive(Clone, Debug)]
pub enum CallError<E> {
    /// The service's own error.
    App(E),
    /// Anything else: the framework, the network, or a status that is no error of this service.
    Call(Status),
}

impl<E: ServiceError> CallError<E> {
    /// Tells the service's own errors from the rest.
    pub fn from_status(status: Status) -> Self {
        match E::from_status(&status) {
            Some(error) => Self::App(error),
            None => Self::Call(status),
        }
    }

    /// Either as a status.
    pub fn into_status(self) -> Status {
        match self {
            Self::App(error) => error.into_status(),
            Self::Call(status) => status,
        }
    }
}

impl<E> CallError<E> {
    /// The service's own error.
    pub fn app(&self) -> Option<&E> {
        match self {
            Self::App(error) => Some(error),
            Self::Call(_) => None,
        }
    }

    /// The status of a call that failed otherwise.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::App(_) => None,
            Self::Call(status) => Some(status),
        }
    }

    /// The request may have come to a server; `false` means that repeating is safe.
    pub fn reached_server(&self) -> bool {
        self.status().is_none_or(Status::reached_server)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(error) => error.fmt(f),
            Self::Call(status) => status.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::App(error) => error.source(),
            Self::Call(status) => status.source(),
        }
    }
}

impl<E: ServiceError> From<CallError<E>> for Status {
    fn from(error: CallError<E>) -> Self {
        error.into_status()
    }
}

/// What a method of a service trait returns, seen by the macro through any alias of `Result`.
pub trait Outcome {
    /// The good case.
    type Ok;
    /// The service's error.
    type Err;
}

impl<T, E> Outcome for Result<T, E> {
    type Ok = T;
    type Err = E;
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// `google.rpc.ErrorInfo`: a reason, unique inside a domain, and its fields as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// As `UNKNOWN_ARTICLE`.
    pub reason: String,
    /// Whose reason it is, as `shop.stock.v1`.
    pub domain: String,
    /// The fields of the error.
    pub metadata: BTreeMap<String, String>,
}

impl ErrorInfo {
    /// An info without fields.
    pub fn new(reason: impl Into<String>, domain: impl Into<String>) -> Self {
        Self { reason: reason.into(), domain: domain.into(), metadata: BTreeMap::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl ToString) -> Self {
        self.metadata.insert(field.into(), value.to_string());
        self
    }

    /// The first one among the details of an encoded `google.rpc.Status`.
    pub(crate) fn find(details: &Bytes) -> Option<Self> {
        if details.is_empty() {
            return None;
        }
        let status = wire::Status::decode(details.clone()).ok()?;
        let any = status.details.into_iter().find(|any| any.type_url == ERROR_INFO)?;
        let info = wire::ErrorInfo::decode(any.value.as_slice()).ok()?;
        Some(Self { reason: info.reason, domain: info.domain, metadata: info.metadata })
    }

    /// An encoded `google.rpc.Status` that holds it.
    pub(crate) fn to_details(&self, code: Code, message: &str) -> Bytes {
        let info = wire::ErrorInfo {
            reason: self.reason.clone(),
            domain: self.domain.clone(),
            metadata: self.metadata.clone(),
        };
        let any = prost_types::Any { type_url: ERROR_INFO.to_owned(), value: info.encode_to_vec() };
        wire::Status { code: code as i32, message: message.to_owned(), details: vec![any] }.encode_to_vec().into()
    }
}

/// The two messages of google/rpc that are needed, as their `.proto` files number them.
pub(crate) mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Status {
        #[prost(int32, tag = "1")]
        pub(crate) code: i32,
        #[prost(string, tag = "2")]
        pub(crate) message: String,
        #[prost(message, repeated, tag = "3")]
        pub(crate) details: Vec<prost_types::Any>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ErrorInfo {
        #[prost(string, tag = "1")]
        pub(crate) reason: String,
        #[prost(string, tag = "2")]
        pub(crate) domain: String,
        #[prost(btree_map = "string, string", tag = "3")]
        pub(crate) metadata: std::collections::BTreeMap<String, String>,
    }
}
