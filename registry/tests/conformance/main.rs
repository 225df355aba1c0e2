//! One conformance suite for every adapter, and what only the embedded one has to stand.

#[cfg(all(feature = "file", unix))]
mod child;
#[cfg(all(feature = "file", unix))]
mod file;
mod support;
