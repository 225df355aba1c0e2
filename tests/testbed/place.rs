//! Where a program of a test runs, and whatever connects to it: on this machine's loopback, or on a host of its own.

use std::ffi::OsStr;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use crate::Hosts;

/// A place.
#[derive(Clone, Debug)]
pub enum Place {
    /// 127.0.0.1.
    Here,
    /// The host of this name.
    On(Arc<Hosts>, String),
}

impl Place {
    /// The address of what listens there.
    pub fn ip(&self) -> Ipv4Addr {
        match self {
            Place::Here => Ipv4Addr::LOCALHOST,
            Place::On(hosts, name) => hosts.ip(name),
        }
    }

    /// A command that will run there.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Here => Command::new(program),
            Place::On(hosts, name) => hosts.command(name, program),
        }
    }

    /// Runs `f` there: what it binds or connects is there.
    ///
    /// # Errors
    /// When the host cannot be entered.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> io::Result<T> {
        match self {
            Place::Here => Ok(f()),
            Place::On(hosts, name) => hosts.on(name, f),
        }
    }
}
