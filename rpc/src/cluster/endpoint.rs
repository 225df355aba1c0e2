//! One instance, and a call on it.
//!
//! The endpoint stack, top to bottom:
//!
//! 1. *(seat: Breaker. Per endpoint and method: it must see each outcome of this endpoint alone.)*
//! 2. *(seat: Concurrency. Below the breaker: what the breaker refuses waits for no slot.)*
//! 3. **Load** counts the call from the pick to its last frame: what P2C compares must hold what was just sent.
//! 4. **Pool → connection**: the bytes.

use super::{Common, load::Load, load::PENALTY, pool::Pool, pool::Pooled, snapshot};
use crate::{
    call::{Fault, Invocation, Payload, Reason, Reply, Status},
    layer::settle,
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
    pub(crate) pool: Arc<Pool>,
}

impl Live {
    pub(crate) fn new(instance: &Instance, common: &Arc<Common>) -> Self {
        let host = instance.host.trim_start_matches('[').trim_end_matches(']');
        let target = Target::new(host, instance.port);
        Self { load: Load::default(), pool: Arc::new(Pool::new(target, common.clone())) }
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
        let running = Running::new(self, began, common);
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
                let running = running.answered();
                if let Payload::Stream(stream) = reply.payload {
                    reply.payload = Payload::Stream(settle(stream, running));
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
    settled: bool,
}

impl Running {
    fn new(endpoint: Arc<Endpoint>, began: Duration, common: Arc<Common>) -> Self {
        endpoint.live.load.enter();
        Self { endpoint, began, common, settled: false }
    }

    /// The answer, or the head of a stream, is here.
    fn answered(mut self) -> Self {
        let now = self.common.now();
        self.endpoint.live.load.observe(now.saturating_sub(self.began), now);
        self.settled = true;
        self
    }

    fn failed(mut self, status: &Status) {
        let now = self.common.now();
        let took = now.saturating_sub(self.began);
        // The caller's mistakes say nothing about the endpoint but how fast it answers.
        let ill = status.fault() == Fault::Network || status.retryable();
        self.endpoint.live.load.observe(if ill { took.max(PENALTY) } else { took }, now);
        self.settled = true;
    }
}

impl settle::Settle for Running {
    fn settle(&mut self, _: Result<(), &Status>) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.settled {
            let now = self.common.now();
            self.endpoint.live.load.observe_abandoned(now.saturating_sub(self.began), now);
        }
        self.endpoint.live.load.leave();
    }
}
