//! The port: what clients, operators and other sentinels talk to.
//!
//! It shows the [`View`](crate::view::View) and sends [`Request`](crate::request::Request)s; it decides nothing about
//! masters and never waits for the runtime to show something. Every command and every text is redis-sentinel's, so that
//! clients work as they are; what is new (`SENTINEL MYVERSION`, `WHY-NOT`, `STATUS`, `SWITCHOVER`, `PAUSE`, `RESUME`, options of `SENTINEL SET`) is
//! in addition.
//!
//! | file | what it is |
//! |---|---|
//! | `listen` | where the port listens; accepting |
//! | `connection` | one connection, the only place that waits |
//! | `session` | one connection's state, and what each command does to it |
//! | `step` | what follows from a command |
//! | `command` | the table of commands; `help` tells of it |
//! | `login`, `users`, `acl` | who may do what |
//! | `client`, `clients` | the connections |
//! | `subscriptions`, `glob` | who listens to what |
//! | `sentinel`, `settings`, `instance`, `info` | what is told and asked of masters |
//! | `own` | the same, as far as redis-sentinel has no word for it |
//! | `limits` | what a connection may cost |

mod acl;
mod client;
mod clients;
mod command;
mod connection;
mod glob;
mod help;
mod info;
mod instance;
mod limits;
mod listen;
mod login;
mod own;
mod sentinel;
mod session;
mod settings;
mod step;
mod subscriptions;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod users;

pub use listen::{BindError, Server};
pub(crate) use users::is_known;

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::conf::ServerConfig;
use crate::core::ids::Millis;
use crate::request::{Published, Requests};
use crate::view::Views;

/// The version of Redis whose interface the port speaks: clients choose features by it.
pub(crate) const REDIS_VERSION: &str = "7.2.0";

/// The runtime's monotonic clock.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// A channel for notices: the runtime sends, every subscriber gets them. It sends without waiting, whether anybody
/// listens or not.
pub fn notices() -> broadcast::Sender<Published> {
    broadcast::channel(limits::NOTICES).0
}

/// What connects the port with the runtime.
#[derive(Clone)]
pub struct Wiring {
    /// The present picture.
    pub views: Views,
    /// Where requests go.
    pub requests: Requests,
    /// Where notices come from; see [`notices`].
    pub notices: broadcast::Sender<Published>,
    /// The clock of the picture's moments.
    pub clock: Clock,
    /// What INFO tells of the process.
    pub identity: Identity,
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What INFO tells of the process.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Path of the program.
    pub executable: String,
    /// Path of the configuration file; empty without one.
    pub config_file: String,
    /// When the process started, on the same clock.
    pub started: Millis,
}

/// What all connections share.
struct Port {
    config: ServerConfig,
    users: users::Users,
    clients: clients::Clients,
    views: Views,
    requests: Requests,
    notices: broadcast::Sender<Published>,
    clock: Clock,
    identity: Identity,
}

impl Port {
    fn new(config: ServerConfig, users: users::Users, wiring: Wiring) -> Self {
        let Wiring { views, requests, notices, clock, identity } = wiring;
        Self { config, users, clients: clients::Clients::default(), views, requests, notices, clock, identity }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("clients", &self.clients.count()).finish_non_exhaustive()
    }
}

/// A regular file that somebody may run.
pub(crate) fn is_executable(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
