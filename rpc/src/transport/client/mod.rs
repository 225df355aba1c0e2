//! One HTTP/2 connection of a client: many calls at once, one write per burst.
//!
//! A [`Connection`] is a handle; a task ([`driver`]) drives the bytes until the connection ends, and says so through the
//! handle. [`head`] is what a request begins with, [`answer`] what comes back, [`refused`] what comes back instead.

mod answer;
mod driver;
mod head;
mod refused;

use super::{
    body::{self, Outgoing},
    budget::{Charged, SendBudget},
    coalesce::{Burst, Coalesce},
    grpc::Timeouts,
    io::BoxIo,
    keepalive::Keepalive,
    later::{Bell, Later},
    limits::Http2Limits,
};
use crate::{
    call::{BoxFuture, Invocation, Payload, Reason, Reply, Status},
    server::{Counted, Tally},
};
use answer::{Single, Upload};
use bytes::Bytes;
use driver::{Driver, Queue, Receipt, ShortCalls};
use h2::{Ping, client::SendRequest};
use http::{
    HeaderValue, Request,
    uri::{Authority, Scheme},
};
use std::{
    future::{poll_fn, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::{sync::watch, time::Instant};
use tonic::Code;

/// A connection. A clone is the same connection; it closes when the last clone and the last call are gone.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    send: SendRequest<Charged>,
    queue: Arc<Queue>,
    scheme: Scheme,
    authority: Authority,
    /// The application that calls, for Dubbo's providers. A clone counts a reference.
    consumer: Option<HeaderValue>,
    timeouts: Timeouts,
    budget: SendBudget,
    calls: Tally,
    max_message: usize,
    closed: watch::Receiver<bool>,
}

impl Connection {
    /// Shakes hands, waits until the peer has answered, and spawns the task that drives the connection. Takes as long as
    /// the peer does: the caller bounds it.
    ///
    /// The kernel accepts connections for a process that is stopped or stuck, so only an answer to a PING says that
    /// somebody is there.
    ///
    /// # Errors
    /// When the peer does not speak HTTP/2.
    pub(crate) async fn open(
        io: BoxIo,
        scheme: Scheme,
        authority: Authority,
        consumer: Option<&str>,
        limits: &Http2Limits,
    ) -> Result<Self, h2::Error> {
        let burst = Burst::default();
        let (send, mut h2) = h2::client::Builder::new()
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_frame_size(limits.frame())
            .max_header_list_size(limits.max_headers)
            .max_send_buffer_size(limits.max_queued)
            .max_concurrent_reset_streams(limits.remembered_resets())
            .data_frame_budget(limits.frame_budget())
            .enable_push(false)
            .handshake(Coalesce::new(io, burst.clone()))
            .await?;
        let mut ping = h2.ping_pong();
        if let Some(ping) = &mut ping {
            ping.send_ping(Ping::opaque())?;
            poll_fn(|cx| {
                let ended = Pin::new(&mut h2).poll(cx);
                let pong = ping.poll_pong(cx);
                match ended {
                    Poll::Ready(ended) => Poll::Ready(Err(ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into()))),
                    Poll::Pending => pong.map_ok(drop),
                }
            })
            .await?;
        }
        let keepalive = ping.map(|ping| Keepalive::new(ping, limits.keepalive, limits.keepalive_timeout));
        let (closer, closed) = watch::channel(false);
        let calls = Tally::default();
        let later = Later::new(calls.clone());
        burst.wake_reader(later.turn().clone());
        let queue = Arc::new(Queue::new(later.asker()));
        let shared = Arc::new(Shared {
            send,
            queue: queue.clone(),
            scheme,
            authority,
            consumer: consumer
                .and_then(|name| HeaderValue::from_maybe_shared(Bytes::copy_from_slice(name.as_bytes())).ok()),
            timeouts: Timeouts::default(),
            budget: SendBudget::new(limits.max_queued),
            calls: calls.clone(),
            max_message: limits.max_message,
            closed,
        });
        let (bell, short) = (Bell::new(later.waker().clone()), ShortCalls::new(later.waker().clone()));
        let weak = Arc::downgrade(&shared);
        tokio::spawn(Driver { h2, keepalive, burst, later, bell, calls, queue, shared: weak, closer, short });
        Ok(Self(shared))
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.calls.count()
    }

    /// The connection takes calls, as far as is known: the peer has not said that it goes away.
    pub(crate) fn takes_calls(&self) -> bool {
        let ready = self.0.send.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        !matches!(ready, Poll::Ready(Err(_)))
    }

    /// Waits until the connection has ended, without keeping it open. Cancel safe.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closed = self.0.closed.clone();
        async move {
            // An error means that the driver is gone, which is the same.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    /// Makes a call, which begins here and `now`. Dropping it, or the stream of its reply, cancels it at the server.
    pub(crate) fn call(&self, call: Invocation, now: Instant) -> Calling {
        let shared = &self.0;
        let counted = shared.calls.enter();
        let call = call.into_parts();
        let (streams, gzip) = (call.method.kind().server_streams(), call.gzip);
        let left = call.deadline.map(|deadline| deadline.saturating_duration_since(now));
        let head = match shared.head(&call.method, call.metadata, left, gzip, call.version, call.group) {
            Ok(head) => head,
            Err(status) => return Calling::Long(Box::pin(ready(Err(status)))),
        };
        match call.payload {
            Payload::One(frame) => {
                let bytes = body::pack(&frame, gzip);
                if !streams && bytes.len() <= body::SMALL && !shared.budget.is_full() {
                    return Calling::Short { receipt: shared.queue.push(head, bytes), _counted: counted };
                }
                let upload = |out| Upload::of_bytes(out, bytes);
                Calling::Long(Box::pin(shared.clone().call(head, gzip, upload, streams, counted)))
            }
            Payload::Stream(frames) => {
                let upload = |out| Upload::of_stream(out, frames);
                Calling::Long(Box::pin(shared.clone().call(head, gzip, upload, streams, counted)))
            }
        }
    }
}

/// A call under way. Small, because it is part of what the stack makes and moves for each call.
pub(crate) enum Calling {
    /// In the hands of the driver.
    Short { receipt: Receipt, _counted: Counted },
    /// Driven from the caller's own task.
    Long(BoxFuture<'static, Result<Reply, Status>>),
}

impl Future for Calling {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Short { receipt, .. } => Pin::new(receipt).poll(cx),
            Self::Long(call) => call.as_mut().poll(cx),
        }
    }
}

impl Shared {
    /// A call whose frames go out from the caller's own task.
    async fn call(
        self: Arc<Self>,
        head: Request<()>,
        gzip: bool,
        upload: impl FnOnce(Outgoing) -> Upload,
        streams: bool,
        counted: Counted,
    ) -> Result<Reply, Status> {
        let mut send = self.send.clone();
        poll_fn(|cx| send.poll_ready(cx)).await.map_err(|error| refused(&error))?;
        let (response, stream) = send.send_request(head, false).map_err(|error| refused(&error))?;
        let upload = upload(Outgoing::new(stream, self.budget.clone(), gzip));
        match streams {
            true => answer::stream(response, upload, self.max_message, counted).await,
            false => Single::new(response, self.max_message).beside(upload).await,
        }
    }
}

/// Why a connection did not open, for people.
pub(crate) fn unopened(error: &h2::Error, scheme: &Scheme) -> String {
    if *scheme == Scheme::HTTPS {
        return error.to_string();
    }
    // A port of TLS takes the preface of HTTP/2 for a broken record: it answers with one of its own, or hangs up.
    format!("it does not speak HTTP/2 without TLS: {error}; does it want TLS at this port?")
}

/// An error before anything was sent.
fn refused(error: &dyn std::fmt::Display) -> Status {
    let text = format!("the connection takes no more calls: {error}");
    Status::because(Reason::StreamRefused, Code::Unavailable, text).not_reached()
}
