//! The only place that knows HTTP.

mod body;
mod budget;
mod client;
mod coalesce;
mod deframe;
mod exchange;
mod grpc;
mod gzip;
mod io;
mod keepalive;
mod limits;
mod listen;
mod memory;
mod server;
mod sniff;
mod tcp;
#[cfg(test)]
mod tests;

pub(crate) use client::Connection;
pub use io::{Accept, Accepted, BoxIo, Connect, Io, Secure, Target};
pub use limits::Http2Limits;
pub(crate) use listen::Listen;
pub use memory::{Memory, MemoryAccept, memory};
pub(crate) use server::Shared;
pub use tcp::{Tcp, TcpAccept};
