//! Dubbo's data model: what its peers write into registries, and how they read it. The adapters of ZooKeeper and Nacos
//! share it. All of it is pure but for a port and the library behind it.
//!
//! | file | what |
//! |---|---|
//! | `escape.rs` | the dialect of percent-encoding that names of nodes are written in |
//! | `provider.rs` | the interface level: a provider as a URL, and what it offers |
//! | `instance.rs` | the application level: one process of an application |
//! | `metadata.rs` | the application level: what an application offers, as a document with a revision |
//! | `mapping.rs` | the application level: which applications offer an interface |
//! | `levels.rs` | which of both levels a provider writes, and which a consumer takes |
//! | `fetch.rs` | the port by which a provider is asked for that document |
//! | `library.rs` | the documents that are known already |
//!
//! Read from the sources of Dubbo Java 3.3 and dubbo-go 3.3, and compared with what both wrote into real registries.

pub mod escape;
mod fetch;
mod instance;
mod levels;
#[cfg(any(feature = "zookeeper", feature = "nacos"))]
mod library;
#[cfg(any(feature = "zookeeper", feature = "nacos"))]
mod mapping;
mod metadata;
mod provider;

pub use fetch::{FetchMetadata, Fetched, Links, MetadataAddress};
pub use instance::{BadInstance, MAX_INSTANCE, MetadataSource, ServiceInstance};
pub use levels::{Listed, Node, Offers, choose};
pub use metadata::{BadMetadata, MAX_METADATA, MetadataInfo, ServiceInfo};
pub use provider::{MAX_URL, ProviderUrl, Skipped};
#[cfg(any(feature = "zookeeper", feature = "nacos"))]
pub(crate) use {
    levels::RegisterMode,
    library::{Documents, Library},
    mapping::{MAX_APPLICATIONS, applications, mapped},
};
