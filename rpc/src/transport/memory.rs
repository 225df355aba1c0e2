//! Connections inside the process: tests and local calls go through the whole of HTTP/2 without a socket.

use super::io::{Accept, Accepted, BoxIo, Connect, Target};
use crate::call::BoxFuture;
use std::{io, net::SocketAddr};
use tokio::sync::mpsc;

/// Bytes under way in one direction before the writer waits: about what a socket keeps.
const BUFFER: usize = 256 * 1024;

/// The client's end of a network in memory. Every target leads to the same server.
#[derive(Clone, Debug)]
pub struct Memory(mpsc::Sender<BoxedIo>);

/// The server's end of a network in memory.
#[derive(Debug)]
pub struct MemoryAccept(mpsc::Receiver<BoxedIo>);

struct BoxedIo(BoxIo);

impl std::fmt::Debug for BoxedIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Io")
    }
}

/// A network of one server.
pub fn memory() -> (Memory, MemoryAccept) {
    let (sender, receiver) = mpsc::channel(16);
    (Memory(sender), MemoryAccept(receiver))
}

impl Connect for Memory {
    fn connect<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(BUFFER);
            let gone = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
            self.0.send(BoxedIo(Box::new(far))).await.map_err(gone)?;
            Ok(Box::new(near) as BoxIo)
        })
    }
}

impl Accept for MemoryAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(BoxedIo(io)) => Ok(Accepted { io, address: None }),
                // Nobody can connect any more: then nobody does, and the server waits for its shutdown.
                None => std::future::pending().await,
            }
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        None
    }
}
