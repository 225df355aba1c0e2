//! What the transport stands on: byte streams, who opens them and who accepts them.
//!
//! Both ends are ports, so TCP, memory, TLS around either and a simulated network plug in without the transport
//! noticing. Streams are boxed: one dynamic call per burst is nothing, and nobody above carries a type parameter.

use crate::call::{BoxFuture, Peer};
use std::{fmt, io, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A boxed byte stream.
pub type BoxIo = Box<dyn Io>;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Opens connections.
///
/// Its future is dropped when the caller's deadline passes: it must be cancel safe.
pub trait Connect: Send + Sync + fmt::Debug + 'static {
    /// Opens one connection.
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>>;

    /// `https` when what it opens is encrypted, else `http`.
    fn scheme(&self) -> http::uri::Scheme {
        http::uri::Scheme::HTTP
    }
}

impl Connect for Arc<dyn Connect> {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        self.as_ref().connect(target)
    }

    fn scheme(&self) -> http::uri::Scheme {
        self.as_ref().scheme()
    }
}

/// A connection that came in. TLS is not negotiated yet: that happens in the connection's own task.
#[allow(missing_debug_implementations)]
pub struct Accepted {
    /// The bytes.
    pub io: BoxIo,
    /// The address of the other end; `None` in memory.
    pub address: Option<std::net::SocketAddr>,
}

/// Accepts connections.
pub trait Accept: Send + fmt::Debug + 'static {
    /// The next connection. Cancel safe: a connection is returned or still to come.
    ///
    /// An error ends the server, so what passes (too many open files) is waited out inside.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>>;

    /// The address that is listened on; `None` in memory.
    fn local_address(&self) -> Option<std::net::SocketAddr>;
}

/// Handshakes on both sides of an accepted connection, before HTTP: TLS.
pub trait Secure: Send + Sync + fmt::Debug + 'static {
    /// Wraps the bytes, and says who is at the other end.
    fn secure(&self, accepted: Accepted) -> BoxFuture<'static, io::Result<(BoxIo, Peer)>>;
}
