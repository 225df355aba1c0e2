//! Register and discover services: the ports, and the adapters behind them.
//!
//! A provider hands a [`Registration`] to [`Registry::register`] and keeps the [`Lease`]; a consumer hands a
//! [`Lookup`] to [`Discover::subscribe`] and follows the [`Changes`]. [`connect`] turns a URL into a [`Hub`], which is
//! both.
//!
//! ```no_run
//! # async fn example() -> Result<(), mainstay_registry::RegistryError> {
//! use mainstay_registry::{Discover, Instance, Lookup, Registration, Registry, ServiceKey, connect};
//!
//! let hub = connect("memory://")?;
//! let key = ServiceKey::new("shop.stock.v1.StockApi").with_version("1.0.0");
//! let lease = hub.register(Registration::new(Instance::new("stock", "127.0.0.1", 7001), [key.clone()]));
//! let mut changes = hub.subscribe(Lookup::new(key));
//! while let Some(change) = changes.next().await {
//!     println!("{change:?}, {}", lease.state());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! | file | what |
//! |---|---|
//! | `port.rs` | the traits `Registry` and `Discover`, and their words: `Lookup`, `Change`, `Survey` |
//! | `key.rs`, `instance.rs` | `ServiceKey`; `Instance`, `Registration` |
//! | `backend.rs` | stateful backends: servers with a role and an epoch |
//! | `lease.rs`, `controller.rs`, `keep.rs` | a registration is a controller: its handle, its decisions, its shell |
//! | `feed.rs`, `catalog.rs` | from an adapter to its consumers: the newest set and the difference; who offers what |
//! | `secret.rs` | secrets, which URLs only name |
//! | `spelling.rs` | the nearest spelling of a mistyped word |
//! | `backoff.rs`, `rng.rs` | how long to wait before the next try; jitter from a seed |
//! | `protect.rs`, `cache.rs`, `saver.rs`, `keeper.rs` | consumers of a registry that can be unwell: what to believe, the last good set |
//! | `inspect.rs` | what a registry lists and whether it is well, for people and tools |
//! | `url.rs`, `hub.rs`, `capability.rs`, `error.rs` | which adapter, what it can do, what went wrong |
//! | `several/` | several registries as one |
//! | `config/` | settings and rules: the port `ConfigCenter`, what its adapters share |
//! | `file/`, `memory/`, `fixed/` | the adapters `file://` (embedded default), `memory://`, `static://` |
//! | `dns/`, `zookeeper/` | the adapters `dns://`, `zookeeper://` |
//! | `nacos/` | the adapter `nacos://` |
//! | `dubbo/` | what Dubbo's peers write into registries, and how they read it |
//! | `sim/` | the simulated world that controller and protection are tested in |

mod backend;
mod backoff;
mod cache;
mod capability;
mod catalog;
pub mod config;
mod controller;
#[cfg(feature = "dns")]
pub mod dns;
pub mod dubbo;
mod error;
mod feed;
#[cfg(feature = "file")]
pub mod file;
pub mod fixed;
mod hub;
mod inspect;
mod instance;
mod keep;
mod keeper;
mod key;
mod lease;
pub mod memory;
#[cfg(feature = "nacos")]
pub mod nacos;
mod port;
mod protect;
mod rng;
mod saver;
mod secret;
mod set;
mod several;
#[cfg(feature = "sim")]
pub mod sim;
mod spelling;
mod url;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use backend::Role;
pub use backoff::Backoff;
pub use cache::Cache;
pub use capability::{ADAPTERS, Capabilities, capability_table};
pub use config::{ConfigCenter, ConfigError, ConfigKey, MemoryConfig};
pub use controller::{Seen, Timing};
#[cfg(feature = "dns")]
pub use dns::DnsRegistry;
pub use error::RegistryError;
pub use feed::{Changes, Feed};
#[cfg(feature = "file")]
pub use file::{FileConfig, FileRegistry};
pub use fixed::FixedRegistry;
pub use hub::Hub;
pub use inspect::{Finding, Inspect, Inspection, Level, Listing, Offer, Outcome};
pub use instance::{DEFAULT_WEIGHT, Instance, InstanceId, Registration};
pub use keep::{Record, keep};
pub use keeper::Keeper;
pub use key::{MAX_KEY_LEN, ServiceKey};
pub use lease::{Lease, LeaseState, RegistryStanding};
pub use memory::MemoryRegistry;
#[cfg(feature = "nacos")]
pub use nacos::{NacosConfig, NacosRegistry};
pub use port::{Change, Discover, DownCause, Lookup, MAX_SKIPPED, Registry, Survey};
pub use protect::{Health, Hold, HoldReason, Protection};
pub use rng::Rng;
pub use secret::Secret;
pub use set::InstanceSet;
pub use several::{MAX_REGISTRIES, Place, SeveralRegistries};
pub use spelling::nearest;
pub use url::{RegistryUrl, check, connect, connect_with};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZookeeperConfig, ZookeeperRegistry};
