//! The layer that asks a policy, and does all the waiting.
//!
//! It is always ready: a call waits inside of its own future, where its deadline bounds it and where dropping it gives its
//! place back. A call that is let in at once costs the policy's decision and nothing else: no timer, no allocation.

use super::{
    Admission, Decision, Outcome, Policy, Refusal,
    permit::{Gate, InLine, Permit},
};
use crate::{
    call::{BoxFuture, Invocation, Reason, Reply, Status},
    layer::{
        Named,
        names::{POLICY, REASON, REFUSED},
        settle::hear,
    },
};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Guard`]s, which share one policy.
#[derive(Debug)]
pub struct GuardLayer<P> {
    pub(super) gate: Option<Arc<Gate<P>>>,
    spares: fn(&Invocation) -> bool,
}

/// Asks a policy about each call. See [`Policy`].
#[derive(Debug)]
pub struct Guard<S, P> {
    inner: S,
    layer: GuardLayer<P>,
}

impl<P: Policy> GuardLayer<P> {
    /// A layer that asks `policy`.
    pub fn new(policy: P) -> Self {
        Self::maybe(Some(policy))
    }

    /// A layer that lets every call pass when there is nobody to ask.
    pub(crate) fn maybe(policy: Option<P>) -> Self {
        Self { gate: policy.map(|policy| Arc::new(Gate::new(policy))), spares: |_| false }
    }

    /// The policy is not asked about calls for which this is true: they always pass, and are not heard of.
    #[must_use]
    pub fn sparing(mut self, spares: fn(&Invocation) -> bool) -> Self {
        self.spares = spares;
        self
    }
}

impl<P> Clone for GuardLayer<P> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), spares: self.spares }
    }
}

impl<S: Clone, P> Clone for Guard<S, P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, P> Layer<S> for GuardLayer<P> {
    type Service = Guard<S, P>;

    fn layer(&self, inner: S) -> Guard<S, P> {
        Guard { inner, layer: self.clone() }
    }
}

impl<S: Named, P: Policy> Named for Guard<S, P> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.layer.gate.as_ref().map(|gate| gate.policy.name()));
        self.inner.names(names);
    }
}

impl<S, P> Service<Invocation> for Guard<S, P>
where
    S: Service<Invocation, Response = Reply, Error = Status> + Clone,
    P: Policy,
{
    type Response = Reply;
    type Error = Status;
    type Future = Guarded<S, P, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let gate = self.layer.gate.as_ref().filter(|_| !(self.layer.spares)(&call));
        let Some(gate) = gate else {
            return Guarded { state: State::Calling { call: self.inner.call(call), permit: None } };
        };
        let now = match call.tried.is_empty() {
            // The stub, or the transport, has read the clock a moment ago.
            true => call.began,
            false => Instant::now(),
        };
        let state = match gate.ask(&call, now, false) {
            Decision::Permit => {
                let permit = gate.policy.hears().then(|| Permit::new(gate.clone(), gate.at(now), call.deadline));
                State::Calling { call: self.inner.call(call), permit }
            }
            Decision::Refuse(refusal) => State::Refused { status: Some(refused(gate.policy.name(), refusal)) },
            Decision::At(at) => {
                let permit = Permit::new(gate.clone(), at, call.deadline);
                State::Waiting { wait: Box::pin(gate.clone().until(at, permit, call)), inner: self.inner.clone() }
            }
            Decision::OnRelease => {
                State::Waiting { wait: Box::pin(gate.clone().in_line(call)), inner: self.inner.clone() }
            }
        };
        Guarded { state }
    }
}

/// Says that a call is not let in.
#[cold]
fn refused(policy: &'static str, refusal: Refusal) -> Status {
    metrics::counter!(REFUSED, POLICY => policy, REASON => refusal.reason.as_str()).increment(1);
    refusal.into_status()
}

impl<P: Policy> Gate<P> {
    fn ask(&self, call: &Invocation, now: Instant, again: bool) -> Decision {
        let admission = Admission {
            call,
            // Who is asked about at once has not waited, and a difference of two moments is not free.
            waited: if now == call.began { Duration::ZERO } else { now.saturating_duration_since(call.began) },
            left: call.deadline.map(|deadline| deadline.saturating_duration_since(now)),
            line: self.line() - usize::from(again),
            again,
        };
        let random = if self.policy.draws() { self.dice.throw() } else { 0 };
        self.policy.admit(&admission, self.at(now), random)
    }

    /// Waits for the time from which on a call is let in.
    async fn until(
        self: Arc<Self>,
        at: Duration,
        permit: Permit<P>,
        call: Invocation,
    ) -> Result<(Permit<P>, Invocation), Status> {
        let moment = self.moment(at).filter(|moment| call.deadline.is_none_or(|deadline| *moment < deadline));
        match moment {
            Some(moment) => {
                sleep_until(moment).await;
                Ok((permit, call))
            }
            None => {
                permit.ended(Outcome::Cancelled, Instant::now());
                Err(self.late())
            }
        }
    }

    /// Stands in line until the policy lets a call in.
    async fn in_line(self: Arc<Self>, call: Invocation) -> Result<(Permit<P>, Invocation), Status> {
        let (line, deadline) = (InLine::new(&self), call.deadline);
        loop {
            // Heard from here on: what is released after the question is not missed.
            let mut released = std::pin::pin!(self.released.notified());
            released.as_mut().enable();
            let now = Instant::now();
            match self.ask(&call, now, true) {
                Decision::Permit => {
                    drop(line);
                    return Ok((Permit::new(self.clone(), self.at(now), deadline), call));
                }
                Decision::At(at) => {
                    drop(line);
                    let permit = Permit::new(self.clone(), at, deadline);
                    return self.clone().until(at, permit, call).await;
                }
                Decision::Refuse(refusal) => {
                    drop(line);
                    // It was this one's turn, and it takes nothing: the turn is the next one's.
                    self.released.notify_one();
                    return Err(refused(self.policy.name(), refusal));
                }
                Decision::OnRelease => match deadline {
                    None => released.await,
                    Some(deadline) if timeout_at(deadline, released).await.is_ok() => {}
                    Some(_) => return Err(self.late()),
                },
            }
        }
    }

    fn late(&self) -> Status {
        let policy = self.policy.name();
        let text = format!("the deadline would pass before the call is let in ({policy})");
        refused(policy, Refusal::new(Reason::DeadlineExceeded, text))
    }
}

pin_project! {
    /// A call that a policy was asked about.
    pub struct Guarded<S, P: Policy, F> {
        #[pin]
        state: State<S, P, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, P: Policy, F> {
        Calling { #[pin] call: F, permit: Option<Permit<P>> },
        // Boxed: few calls ever wait.
        Waiting { wait: BoxFuture<'static, Result<(Permit<P>, Invocation), Status>>, inner: S },
        Refused { status: Option<Status> },
    }
}

impl<S, P, F> Future for Guarded<S, P, F>
where
    S: Service<Invocation, Response = Reply, Error = Status, Future = F>,
    P: Policy,
    F: Future<Output = Result<Reply, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { call, permit } => {
                    // Looked at in place: an answer is not moved by each layer that it passes.
                    let mut answered = call.poll(cx);
                    if let Poll::Ready(result) = &mut answered
                        && let Some(permit) = permit.take()
                    {
                        hear(result, permit);
                    }
                    return answered;
                }
                StateProjection::Waiting { wait, inner } => {
                    let (permit, call) = ready!(wait.as_mut().poll(cx))?;
                    State::Calling { call: inner.call(call), permit: Some(permit) }
                }
                StateProjection::Refused { status } => match status.take() {
                    Some(status) => return Poll::Ready(Err(status)),
                    // Polled after its end.
                    None => return Poll::Pending,
                },
            };
            state.set(next);
        }
    }
}

impl<S, P: Policy, F> std::fmt::Debug for Guarded<S, P, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guarded")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Concurrency, ConcurrencyOptions, Ended, Rate, RateLimit},
        *,
    };
    use crate::{
        call::{Code, Frame, Kind, Payload, Streaming},
        layer::testing::{answering, call, gated},
    };
    use futures_util::poll;
    use std::sync::Mutex;
    use tokio::time::advance;

    const MS: Duration = Duration::from_millis(1);

    /// Lets everything in, and keeps what it hears.
    #[derive(Clone, Default)]
    struct Ear(Arc<Mutex<Vec<(Outcome, u128)>>>);

    impl Policy for Ear {
        fn name(&self) -> &'static str {
            "ear"
        }

        fn admit(&self, _: &Admission<'_>, _: Duration, _: u64) -> Decision {
            Decision::Permit
        }

        fn settle(&self, ended: &Ended, _: Duration) -> usize {
            self.0.lock().unwrap().push((ended.outcome, ended.took.as_millis()));
            0
        }
    }

    fn unary() -> Invocation {
        call(Kind::Unary, false)
    }

    fn within(left: Duration) -> Invocation {
        let mut call = unary();
        call.deadline = Some(call.began + left);
        call
    }

    fn one() -> Result<Reply, Status> {
        Ok(Reply::new(Payload::One(Frame::encode(&1u32))))
    }

    #[tokio::test(start_paused = true)]
    async fn each_end_is_heard_once() {
        let ear = Ear::default();
        let layer = GuardLayer::new(ear.clone());
        for (answer, outcome) in [
            (one(), Outcome::Success),
            (Err(Status::new(Code::NotFound, "")), Outcome::Success),
            (Err(Status::because(Reason::ConnectionLost, Code::Unavailable, "")), Outcome::Failure),
            (Err(Status::deadline_exceeded()), Outcome::Overdue),
        ] {
            let answer = Arc::new(Mutex::new(Some(answer)));
            let _ = layer.layer(answering(move |_| answer.lock().unwrap().take().unwrap())).call(unary()).await;
            assert_eq!(std::mem::take(&mut *ear.0.lock().unwrap()), [(outcome, 0)]);
        }
        for (left, outcome) in [(10 * MS, Outcome::Cancelled), (9 * MS, Outcome::Overdue)] {
            let mut hangs = Box::pin(layer.layer(gated().0).call(within(left)));
            assert!(poll!(&mut hangs).is_pending());
            advance(9 * MS).await;
            drop(hangs);
            assert_eq!(std::mem::take(&mut *ear.0.lock().unwrap()), [(outcome, 9)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_heard_of_at_its_last_frame_or_its_drop() {
        for (read, outcome) in [(2, Outcome::Success), (1, Outcome::Cancelled)] {
            let ear = Ear::default();
            let answer = Reply::new(Payload::Stream(Streaming::of([1u32]).encode()));
            let answer = Arc::new(Mutex::new(Some(answer)));
            let service = answering(move |_| Ok(answer.lock().unwrap().take().unwrap()));
            let reply = GuardLayer::new(ear.clone()).layer(service).call(call(Kind::ServerStreaming, false)).await;
            let mut stream = Streaming::<u32>::decode(reply.unwrap().payload.into_stream());
            assert!(ear.0.lock().unwrap().is_empty());
            advance(5 * MS).await;
            for _ in 0..read {
                stream.message().await.unwrap();
            }
            drop(stream);
            assert_eq!(*ear.0.lock().unwrap(), [(outcome, 5)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_moves_on_as_calls_end_and_who_leaves_it_holds_nobody_up() {
        let (gate, service) = gated();
        let mut guard = GuardLayer::new(Concurrency::new(ConcurrencyOptions::fixed(1).line(8))).layer(service);
        let mut first = Box::pin(guard.call(unary()));
        let mut line: Vec<_> = (0..4).map(|_| Box::pin(guard.call(unary()))).collect();
        assert!(poll!(&mut first).is_pending());
        for waiting in &mut line {
            assert!(poll!(waiting).is_pending());
        }
        assert_eq!(gate.made(), 1);
        // The second one is told that it is its turn, and goes away before it hears.
        drop(first);
        drop(line.remove(0));
        for waiting in &mut line {
            assert!(poll!(waiting).is_pending());
        }
        assert_eq!((gate.made(), gate.running()), (2, 1), "the place went to the third one");
        drop(line.remove(0));
        assert!(poll!(&mut line[0]).is_pending() && poll!(&mut line[1]).is_pending());
        assert_eq!((gate.made(), gate.running()), (3, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_at_the_deadline_and_a_full_line_refuses() {
        let (gate, service) = gated();
        let mut guard = GuardLayer::new(Concurrency::new(ConcurrencyOptions::fixed(1).line(2))).layer(service);
        let mut first = Box::pin(guard.call(unary()));
        assert!(poll!(&mut first).is_pending());
        let mut waiting = [Box::pin(guard.call(within(20 * MS))), Box::pin(guard.call(within(30 * MS)))];
        assert!(poll!(&mut waiting[0]).is_pending() && poll!(&mut waiting[1]).is_pending());
        let status = guard.call(unary()).await.unwrap_err();
        assert_eq!((status.reason(), status.reached_server()), (Reason::ConcurrencyLimited, false));
        let [one, other] = waiting;
        assert_eq!(one.await.unwrap_err().reason(), Reason::DeadlineExceeded);
        drop(first);
        let mut other = other;
        assert!(poll!(&mut other).is_pending());
        assert_eq!(gate.made(), 2, "its turn came before its deadline");
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_waited_for_when_it_is_in_time() {
        let (gate, service) = gated();
        let mut guard = GuardLayer::new(RateLimit::new([Rate::per_second(10).paced(900 * MS)])).layer(service);
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(guard.call(unary()))).collect();
        let late = guard.call(within(250 * MS)).await.unwrap_err();
        assert_eq!((late.reason(), late.retry_after()), (Reason::RateLimited, Some(50 * MS)));
        let mut made = Vec::new();
        for _ in 0..3 {
            for call in &mut calls {
                assert!(poll!(call).is_pending());
            }
            made.push(gate.made());
            advance(101 * MS).await;
        }
        assert_eq!(made, [1, 2, 3]);
    }

    #[tokio::test]
    async fn whom_it_spares_it_does_not_ask() {
        let (gate, service) = gated();
        let policy = Concurrency::new(ConcurrencyOptions::fixed(1).line(0));
        let layer = GuardLayer::new(policy).sparing(|call| call.method.idempotent());
        let mut guard = layer.layer(service);
        let mut all: Vec<_> = (0..3).map(|_| Box::pin(guard.call(call(Kind::Unary, true)))).collect();
        all.push(Box::pin(guard.call(unary())));
        for one in &mut all {
            assert!(poll!(one).is_pending());
        }
        assert_eq!((gate.made(), guard.call(unary()).await.is_err()), (4, true));
    }
}
