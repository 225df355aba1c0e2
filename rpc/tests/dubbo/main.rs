//! Bytes and headers as real Dubbo peers sent them (Dubbo Java 3.3.6, dubbo-go v3.3.2), fed to both of our ends.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod answers;
mod bed;
mod metadata;
mod requests;
