//! Settings and rules that are kept beside the registry: the port [`ConfigCenter`], and what its adapters share.
//!
//! A centre holds texts under keys, told apart by group and name as Dubbo does, so that Dubbo's rules lie where its own
//! tools put them. Readers follow a key; writers replace what they have read, and are refused when somebody was quicker.
//!
//! Never act on emptiness holds here too: a centre that is away takes no rule back, one that comes back without its data
//! is not believed at once, and a program that starts while its centre is away gets what it knew last, marked as such.
//!
//! | file | what |
//! |---|---|
//! | `port.rs` | the trait `ConfigCenter`, and its words |
//! | `key.rs` | `ConfigKey`: group and name, pure |
//! | `error.rs` | what can go wrong |
//! | `belief.rs` | what to tell a reader after an answer, or after none; pure |
//! | `watch.rs`, `follow.rs` | the reader's end, and the task behind it |
//! | `memory.rs` | the adapter `memory://` |
//!
//! The adapters of registries with a folder of their own lie there: `file/config.rs`, `zookeeper/config.rs`, `nacos/config.rs`.

#[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
mod belief;
mod error;
#[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
mod follow;
mod key;
mod memory;
mod port;
mod watch;

pub use error::ConfigError;
#[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
pub(crate) use follow::{ConfigSource, follow};
pub use key::{ConfigKey, DEFAULT_GROUP, MAX_NAME_LEN};
pub use memory::MemoryConfig;
pub use port::{Answer, Config, ConfigCenter, ConfigSight, ConfigVersion, Expected, MAX_CONFIG};
#[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
pub(crate) use port::{check_content, readable};
pub use watch::ConfigWatch;
