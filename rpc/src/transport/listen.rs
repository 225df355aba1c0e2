//! Accepts connections and gives each a task: handshake, protocol, calls, drain.

use super::{
    http1,
    io::{Accept, Accepted, BoxIo, Secure},
    server::{Connection, Shared},
    sniff::{Protocol, Rewind, sniff},
};
use crate::{
    call::Peer,
    server::{Phase, Tally},
};
use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll};
use tokio::time::timeout;

/// What a listener needs beside the connections' own.
#[derive(Debug)]
pub(crate) struct Listen {
    pub(crate) shared: Arc<Shared>,
    pub(crate) secure: Option<Arc<dyn Secure>>,
    /// Connections that are open, handshakes included.
    pub(crate) connections: Tally,
    /// Above this no further connection is accepted until one closes.
    pub(crate) max_connections: usize,
}

impl Listen {
    /// Accepts until the drain begins. Connections go on in their tasks; `connections` counts them.
    ///
    /// # Errors
    /// When nothing can be accepted any more.
    pub(crate) async fn run(self: Arc<Self>, mut accept: impl Accept) -> io::Result<()> {
        let mut draining = pin!(self.shared.shutdown.reached(Phase::Draining));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut draining => return Ok(()),
                accepted = self.next(&mut accept) => accepted?,
            };
            let counted = self.connections.enter();
            let listen = self.clone();
            tokio::spawn(async move {
                listen.serve(accepted).await;
                drop(counted);
            });
        }
    }

    async fn next(&self, accept: &mut impl Accept) -> io::Result<Accepted> {
        self.connections.below(self.max_connections).await;
        accept.accept().await
    }

    /// Serves one connection to its end.
    async fn serve(&self, accepted: Accepted) {
        let address = accepted.address;
        let shake = timeout(self.shared.limits.handshake_timeout, self.shake(accepted));
        let shaken = tokio::select! {
            biased;
            // Who has not finished shaking hands has nothing under way: a drain does not wait for it.
            () = self.shared.shutdown.reached(Phase::Draining) => return,
            shaken = shake => shaken,
        };
        match shaken {
            Ok(Ok(Shaken::Http2(connection))) => self.drive(connection).await,
            Ok(Ok(Shaken::Http1(io, peer))) => http1::serve(io, peer, &self.shared).await,
            Ok(Err(error)) => tracing::debug!(?address, %error, "a handshake failed"),
            Err(_) => tracing::debug!(?address, "a handshake took too long"),
        }
    }

    async fn shake(&self, accepted: Accepted) -> io::Result<Shaken> {
        let (io, peer) = match &self.secure {
            Some(secure) => secure.secure(accepted).await?,
            None => (accepted.io, Peer::new(accepted.address, Vec::new())),
        };
        let (protocol, io) = sniff(io).await?;
        match protocol {
            Protocol::Http1 => Ok(Shaken::Http1(io, peer)),
            Protocol::Http2 => {
                let io: BoxIo = Box::new(io);
                let connection = Connection::handshake(io, peer, self.shared.clone()).await;
                connection.map(|connection| Shaken::Http2(Box::new(connection))).map_err(io::Error::other)
            }
        }
    }

    async fn drive(&self, mut connection: Box<Connection>) {
        let mut to_go = pin!(self.shared.shutdown.to_go());
        let mut closed = pin!(self.shared.shutdown.reached(Phase::Closed));
        let mut drained = false;
        poll_fn(|cx| {
            if !drained && to_go.as_mut().poll(cx).is_ready() {
                drained = true;
                connection.drain();
            }
            // Of a server that is closed all were to go before.
            if drained && closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            connection.poll(cx)
        })
        .await;
    }
}

enum Shaken {
    Http1(Rewind, Peer),
    Http2(Box<Connection>),
}
