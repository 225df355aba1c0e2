//! The task behind a connection: drives the bytes, and does the work of short calls.
//!
//! A call of one small message each way is put into a queue, and the driver sends it, reads its answer and hands that
//! over. So a burst of them is one wake of this task, and HTTP/2's state, which one lock guards, is touched by one
//! thread only: with callers on two workers that lock alone cost as much as the calls. Calls with streams or large
//! requests add their frames from their own tasks.

use super::{Shared, answer::Single, refused};
use crate::{
    call::{Reason, Reply, Status},
    server::Tally,
    transport::{
        budget::Charged,
        coalesce::{Burst, Coalesce},
        io::BoxIo,
        keepalive::Keepalive,
        later::{Asker, Bell, Later},
    },
};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::client::{Connection, SendRequest};
use http::Request;
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    sync::{oneshot, watch},
    task::unconstrained,
};
use tonic::Code;

/// A call of one small message each way.
#[derive(Debug)]
struct Short {
    head: Request<()>,
    body: Bytes,
    /// Closed when the caller is gone.
    to: oneshot::Sender<Result<Reply, Status>>,
}

/// Short calls on their way to the driver.
#[derive(Debug)]
pub(super) struct Queue {
    /// `None` when the driver is gone.
    calls: Mutex<Option<Vec<Short>>>,
    driver: Asker,
}

impl Queue {
    pub(super) fn new(driver: Asker) -> Self {
        Self { calls: Mutex::new(Some(Vec::new())), driver }
    }

    /// Hands a call over.
    pub(super) fn push(&self, head: Request<()>, body: Bytes) -> Receipt {
        let (to, answer) = oneshot::channel();
        let call = Short { head, body, to };
        let first = match &mut *self.lock() {
            Some(calls) => {
                calls.push(call);
                calls.len() == 1
            }
            None => {
                refuse(call, &"it has ended");
                false
            }
        };
        if first {
            self.driver.ask();
        }
        Receipt(answer)
    }

    fn take_into(&self, backlog: &mut VecDeque<Short>) {
        if let Some(calls) = &mut *self.lock() {
            backlog.extend(calls.drain(..));
        }
    }

    fn close(&self) -> Vec<Short> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Short>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a short call. Dropping it cancels the call.
pub(crate) struct Receipt(oneshot::Receiver<Result<Reply, Status>>);

impl Future for Receipt {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(lost())))
    }
}

fn lost() -> Status {
    Status::because(Reason::ConnectionLost, Code::Unavailable, "the connection ended before the answer")
}

fn refuse(call: Short, why: &dyn std::fmt::Display) {
    // A caller that is gone misses nothing.
    let _ = call.to.send(Err(refused(why)));
}

/// A short call that was sent.
struct Sent {
    answer: Single,
    to: Option<oneshot::Sender<Result<Reply, Status>>>,
}

impl Future for Sent {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(to) = &mut this.to else { return Poll::Ready(()) };
        match this.answer.poll(cx) {
            Poll::Pending => to.poll_closed(cx),
            Poll::Ready(reply) => {
                if let Some(to) = this.to.take() {
                    let _ = to.send(reply);
                }
                Poll::Ready(())
            }
        }
    }
}

/// The task.
pub(super) struct Driver {
    pub(super) h2: Connection<Coalesce<BoxIo>, Charged>,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) burst: Burst,
    pub(super) later: Later,
    /// Rung by HTTP/2.
    pub(super) bell: Bell,
    /// All calls of the connection, short or not.
    pub(super) calls: Tally,
    pub(super) queue: Arc<Queue>,
    /// Alive while anybody may call.
    pub(super) shared: Weak<Shared>,
    pub(super) closer: watch::Sender<bool>,
    pub(super) short: ShortCalls,
}

/// The short calls that the driver knows of.
pub(super) struct ShortCalls {
    /// Not sent yet: the peer takes only so many at once.
    backlog: VecDeque<Short>,
    /// What sends the backlog.
    send: Option<SendRequest<Charged>>,
    sent: FuturesUnordered<Sent>,
    /// Rung by those that were sent.
    bell: Bell,
}

impl ShortCalls {
    pub(super) fn new(driver: Waker) -> Self {
        Self { backlog: VecDeque::new(), send: None, sent: FuturesUnordered::new(), bell: Bell::new(driver) }
    }

    /// Hands over the answers that are there.
    fn deliver(&mut self) {
        // Each is bounded by what came in; a budget for the task would only make it come back for the rest.
        let mut all = pin!(unconstrained(poll_fn(|cx| {
            while let Poll::Ready(Some(())) = self.sent.poll_next_unpin(cx) {}
            Poll::Ready(())
        })));
        let _ = self.bell.poll(|cx| all.as_mut().poll(cx));
    }

    /// Sends what callers have queued. Pending while the peer takes no more calls.
    fn send(&mut self, shared: &Weak<Shared>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(call) = self.backlog.pop_front() {
            if call.to.is_closed() {
                continue;
            }
            // Whoever waits keeps the connection: when all are gone, so is everyone who queued.
            let Some(shared) = shared.upgrade() else { continue };
            let send = self.send.get_or_insert_with(|| shared.send.clone());
            match send.poll_ready(cx) {
                Poll::Pending => {
                    self.backlog.push_front(call);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => refuse(call, &error),
                Poll::Ready(Ok(())) => self.sent.extend(send_one(send, &shared, call)),
            }
        }
        self.send = None;
        Poll::Ready(())
    }
}

fn send_one(send: &mut SendRequest<Charged>, shared: &Shared, call: Short) -> Option<Sent> {
    let Short { head, body, to } = call;
    match send.send_request(head, false) {
        Ok((response, mut stream)) => {
            // A stream that takes nothing has an answer, or will say why not.
            let _ = stream.send_data(shared.budget.charge(body), true);
            Some(Sent { answer: Single::new(response, shared.max_message), to: Some(to) })
        }
        Err(error) => {
            let _ = to.send(Err(refused(&error)));
            None
        }
    }
}

impl Driver {
    /// Sends what was queued, drives the connection, hands over what came. Says whether the connection has ended.
    fn work(&mut self) -> bool {
        self.burst.hold();
        self.queue.take_into(&mut self.short.backlog);
        let _ = self.bell.poll(|cx| self.short.send(&self.shared, cx));
        self.turn() || (self.burst.release() && self.turn())
    }

    fn turn(&mut self) -> bool {
        let ended = self.bell.poll(|cx| Pin::new(&mut self.h2).poll(cx)).is_ready();
        self.short.deliver();
        ended
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        ready!(this.later.poll_turn(cx));
        if this.work() {
            return Poll::Ready(());
        }
        if this.bell.done() | this.short.bell.done() {
            this.later.again();
        }
        match &mut this.keepalive {
            Some(keepalive) => keepalive.poll_dead(cx, &this.burst, this.calls.count() > 0),
            None => Poll::Pending,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.closer.send_replace(true);
        for call in self.short.backlog.drain(..).chain(self.queue.close()) {
            refuse(call, &"it has ended");
        }
    }
}
