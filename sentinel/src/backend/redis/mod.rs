//! Redis as a backend, and other sentinels, which speak the same protocol.
//!
//! | file | what it is |
//! |---|---|
//! | `info` | INFO to a report; pure |
//! | `hello` | the eight fields of a hello, both ways; pure |
//! | `commands` | which words do what, and what the replies say; pure |
//! | `dial` | a connection: name, TCP, login |
//! | `link` | a connection that is kept: commands in, replies out, events told |
//! | `subscription` | the second connection, on which hellos arrive |
//! | `server` | a data server: the port's methods on these |
//! | `peer` | another sentinel |

mod commands;
mod dial;
pub mod hello;
pub mod info;
mod link;
mod peer;
mod server;
mod subscription;

pub use dial::{Access, Names};
pub use peer::Peer;
pub use server::Server;
