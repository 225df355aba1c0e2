//! One conformance suite for every adapter, and what only the embedded one has to stand.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod adapters;
mod centers;
#[cfg(all(feature = "file", unix))]
mod child;
mod config;
#[cfg(all(feature = "file", unix))]
mod file;
mod rows;
#[cfg(any(feature = "file", feature = "dns"))]
mod scratch;
mod support;
