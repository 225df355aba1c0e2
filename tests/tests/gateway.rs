//! The gateway as a process: services and plain HTTP behind it, callers and attackers before it, its file changed under load.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

#[path = "gateway/admin.rs"]
mod admin;
#[path = "gateway/bed.rs"]
mod bed;
#[path = "gateway/faults.rs"]
mod faults;
#[path = "gateway/filters.rs"]
mod filters;
#[path = "gateway/flow.rs"]
mod flow;
#[path = "gateway/grpc.rs"]
mod grpc;
#[path = "gateway/http.rs"]
mod http;
#[path = "gateway/limits.rs"]
mod limits;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/smuggling.rs"]
mod smuggling;
