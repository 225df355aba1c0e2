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
//! All of it ends in the same server stack as native gRPC. Failures are JSON:
//! `{"code":"not_found","message":"…","details":[…]}`.

mod body;
mod body_frames;
mod cors;
mod dialect;
mod errors;
mod grpc;
mod json;
mod ours;
mod query;
mod schemas;
mod service;
mod setup;
mod template;
mod unary;
mod web;
mod web_text;

pub use body::{Body, BoxError};
pub use cors::Cors;
pub use service::HttpService;
pub(crate) use setup::{Entry, Setup};
