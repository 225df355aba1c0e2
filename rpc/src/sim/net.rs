//! Connections over the simulated network, where TCP would be.

use super::story::Recorder;
use crate::{
    call::BoxFuture,
    transport::{Accept, Accepted, BoxIo, Connect, Target},
};
use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// The network, as one host sees it.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) host: Arc<str>,
    pub(super) recorder: Recorder,
}

impl Net {
    pub(super) async fn listen(&self, port: u16) -> io::Result<Listener> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        Ok(Listener { listener, net: self.clone() })
    }

    fn watched(&self, stream: TcpStream) -> BoxIo {
        Box::new(Watched { stream, net: self.clone() })
    }

    fn moved<T>(&self, result: &Poll<io::Result<T>>, read: bool) {
        if result.is_ready() {
            self.recorder.moved(now(), &self.host, read);
        }
    }
}

/// How long the run has been going on.
pub(super) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Connect for Net {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
            Ok(self.watched(stream))
        })
    }
}

/// Accepts connections of the simulated network: what [`Server::start`](crate::server::Server::start) wants.
pub struct Listener {
    listener: TcpListener,
    net: Net,
}

impl Accept for Listener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            let (stream, address) = self.listener.accept().await?;
            Ok(Accepted { io: self.net.watched(stream), address: Some(address) })
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local_address()).finish()
    }
}

/// A stream whose moves are part of the story.
struct Watched {
    stream: TcpStream,
    net: Net,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, into);
        self.net.moved(&result, true);
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.net.moved(&result, false);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
