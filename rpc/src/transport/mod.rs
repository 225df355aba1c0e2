//! The only place that knows HTTP.

mod body;
mod budget;
mod client;
mod coalesce;
pub(crate) mod deframe;
#[cfg(feature = "server")]
mod exchange;
pub(crate) mod grpc;
pub(crate) mod gzip;
#[cfg(feature = "server")]
pub(crate) mod head;
#[cfg(feature = "server")]
mod http1;
#[cfg(feature = "server")]
mod http_body;
mod io;
mod keepalive;
mod later;
mod limits;
#[cfg(feature = "server")]
mod listen;
mod memory;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod sniff;
mod tcp;
#[cfg(all(test, feature = "server"))]
mod tests;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "server")]
pub(crate) use body::panicked;
pub(crate) use client::{Calling, Connection, unopened};
#[cfg(feature = "server")]
pub(crate) use exchange::before;
pub use io::{Accept, Accepted, BoxIo, Connect, Io, Secure, Target};
pub use limits::{Http1Limits, Http2Limits};
#[cfg(feature = "server")]
pub(crate) use listen::Listen;
pub use memory::{Memory, MemoryAccept, memory};
#[cfg(feature = "server")]
pub(crate) use server::Shared;
pub use tcp::{Tcp, TcpAccept};
#[cfg(feature = "tls")]
pub use tls::{ClientAuth, ClientTls, Pem, ServerTls, ServerTlsBuilder, Tls, TlsConnect, TlsError};
