//! One HTTP/1.1 connection of a server: hyper reads and writes it, the edge answers.
//!
//! A connection answers one request at a time, so its task is the task of the request. Three clocks bound a peer: the
//! head of a request (and the silence before it), a body that stops coming, and an answer that is not taken.

use super::{io::Io, server::Shared};
use crate::{
    call::Peer,
    edge::{Body, Caught},
    server::{Counted, Phase, Tally},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

/// How long a connection without a request may stay once the server drains: time for a request that is on its way.
const LINGER: Duration = Duration::from_millis(500);

/// Serves a connection to its end.
pub(crate) async fn serve(io: impl Io, peer: Peer, shared: &Arc<Shared>) {
    let (limits, shutdown) = (&shared.http1, &shared.shutdown);
    let under_way = Tally::default();
    let service = service_fn(|request| {
        let (shared, peer, counted) = (shared.clone(), peer.clone(), [shared.calls.enter(), under_way.enter()]);
        async move { Ok::<_, Infallible>(answer(&shared, peer, request, counted).await) }
    });
    let io = TokioIo::new(Patient::new(io, limits.stall_timeout));
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head.max(8 * 1024))
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut draining = pin!(shutdown.reached(Phase::Draining));
    let mut closed = pin!(shutdown.reached(Phase::Closed));
    let mut linger = None;
    let ended = poll_fn(|cx| {
        if linger.is_none() && draining.as_mut().poll(cx).is_ready() {
            linger = Some(Box::pin(sleep(LINGER)));
            connection.as_mut().graceful_shutdown();
        }
        // A server that is closed was draining before.
        if let Some(linger) = &mut linger {
            let over = under_way.count() == 0 && linger.as_mut().poll(cx).is_ready();
            if over || closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(address = ?peer.address(), %error, "an HTTP/1.1 connection ended");
    }
}

async fn answer(shared: &Shared, peer: Peer, request: Request<Incoming>, counted: [Counted; 2]) -> Response<Answered> {
    let stall = shared.http1.stall_timeout;
    // Most requests have no body: nothing is waited for then, and nothing put around it.
    let mut request = request.map(|body| match body.is_end_stream() {
        true => Body::empty(),
        false => Body::new(body).unless_stalled(stall),
    });
    request.extensions_mut().insert(peer);
    shared.edge.answer(request).await.map(|body| Answered { body, _counted: counted })
}

/// The body of an answer: the call is under way until it was taken.
struct Answered {
    body: Caught,
    _counted: [Counted; 2],
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = crate::edge::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// IO that gives a peer up when it takes nothing for some time.
struct Patient<T> {
    io: T,
    patience: Duration,
    since: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncWrite + Unpin> Patient<T> {
    fn new(io: T, patience: Duration) -> Self {
        Self { io, patience, since: None }
    }

    fn watch<R>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if poll.is_ready() {
            self.since = None;
            return poll;
        }
        let patience = self.patience;
        let since = self.since.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(since.as_mut().poll(cx));
        self.since = None;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (near, mut far) = tokio::io::duplex(8);
        let patience = Duration::from_secs(3);
        let mut near = Patient::new(near, patience);
        let began = Instant::now();
        let error = near.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, patience));
        let slow = async {
            let mut buf = [0; 8];
            for _ in 0..5 {
                sleep(patience - Duration::from_millis(1)).await;
                far.read_exact(&mut buf).await.unwrap();
            }
        };
        let (_, written) = tokio::join!(slow, async { near.write_all(&[0; 32]).await });
        written.unwrap();
        assert!(began.elapsed() > 4 * patience);
    }
}
