//! Connections over TCP.

use super::io::{Accept, Accepted, BoxIo, Connect, Target};
use crate::call::BoxFuture;
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

/// Opens TCP connections, without Nagle's delay (it costs 40 ms per call).
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxIo)
        })
    }
}

/// Accepts TCP connections.
#[derive(Debug)]
pub struct TcpAccept(TcpListener);

impl TcpAccept {
    /// Listens on an address; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }
}

impl Accept for TcpAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            loop {
                match self.0.accept().await {
                    Ok((stream, address)) => {
                        // A connection that is gone already fails here; the next one need not.
                        if stream.set_nodelay(true).is_ok() {
                            return Ok(Accepted { io: Box::new(stream), address: Some(address) });
                        }
                    }
                    Err(error) if passes(&error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// How long to wait when the process has no file left to accept with: trying at once would only burn time.
const PAUSE: Duration = Duration::from_millis(50);

/// Everything but a broken listener: accept(2) hands on errors of the connection, and of the process' limits.
fn passes(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected)
}

impl From<TcpListener> for TcpAccept {
    /// Accepts from a listener that was bound elsewhere.
    fn from(listener: TcpListener) -> Self {
        Self(listener)
    }
}
