//! Dubbo's data model: what its peers write into registries, and how they read it. Pure, without IO; the adapters of
//! ZooKeeper and Nacos share it.
//!
//! | file | what |
//! |---|---|
//! | `escape.rs` | the dialect of percent-encoding that names of nodes are written in |
//! | `provider.rs` | the interface level: a provider as a URL, and what it offers |
//!
//! Read from the sources of Dubbo Java 3.3 and dubbo-go 3.3, and compared with what both wrote into real registries.

pub mod escape;
mod provider;

pub use provider::{MAX_URL, ProviderUrl, Skipped};
