//! The gateway as a process: services and plain HTTP behind it, callers and attackers before it, its file changed under load.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

#[path = "gateway/admin.rs"]
mod admin;
#[path = "gateway/auth.rs"]
mod auth;
#[path = "gateway/bed.rs"]
mod bed;
#[path = "gateway/chaos.rs"]
mod chaos;
#[path = "gateway/checks.rs"]
mod checks;
#[path = "gateway/faults.rs"]
mod faults;
#[path = "gateway/filters.rs"]
mod filters;
#[path = "gateway/floods.rs"]
mod floods;
#[path = "gateway/flow.rs"]
mod flow;
#[path = "gateway/frames.rs"]
mod frames;
#[path = "gateway/grpc.rs"]
mod grpc;
#[path = "gateway/hostile.rs"]
mod hostile;
#[path = "gateway/http.rs"]
mod http;
#[path = "gateway/limits.rs"]
mod limits;
#[path = "gateway/lists.rs"]
mod lists;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/own.rs"]
mod own;
#[path = "gateway/risk.rs"]
mod risk;
#[path = "gateway/smuggling.rs"]
mod smuggling;
#[path = "gateway/teller.rs"]
mod teller;
#[path = "gateway/tls.rs"]
mod tls;
#[path = "gateway/tracing.rs"]
mod tracing;
#[path = "gateway/visitors.rs"]
mod visitors;
