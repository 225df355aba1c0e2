//! The bytes of connections, looked at before hyper has them ([`Framing`]).
//!
//! In the place of what is refused hyper gets a byte that no head and no chunk may hold: it answers 400 and closes, in its
//! turn after the answers to earlier requests. Nothing that follows is read.

use super::framing::{Framing, Violation};
use mainstay::{
    call::BoxFuture,
    transport::{Accept, Accepted, BoxIo},
};
use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What no head and no chunk may hold.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Accepts connections whose requests are read strictly.
#[derive(Debug)]
pub(crate) struct GuardedAccept<A>(pub(crate) A);

impl<A: Accept> Accept for GuardedAccept<A> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let mut accepted = self.0.accept().await?;
            accepted.io = guarded(accepted.io);
            Ok(accepted)
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_address()
    }
}

/// The bytes of a connection, looked at.
pub(super) fn guarded(io: BoxIo) -> BoxIo {
    Box::new(Guard { io, framing: Framing::default(), refused: None })
}

/// A connection that is looked at.
struct Guard {
    io: BoxIo,
    framing: Framing,
    /// What is left of the poison, once something was refused.
    refused: Option<&'static [u8]>,
}

impl AsyncRead for Guard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.refused.is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            match this.framing.read(&buf.filled()[before..]) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err((passed, Violation(why))) => {
                    tracing::debug!(why, "a request is refused: it is not plain where it begins or ends");
                    buf.set_filled(before + passed);
                    this.refused = Some(POISON);
                }
            }
        }
        if let Some(poison) = &mut this.refused {
            let n = poison.len().min(buf.remaining());
            buf.put_slice(&poison[..n]);
            *poison = &poison[n..];
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_is_refused_becomes_a_byte_that_hyper_refuses_and_the_end() {
        for cut in [1, 7, 1000] {
            let (near, mut far) = tokio::io::duplex(1000);
            let mut guard = Guard { io: Box::new(near), framing: Framing::default(), refused: None };
            let (good, bad) = ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
            for piece in format!("{good}{bad}{good}").as_bytes().chunks(cut) {
                far.write_all(piece).await.unwrap();
            }
            let mut all = String::new();
            guard.read_to_string(&mut all).await.unwrap();
            assert!(all.starts_with(good) && all.ends_with("\0\r\n\r\n"), "{all:?}");
            assert!(!all.contains("Host: b\r\n\r\n"), "{all:?}");
        }
    }
}
