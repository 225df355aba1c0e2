//! One HTTP/2 connection of a server: takes calls in bursts, answers them in bursts.
//!
//! Each poll drains what the peer has sent, then polls the handlers of that burst right here, and only one that really
//! waits becomes a task: for short handlers this saves the spawn, the wake-ups and most system calls. Two bounds keep
//! it fair: a turn polls at most 32 handlers or 200 µs before IO gets its turn, and a method whose handlers turn out to
//! compute for long is moved into tasks ([`Inline`](crate::server::Inline)).

use super::{
    budget::{Charged, SendBudget},
    coalesce::{Burst, Coalesce},
    exchange::{Exchange, Started},
    io::BoxIo,
    keepalive::Keepalive,
    later::{Bell, Later},
    limits::{Http1Limits, Http2Limits},
};
use crate::{
    call::{Channel, Peer},
    edge::Entry,
    server::{Dispatch, Shutdown, Stopwatch, Tally},
};
use h2::{RecvStream, server::SendResponse};
use http::Request;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::time::Instant;

/// Handlers polled in one turn, at most.
const TURN: usize = 32;
/// How long a turn may take before IO gets its turn.
const TURN_TIME: Duration = Duration::from_micros(200);

/// Bytes that are read before the calls in them are taken: less than holds as many calls as a peer may make at once.
const HELPING: usize = 16 * 1024;
/// Helpings in one turn, at most: one that brings no call is part of a large message.
const HELPINGS: usize = 64;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The server stack.
    pub(crate) service: Channel,
    /// Which methods there are.
    pub(crate) dispatch: Dispatch,
    /// What answers everything but native gRPC.
    pub(crate) edge: Entry,
    pub(crate) limits: Http2Limits,
    pub(crate) http1: Http1Limits,
    /// Compress answers to callers that accept it.
    pub(crate) gzip: bool,
    /// Calls under way.
    pub(crate) calls: Tally,
    /// When the server began: what the times of inline decisions count from.
    pub(crate) began: Instant,
    /// How far it is on its way to its end.
    pub(crate) shutdown: Shutdown,
    /// Streams that were ended because it was their time.
    pub(crate) parted: AtomicUsize,
}

/// One connection.
pub(crate) struct Connection {
    h2: h2::server::Connection<Coalesce<BoxIo>, Charged>,
    keepalive: Option<Keepalive>,
    batch: VecDeque<(Request<RecvStream>, SendResponse<Charged>)>,
    draining: bool,
    burst: Burst,
    later: Later,
    /// Rung by HTTP/2.
    bell: Bell,
    link: Arc<Link>,
}

/// What the calls of a connection share.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: Peer,
    pub(crate) budget: SendBudget,
    /// Calls that became tasks.
    pub(crate) tasks: Tally,
}

impl Connection {
    /// Shakes hands. Takes as long as the peer does: the caller bounds it.
    pub(crate) async fn handshake(io: BoxIo, peer: Peer, shared: Arc<Shared>) -> Result<Self, h2::Error> {
        let burst = Burst::default();
        let limits = &shared.limits;
        let mut h2 = h2::server::Builder::new()
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_frame_size(limits.frame())
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(limits.max_headers)
            .max_send_buffer_size(limits.max_queued)
            .max_concurrent_reset_streams(limits.remembered_resets())
            .max_pending_accept_reset_streams(limits.early_resets())
            .data_frame_budget(limits.frame_budget())
            .handshake(Coalesce::new(io, burst.clone()))
            .await?;
        let keepalive = h2.ping_pong().map(|ping| Keepalive::new(ping, limits.keepalive, limits.keepalive_timeout));
        let budget = SendBudget::new(limits.max_queued);
        let tasks = Tally::default();
        let later = Later::new(tasks.clone());
        burst.wake_reader(later.turn().clone());
        burst.allow(HELPING);
        let bell = Bell::new(later.waker().clone());
        let link = Arc::new(Link { shared, peer, budget, tasks });
        Ok(Self { h2, keepalive, batch: VecDeque::new(), draining: false, burst, later, bell, link })
    }

    /// Tells the peer to go elsewhere; the connection ends when what is under way has been answered.
    pub(crate) fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            self.h2.graceful_shutdown();
        }
    }

    /// Drives the connection; ready when it has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.later.poll_turn(cx));
        if self.work() {
            return Poll::Ready(());
        }
        // A peer that takes no answers is asked too: it holds memory as one that is gone does.
        let owed = self.link.tasks.count() > 0 || self.link.budget.queued() > 0 || self.burst.blocked();
        match &mut self.keepalive {
            Some(keepalive) => keepalive.poll_dead(cx, &self.burst, owed),
            None => Poll::Pending,
        }
    }

    /// Takes calls, answers them, and writes. Says whether the connection has ended.
    fn work(&mut self) -> bool {
        self.burst.hold();
        if self.gather() {
            return true;
        }
        let answered = !self.batch.is_empty();
        self.answer();
        if (self.burst.release() || answered) && self.drive() {
            return true;
        }
        // What is left of the batch, and what came meanwhile, is for the next turn.
        if self.bell.done() || answered || self.burst.exhausted() {
            self.later.again();
        }
        false
    }

    /// Takes the calls that have come, as many as a turn answers. Says whether the connection has ended.
    ///
    /// What was read is taken before more is read: a peer that sends faster than it is answered waits in its own
    /// socket, and calls never pile up to where HTTP/2 refuses them.
    fn gather(&mut self) -> bool {
        let mut helpings = 0;
        while self.batch.len() < TURN {
            // A peer that does not read gets no further call accepted; what it sends waits in its own window.
            if self.clogged() {
                self.burst.allow(HELPING);
                if self.drive() {
                    return true;
                }
                if self.clogged() {
                    return false;
                }
            }
            match self.bell.poll(|cx| self.h2.poll_accept(cx)) {
                Poll::Ready(Some(Ok(call))) => self.batch.push_back(call),
                Poll::Ready(Some(Err(_)) | None) => return true,
                Poll::Pending if self.burst.exhausted() && helpings < HELPINGS => {
                    helpings += 1;
                    self.burst.allow(HELPING);
                }
                Poll::Pending => return false,
            }
        }
        false
    }

    /// Reads and writes. Says whether the connection has ended.
    fn drive(&mut self) -> bool {
        self.bell.poll(|cx| self.h2.poll_closed(cx)).is_ready()
    }

    /// More is queued for the peer than it is worth.
    fn clogged(&self) -> bool {
        self.burst.blocked() || self.link.budget.is_full()
    }

    /// Polls the handlers of this turn once each; those that wait, or are known to compute for long, become tasks.
    fn answer(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut watch = Stopwatch::start();
        while let Some((request, respond)) = self.batch.pop_front() {
            match Exchange::start(&self.link, request, respond, watch.lapped()) {
                Started::Inline(mut exchange) => {
                    // A task polls again at once and leaves its own waker, so this poll needs none.
                    if exchange.poll_timed(&mut Context::from_waker(Waker::noop()), &mut watch).is_pending() {
                        exchange.spawn();
                    }
                }
                Started::Task(exchange) => exchange.spawn(),
                Started::Gone => {}
            }
            if watch.elapsed() > TURN_TIME {
                break;
            }
        }
    }
}
