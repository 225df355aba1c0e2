//! One instance, and a call on it.
//!
//! The endpoint stack, top to bottom:
//!
//! 1. **Breaker**, of the endpoint and, where one is set, of the method here: it sees each outcome of this endpoint alone. The
//!    pick asks it (`pick.rs`), so that a call goes to another rather than fail.
//! 2. *(seat: Concurrency. Below the breaker: what the breaker refuses waits for no slot.)*
//! 3. **Load** counts the call from the pick to its last frame: what P2C compares must hold what was just sent.
//! 4. **Pool → connection**: the bytes.

use super::{Common, health::Health, load::Load, load::PENALTY, pool::Pool, pool::Pooled, snapshot};
use crate::{
    call::{Fault, Invocation, Payload, Reason, Reply, Status},
    layer::settle,
    policy::{Ended, Outcome},
    transport::{Calling, Target},
};
use mainstay_registry::Instance;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// An endpoint of the directory.
pub(crate) type Endpoint = snapshot::Endpoint<Live>;

/// What is kept of an instance as long as it lives.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) load: Load,
    pub(crate) health: Health,
    pub(crate) pool: Arc<Pool>,
}

impl Live {
    pub(crate) fn new(instance: &Instance, common: &Arc<Common>) -> Self {
        let host = instance.host.trim_start_matches('[').trim_end_matches(']');
        let target = Target::new(host, instance.port);
        let health = Health::new(&common.settings.health);
        Self { load: Load::default(), health, pool: Arc::new(Pool::new(target, common.clone())) }
    }
}

impl Endpoint {
    /// Makes a call on one of the endpoint's connections. `began` is when it was picked.
    pub(crate) fn call(
        self: Arc<Self>,
        pooled: Arc<Pooled>,
        call: Invocation,
        began: Duration,
        common: Arc<Common>,
    ) -> Sent {
        let lane = common.settings.health.lane(&call.method);
        let deadline = call.deadline.map(|deadline| deadline.saturating_duration_since(common.birth));
        let running = Running::new(self, began, common, lane, deadline);
        Sent { calling: pooled.connection.call(call), pooled, running: Some(running) }
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
        let result = ready!(Pin::new(&mut self.calling).poll(cx));
        let Some(running) = self.running.take() else { return Poll::Ready(result) };
        Poll::Ready(match result {
            Ok(mut reply) => {
                let mut running = running.answered();
                match reply.payload {
                    Payload::Stream(stream) => reply.payload = Payload::Stream(settle(stream, running)),
                    Payload::One(_) => running.hear(Outcome::Success, running.took),
                }
                Ok(reply)
            }
            Err(status) => {
                if matches!(status.reason(), Reason::StreamRefused | Reason::ConnectionLost) {
                    running.endpoint.live.pool.retire(&self.pooled);
                }
                let id = running.endpoint.instance.id.clone();
                running.failed(&status);
                Err(status.at(id))
            }
        })
    }
}

/// A call under way: counted until it is dropped, and heard of once.
struct Running {
    endpoint: Arc<Endpoint>,
    began: Duration,
    common: Arc<Common>,
    lane: Option<usize>,
    deadline: Option<Duration>,
    /// Its load is known.
    settled: bool,
    /// How long the answer, or its head, took.
    took: Duration,
    /// The endpoint's health has heard how it ended.
    heard: bool,
}

impl Running {
    fn new(
        endpoint: Arc<Endpoint>,
        began: Duration,
        common: Arc<Common>,
        lane: Option<usize>,
        deadline: Option<Duration>,
    ) -> Self {
        endpoint.live.load.enter();
        Self { endpoint, began, common, lane, deadline, settled: false, took: Duration::ZERO, heard: false }
    }

    /// The answer, or the head of a stream, is here.
    fn answered(mut self) -> Self {
        let now = self.common.now();
        self.took = now.saturating_sub(self.began);
        self.endpoint.live.load.observe(self.took, now);
        self.settled = true;
        self
    }

    fn hear(&mut self, outcome: Outcome, took: Duration) {
        if !std::mem::replace(&mut self.heard, true) {
            self.endpoint.hear(&Ended::new(outcome, took), self.lane, self.began + took, &self.common.outliers);
        }
    }

    fn failed(mut self, status: &Status) {
        let now = self.common.now();
        let took = now.saturating_sub(self.began);
        // The caller's mistakes say nothing about the endpoint but how fast it answers.
        let ill = status.fault() == Fault::Network || status.retryable();
        self.endpoint.live.load.observe(if ill { took.max(PENALTY) } else { took }, now);
        self.settled = true;
        self.hear(Outcome::of(status), took);
    }

    fn since(&self) -> Duration {
        self.common.now().saturating_sub(self.began)
    }
}

impl settle::Settle for Running {
    fn settle(&mut self, outcome: Result<(), &Status>) {
        let outcome = outcome.map_or_else(Outcome::of, |()| Outcome::Success);
        self.hear(outcome, self.since());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.heard {
            let took = self.since();
            let now = self.began + took;
            // What is cut off by its deadline is a future that is dropped. A stream that began has been answered.
            let late = !self.settled && self.deadline.is_some_and(|deadline| deadline <= now);
            self.hear(if late { Outcome::Overdue } else { Outcome::Cancelled }, took);
            if !self.settled {
                self.endpoint.live.load.observe_abandoned(took, now);
            }
        }
        self.endpoint.live.load.leave();
    }
}
