//! What a server's port answers besides native gRPC, over real sockets: JSON, protobuf, gRPC-Web, mounts, bad input.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bed;
mod generic;
mod json;
mod mounts;
mod shop;
mod web;
