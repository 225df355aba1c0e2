//! What Apache Dubbo has on its Triple protocol beside gRPC.
//!
//! Most of Triple is gRPC and needs nothing of its own. What does is here:
//!
//! | file | what |
//! |---|---|
//! | `attachments.rs` | attachments: metadata whose names may have capitals |
//! | `metadata/` | `MetadataServiceV2`, served and asked |
//!
//! Path, version and group are looked up in `server/dispatch.rs`, `$echo` is answered in `server/echo.rs`; headers and statuses are read and written in
//! `transport/grpc.rs`.
//!
//! Interfaces of Java without an IDL, whose messages are wrapped hessian2, are not served and not called in this
//! version. Their seat is a codec beside protobuf at the two ends of a call (`client/stub.rs`, `server/routes.rs`).

mod attachments;
pub(crate) mod metadata;

pub(crate) use attachments::merge;
pub use attachments::{AttachmentError, Attachments};
