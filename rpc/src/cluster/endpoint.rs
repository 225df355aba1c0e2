//! One instance, and a call on it.
//!
//! The endpoint stack, top to bottom:
//!
//! 1. **Breaker**, of the endpoint and, where one is set, of the method here: it sees each outcome of this endpoint alone. The
//!    pick asks it (`pick.rs`), so that a call goes to another rather than fail.
//! 2. **Concurrency**, where it is set: the place is taken by the pick too, which passes over who is full (`place.rs`), and is free
//!    with the last frame. Below the breaker: what the breaker refuses takes no place.
//! 3. **Load** counts the call from the pick to its last frame: what P2C compares must hold what was just sent.
//! 4. **Pool → connection**: the bytes.

use super::{
    Common, Connectivity,
    health::Health,
    live::{Live, Own},
    load::PENALTY,
    place::Place,
    pool::Pooled,
    snapshot,
};
use crate::{
    call::{Fault, Invocation, Reason, Reply, Status},
    layer::settle,
    policy::{Ended, Outcome},
    transport::Calling,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// The label of an instance, and the attachment of a call.
pub(crate) const TOKEN: &str = "token";

/// An endpoint of the directory.
pub(crate) type Endpoint = snapshot::Endpoint<Live>;

impl Endpoint {
    /// What picks look at; made now if none has so far.
    pub(crate) fn live(&self, common: &Arc<Common>) -> &Arc<Live> {
        self.kept(|| Live::new(common))
    }

    /// What it has, if a call has wanted it.
    pub(crate) fn own(&self) -> Option<&Own> {
        self.known().and_then(|live| live.known())
    }

    /// A connection is open.
    pub(crate) fn is_ready(&self) -> bool {
        self.known().is_some_and(|live| live.is_ready())
    }

    /// A connection is open, or a call that wants it may dial now.
    pub(crate) fn is_reachable(&self, now: Duration) -> bool {
        self.known().is_none_or(|live| live.is_reachable(now))
    }

    /// Its health, when something is wrong with that.
    pub(crate) fn ailing(&self, now: Duration) -> Option<&Health> {
        self.known().and_then(|live| live.ailing(now))
    }

    /// How its connections do.
    pub(crate) fn connectivity(&self) -> Connectivity {
        self.own().map_or(Connectivity::Idle, |own| own.pool.connectivity())
    }

    /// Why the last attempt to connect failed.
    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.own().and_then(|own| own.pool.last_error())
    }
}

impl Place {
    /// Makes a call on one of its connections. `began` is when it was picked.
    pub(crate) fn call(self, pooled: Arc<Pooled>, mut call: Invocation, began: Duration) -> Sent {
        let common = &*self.live.common;
        let lane = common.settings.health.lane(&call.method);
        let now = common.birth + began;
        let mut deadline = call.deadline;
        if let Some(own) = self.live.known() {
            if let Some(token) = &own.token {
                call.metadata.insert(TOKEN, token.clone());
            }
            if let Some(trial) = &call.trial {
                // Given up then, it was overdue here, though the call is not.
                let until = trial.send(&own.instance.id, now);
                deadline = Some(deadline.map_or(until, |deadline| deadline.min(until)));
            }
        }
        let running = Running::new(self, began, lane, deadline);
        let calling = pooled.connection.call(call, now);
        Sent { calling, pooled, running: Some(running) }
    }
}

/// A call that an endpoint has. Its error is the call's own, with the name of the instance added.
pub(crate) struct Sent {
    calling: Calling,
    pooled: Arc<Pooled>,
    /// `None` when it has ended.
    running: Option<Running>,
}

impl Future for Sent {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Looked at in place: an answer is not moved by each layer that it passes.
        let mut answered = Pin::new(&mut self.calling).poll(cx);
        if let Poll::Ready(result) = &mut answered
            && let Some(running) = self.running.take()
        {
            self.ended(result, running);
        }
        answered
    }
}

impl Sent {
    fn ended(&self, result: &mut Result<Reply, Status>, running: Running) {
        match result {
            Ok(reply) => {
                let came = Instant::now();
                if let Some(mut running) = settle(&mut reply.payload, running.answered(came)) {
                    running.hear(Outcome::Success, running.took);
                    reply.came = Some(came);
                }
            }
            Err(status) => {
                if let Some(own) = running.live().known() {
                    if matches!(status.reason(), Reason::StreamRefused | Reason::ConnectionLost) {
                        own.pool.retire(&self.pooled);
                    }
                    status.set_instance(own.instance.id.clone());
                }
                running.failed(status);
            }
        }
    }
}

/// A call under way: counted until it is dropped, and heard of once.
struct Running {
    place: Place,
    began: Duration,
    lane: Option<usize>,
    deadline: Option<Instant>,
    /// Its load is known.
    settled: bool,
    /// How long the answer, or its head, took.
    took: Duration,
    /// The endpoint's health has heard how it ended.
    heard: bool,
}

impl Running {
    fn new(place: Place, began: Duration, lane: Option<usize>, deadline: Option<Instant>) -> Self {
        place.live.load.enter();
        Self { place, began, lane, deadline, settled: false, took: Duration::ZERO, heard: false }
    }

    fn live(&self) -> &Live {
        &self.place.live
    }

    fn common(&self) -> &Common {
        &self.live().common
    }

    /// The answer, or the head of a stream, came.
    fn answered(mut self, came: Instant) -> Self {
        let now = self.common().at(came);
        self.took = now.saturating_sub(self.began);
        self.live().load.observe(self.took, now);
        self.settled = true;
        self
    }

    fn hear(&mut self, outcome: Outcome, took: Duration) {
        if !std::mem::replace(&mut self.heard, true) {
            let (ended, now) = (Ended::new(outcome, took), self.began + took);
            self.live().hear(&ended, self.lane, now, &self.common().outliers);
            self.place.settle(&ended, now);
        }
    }

    fn failed(mut self, status: &Status) {
        let now = self.common().now();
        let took = now.saturating_sub(self.began);
        // The caller's mistakes say nothing about the endpoint but how fast it answers.
        let ill = status.fault() == Fault::Network || status.retryable();
        self.live().load.observe(if ill { took.max(PENALTY) } else { took }, now);
        self.settled = true;
        self.hear(Outcome::of(status), took);
    }

    fn since(&self) -> Duration {
        self.common().now().saturating_sub(self.began)
    }
}

impl settle::Settle for Running {
    fn settle(&mut self, outcome: Result<(), &Status>, at: Instant) {
        let outcome = outcome.map_or_else(Outcome::of, |()| Outcome::Success);
        self.hear(outcome, self.common().at(at).saturating_sub(self.began));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.heard {
            let took = self.since();
            let now = self.began + took;
            // What is cut off by its deadline is a future that is dropped. A stream that began has been answered.
            let late = !self.settled && self.deadline.is_some_and(|deadline| self.common().at(deadline) <= now);
            self.hear(if late { Outcome::Overdue } else { Outcome::Cancelled }, took);
            if !self.settled {
                self.live().load.observe_abandoned(took, now);
            }
        }
        self.live().load.leave();
    }
}
