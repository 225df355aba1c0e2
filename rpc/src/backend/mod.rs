//! Stateful backends: where the primary and its replicas are, as a stream that follows failovers.
//!
//! A sentinel with `sentinel registry <url>` in its file publishes what it watches over; a [`PrimaryWatch`] and a
//! [`ReplicaWatch`] follow that, whatever the registry is. They say addresses and epochs and open no connection:
//! pools stand on them.
//!
//! Several sentinels publish the same servers. What holds is the view of the greatest epoch, and a watch never goes back
//! to an older one, however late its publisher comes. Nobody acts on emptiness either: when all publishers are gone, or
//! a new epoch names no replica yet, the last that was known stays. One thing follows from that: a backend that was set
//! up anew under its old name begins at epoch 0 and is followed again only after a restart of the consumer, or once it
//! has had as many failovers as before.
//!
//! ```
//! use mainstay::backend::PrimaryWatch;
//! use mainstay::registry::{Registration, Registry, Role, connect};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mainstay::registry::RegistryError> {
//! let hub = connect("memory://backends")?;
//! let mut watch = PrimaryWatch::new(&hub, "mymaster");
//!
//! // A sentinel does this.
//! let lease = hub.register(Registration::of_backend("mymaster", "10.0.0.1", 6379, Role::Primary, 3));
//!
//! let primary = watch.next().await.expect("the registry lives");
//! assert_eq!((primary.address.to_string().as_str(), primary.epoch), ("10.0.0.1:6379", 3));
//! # drop(lease);
//! # Ok(()) }
//! ```
//!
//! | file | what |
//! |---|---|
//! | `book.rs` | what all publishers say, and what holds of it; pure |
//! | `watch.rs` | the streams |

mod book;
mod watch;

use std::fmt;
use std::net::Ipv6Addr;

pub use watch::{PrimaryWatch, ReplicaWatch};

/// Where a server of a backend listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name or IP address (an IPv6 address without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    /// `host:port`, with an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.parse::<Ipv6Addr>().is_ok() {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The server that takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Where it is.
    pub address: Address,
    /// Since which epoch: the one with the greater epoch is right.
    pub epoch: u64,
}

/// The servers that follow the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// Where they are, in order.
    pub addresses: Vec<Address>,
    /// The epoch of the primary that they follow or will follow.
    pub epoch: u64,
}
