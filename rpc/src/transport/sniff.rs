//! HTTP/1.1 or HTTP/2: told from the first bytes, so that one port serves both, with TLS and without.

use super::io::BoxIo;
use bytes::{Buf, Bytes};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which protocol a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, or something that HTTP/1.1's parser will refuse.
    Http1,
    /// HTTP/2, by prior knowledge or ALPN.
    Http2,
}

/// Reads until the protocol is clear; the bytes are read again by whoever takes over.
pub(crate) async fn sniff(mut io: BoxIo) -> io::Result<(Protocol, Rewind)> {
    let mut head = Vec::with_capacity(PREFACE.len());
    let protocol = loop {
        if head.len() == PREFACE.len() {
            break Protocol::Http2;
        }
        let before = head.len();
        (&mut io).take((PREFACE.len() - before) as u64).read_buf(&mut head).await?;
        if head.len() == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&head) {
            break Protocol::Http1;
        }
    };
    Ok((protocol, Rewind { head: head.into(), io }))
}

/// A byte stream with its beginning put back.
pub(crate) struct Rewind {
    head: Bytes,
    io: BoxIo,
}

impl AsyncRead for Rewind {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let n = self.head.len().min(buf.remaining());
        buf.put_slice(&self.head[..n]);
        self.head.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
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
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn the_first_bytes_tell_however_they_are_cut() {
        for (sent, protocol) in [
            (PREFACE.to_vec(), Protocol::Http2),
            (b"POST / HTTP/1.1\r\n\r\n".to_vec(), Protocol::Http1),
            (b"PRI * HTTP/1.1\r\n\r\n".to_vec(), Protocol::Http1),
            (b"\x16\x03\x01".to_vec(), Protocol::Http1),
        ] {
            for step in [1, 3, 100] {
                let (near, mut far) = tokio::io::duplex(4);
                let pieces = sent.clone();
                let writer = tokio::spawn(async move {
                    for piece in pieces.chunks(step) {
                        far.write_all(piece).await.unwrap();
                    }
                });
                let (found, mut rewind) = sniff(Box::new(near)).await.unwrap();
                assert_eq!(found, protocol);
                let mut all = Vec::new();
                rewind.read_to_end(&mut all).await.unwrap();
                writer.await.unwrap();
                assert_eq!(all, sent);
            }
        }
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_and_leaves_is_an_error() {
        let (near, far) = tokio::io::duplex(4);
        drop(far);
        assert!(sniff(Box::new(near)).await.is_err());
    }
}
