//! What a server's port answers besides native gRPC over HTTP/2, with `http`'s own types.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /{service}/{method}`, `application/json` or `application/proto` | one message, bare, for unary methods |
//! | `GET` of a method's path template | the same as JSON |
//! | `application/grpc-web`, `-text` | gRPC-Web, its trailers in the body |
//! | a path that something was mounted at | whatever is mounted there |
//! | gRPC over a body of any kind | all four kinds; for [`HttpService`] inside axum or hyper |
//!
//! All of it ends in the same server stack as native gRPC. A failure of a bare message is JSON, whatever was asked for:
//! `{"code":"not_found","message":"…","details":[{"type":"google.rpc.ErrorInfo","value":"…","debug":{…}}]}`, under
//!
//! | HTTP | codes |
//! | --- | --- |
//! | 400 | `invalid_argument`, `out_of_range` |
//! | 401, 403 | `unauthenticated`, `permission_denied` |
//! | 404 | `not_found`, `unimplemented` |
//! | 408 | `deadline_exceeded`, `canceled` |
//! | 409 | `already_exists`, `aborted` |
//! | 412 | `failed_precondition` |
//! | 429 | `resource_exhausted` |
//! | 500 | `unknown`, `internal`, `data_loss` |
//! | 503 | `unavailable` |
//! | 405, 415, 505 | `unimplemented`: the method of HTTP, the content type, gRPC over HTTP/1.1 |
//!
//! A deadline comes as `triple-timeout-ms` or `tri-service-timeout` (milliseconds) or as `grpc-timeout`. What a handler
//! sends after its answer is a header that begins with `trailer-`.

mod body;
mod body_frames;
mod cors;
mod dialect;
mod errors;
mod grpc;
pub mod json;
mod ours;
mod pass;
pub mod query;
mod schemas;
mod service;
mod setup;
mod template;
mod unary;
mod web;
mod web_text;

pub(crate) use body::Caught;
pub use body::{Body, BoxError};
pub use cors::Cors;
pub use pass::{Pass, metadata, pass, refuse};
pub(crate) use schemas::message_of;
pub use service::{HttpService, Mountable};
pub(crate) use setup::{Entry, Setup};
pub use unary::timeout;
