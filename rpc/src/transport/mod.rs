//! The only place that knows HTTP.

mod body;
mod budget;
mod client;
mod coalesce;
pub(crate) mod deframe;
mod exchange;
pub(crate) mod grpc;
pub(crate) mod gzip;
pub(crate) mod head;
mod http1;
mod http_body;
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
#[cfg(feature = "tls")]
mod tls;

pub(crate) use body::panicked;
pub(crate) use client::Connection;
pub(crate) use exchange::before;
pub use io::{Accept, Accepted, BoxIo, Connect, Io, Secure, Target};
pub use limits::{Http1Limits, Http2Limits};
pub(crate) use listen::Listen;
pub use memory::{Memory, MemoryAccept, memory};
pub(crate) use server::Shared;
pub use tcp::{Tcp, TcpAccept};
#[cfg(feature = "tls")]
pub use tls::{ClientAuth, ClientTls, Pem, ServerTls, ServerTlsBuilder, Tls, TlsConnect, TlsError};
