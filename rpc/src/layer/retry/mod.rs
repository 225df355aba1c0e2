//! Sends a failed call again: the one layer that does so in time. Failover is this layer above the cluster: it writes
//! down who was tried, and the cluster reads it.
//!
//! What was sent again in vain, or could not be for want of budget, is handed on with the wish that nobody does so any
//! more: a service that answers with it passes the wish on, and its callers do not multiply these tries by their own.
//!
//! A try that takes too long, where a time is set for one, is a failure like others, with one difference: where it may not be
//! followed by another, it is not given up. So the time of a try makes no call fail.
//!
//! The decisions are in `decide.rs` and `budget.rs`; here is the future that carries them out. A call that succeeds
//! costs a copy of pointers and a count.

mod budget;
mod decide;
mod trial;

use super::{
    Named,
    names::{REASON, RETRIES, RETRIES_REFUSED},
};
use crate::{
    call::{Cx, Invocation, Reason, Reply, Status},
    cluster::Dice,
};
use budget::Budget;
use decide::{Attempt, Decision, Why, decide};
use mainstay_registry::Backoff;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Code;
use tower_layer::Layer;
use tower_service::Service;
pub(crate) use trial::Trial;
use trial::Watch;

/// How a client retries.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RetryOptions {
    /// Retries of a call when neither the caller nor the method says. Default 2.
    pub retries: u32,
    /// Retries per hundred calls, over ten seconds. Default 20.
    pub budget_percent: u32,
    /// Retries per second that are allowed in any case. Default 10.
    pub budget_at_least: u32,
    /// The wait before the first retry, which doubles with each, up to a second; half of it is jitter. Default 10 ms.
    pub backoff: Duration,
    /// How long one try may take where it may be followed by another: of a method that is idempotent and answers with one message,
    /// when neither the caller nor the method says. Default: as long as the call.
    pub per_try_timeout: Option<Duration>,
    /// Where the jitter begins, to be the same each time in a simulation. Default: chosen at random.
    pub seed: Option<u64>,
}

impl Default for RetryOptions {
    fn default() -> Self {
        let backoff = Duration::from_millis(10);
        Self { retries: 2, budget_percent: 20, budget_at_least: 10, backoff, per_try_timeout: None, seed: None }
    }
}

/// Makes [`Retry`]s, which share one budget.
#[derive(Clone, Debug)]
pub struct RetryLayer(Arc<Shared>);

/// Sends a failed call again when that is safe and affordable.
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    retries: u32,
    per_try: Option<Duration>,
    backoff: Backoff,
    budget: Budget,
    dice: Dice,
    birth: Instant,
}

/// How a retry tells the server that it is one, and which (gRFC A6).
const ATTEMPTS: &str = "grpc-previous-rpc-attempts";

impl RetryLayer {
    /// A layer with a budget of its own.
    pub fn new(options: RetryOptions) -> Self {
        let mut backoff = Backoff::default();
        (backoff.first, backoff.max) = (options.backoff, Duration::from_secs(1));
        Self(Arc::new(Shared {
            retries: options.retries,
            per_try: options.per_try_timeout,
            backoff,
            budget: Budget::new(options.budget_percent, options.budget_at_least),
            dice: options.seed.map_or_else(Dice::default, Dice::new),
            birth: Instant::now(),
        }))
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry { inner, shared: self.0.clone() }
    }
}

impl<S> Service<Invocation> for Retry<S>
where
    S: Service<Invocation, Response = Reply, Error = Status> + Clone,
{
    type Response = Reply;
    type Error = Status;
    type Future = Retrying<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> Self::Future {
        self.shared.budget.call(call.began.saturating_duration_since(self.shared.birth));
        let (inner, shared, copy) = (self.inner.clone(), self.shared.clone(), call.try_clone());
        let mut plan = Plan { inner, shared, copy, retried: 0, moved: 0, watch: None };
        plan.watch(&mut call);
        Retrying { state: State::Calling { call: self.inner.call(call) }, plan }
    }
}

impl<S: Named> Named for Retry<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("retry");
        self.inner.names(names);
    }
}

pin_project! {
    /// A call that may be sent again.
    #[derive(Debug)]
    pub struct Retrying<S, F> {
        #[pin]
        state: State<F>,
        plan: Plan<S>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Calling { #[pin] call: F },
        // Boxed: few calls ever wait here, and a timer is as large as the rest together.
        Waiting { timer: Pin<Box<Sleep>> },
        // It is time to send it again, and the try before is gone.
        Due,
    }
}

/// What is needed to send a call again.
#[derive(Debug)]
struct Plan<S> {
    inner: S,
    shared: Arc<Shared>,
    /// `None`: the request went out as a stream.
    copy: Option<Invocation>,
    retried: u32,
    moved: u32,
    /// The time of this try is taken.
    watch: Option<Box<Watch>>,
}

impl<S, F> Future for Retrying<S, F>
where
    S: Service<Invocation, Response = Reply, Error = Status, Future = F>,
    F: Future<Output = Result<Reply, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Calling { call } => {
                    // Looked at in place: an answer is not moved by each layer that it passes.
                    let mut answered = call.poll(cx);
                    let wait = match &mut answered {
                        Poll::Ready(Err(status)) => this.plan.after(status),
                        Poll::Pending if this.plan.watch.is_some() => this.plan.overdue(cx),
                        _ => None,
                    };
                    match wait {
                        None => return answered,
                        Some(Duration::ZERO) => Some(State::Due),
                        Some(wait) => Some(State::Waiting { timer: Box::pin(sleep(wait)) }),
                    }
                }
                StateProjection::Waiting { timer } => {
                    ready!(timer.as_mut().poll(cx));
                    Some(State::Due)
                }
                StateProjection::Due => this.plan.send(),
            };
            let Some(next) = next else { return Poll::Pending };
            this.state.set(next);
        }
    }
}

/// The request that is being handled is a retry itself: who sent it does the trying again. Else each layer of a chain of
/// services would multiply the calls by its own.
fn of_a_retry() -> bool {
    Cx::current().is_some_and(|cx| cx.metadata().contains_key(ATTEMPTS))
}

impl Shared {
    /// How often a call is sent again, at most.
    fn allowed(&self, call: &Invocation) -> u32 {
        match of_a_retry() {
            true => 0,
            false => call.retries.or(call.method.retries()).unwrap_or(self.retries),
        }
    }
}

impl<S> Plan<S> {
    /// Takes the time of this try, where one is set and another may follow.
    fn watch(&mut self, call: &mut Invocation) {
        self.watch = None;
        let said = call.per_try.or(call.method.per_try_timeout());
        let Some(time) = said.or(self.shared.per_try) else { return };
        let may_follow = self.copy.is_some() && call.method.idempotent() && !call.method.kind().server_streams();
        if may_follow && self.retried < self.shared.allowed(call) {
            let watch = Watch::new(time);
            call.trial = Some(watch.trial.clone());
            self.watch = Some(Box::new(watch));
        }
    }

    /// How long to wait before the call is sent again because this try takes too long; `None` when it goes on.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let Poll::Ready(instance) = self.watch.as_mut()?.poll(cx) else { return None };
        // Once: where no other may follow, this one goes on to its end.
        self.watch = None;
        let text = "the try took longer than one may";
        let status = Status::because(Reason::TryTimeout, Code::DeadlineExceeded, text).at(instance);
        // It has been waited for long enough.
        self.after(&mut status.with_retry_after(Duration::ZERO))
    }

    /// How long to wait before the call is sent again; `None` when it is not.
    #[cold]
    fn after(&mut self, status: &mut Status) -> Option<Duration> {
        let now = Instant::now();
        let shared = &self.shared;
        let decision = match &self.copy {
            None => Decision::GiveUp(Why::Stream),
            Some(call) => {
                let attempt = Attempt {
                    copy: true,
                    one_answer: !call.method.kind().server_streams(),
                    idempotent: call.method.idempotent(),
                    retried: self.retried,
                    allowed: shared.allowed(call),
                    moved: self.moved,
                    left: call.deadline.map(|deadline| deadline.saturating_duration_since(now)),
                };
                let afford = || shared.budget.retry(now.saturating_duration_since(shared.birth));
                decide(attempt, status, shared.backoff, shared.dice.throw(), afford)
            }
        };
        match decision {
            Decision::Move => self.moved += 1,
            Decision::After(_) => {
                self.retried += 1;
                tracing::debug!(reason = status.reason().as_str(), retry = self.retried, "sending a call again");
                metrics::counter!(RETRIES, REASON => status.reason().as_str()).increment(1);
            }
            Decision::GiveUp(why) => {
                if matches!(why, Why::Spent | Why::NoTime | Why::Budget) {
                    metrics::counter!(RETRIES_REFUSED, REASON => why.as_str()).increment(1);
                }
                if why.is_final(self.retried) {
                    status.set_not_retryable();
                }
                return None;
            }
        }
        if let (Some(call), Some(instance)) = (&mut self.copy, status.instance())
            && !call.tried.contains(instance)
        {
            call.tried.push(instance.clone());
        }
        Some(match decision {
            Decision::After(wait) => wait,
            _ => Duration::ZERO,
        })
    }

    /// Sends the call again.
    fn send<F>(&mut self) -> Option<State<F>>
    where
        S: Service<Invocation, Response = Reply, Error = Status, Future = F>,
    {
        let call = self.copy.as_mut()?;
        if self.retried > 0 {
            call.metadata.insert(ATTEMPTS, self.retried.into());
        }
        // A copy is of one message, and can be copied again.
        let mut call = call.try_clone()?;
        self.watch(&mut call);
        Some(State::Calling { call: self.inner.call(call) })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::call::{Kind, Payload, Reason, Streaming};
    use mainstay_registry::InstanceId;
    use std::sync::Mutex;
    use tonic::Code;

    /// Fails each try with `status`, from another instance each time; what it saw is kept.
    #[allow(clippy::type_complexity)]
    fn failing(
        status: Status,
    ) -> (impl Service<Invocation, Response = Reply, Error = Status, Future: Send> + Clone, Arc<Mutex<Vec<Invocation>>>)
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let service = answering(move |call| {
            let mut log = log.lock().unwrap();
            log.push(call);
            Err(status.clone().at(InstanceId::new(log.len().to_string())))
        });
        (service, seen)
    }

    fn lost() -> Status {
        Status::because(Reason::ConnectionLost, Code::Unavailable, "lost")
    }

    #[tokio::test(start_paused = true)]
    async fn each_try_knows_who_failed_before_and_says_which_try_it_is() {
        let (service, seen) = failing(lost());
        let began = Instant::now();
        let status = RetryLayer::new(RetryOptions::default()).layer(service).call(call(Kind::Unary, true)).await;
        assert_eq!(status.unwrap_err().reason(), Reason::ConnectionLost);
        let seen = seen.lock().unwrap();
        let tried: Vec<Vec<&str>> =
            seen.iter().map(|call| call.tried.iter().map(InstanceId::as_str).collect()).collect();
        assert_eq!(tried, [&[][..], &["1"], &["1", "2"]]);
        let attempts: Vec<_> =
            seen.iter().map(|call| call.metadata.get(ATTEMPTS).map(|v| v.to_str().unwrap().to_owned())).collect();
        assert_eq!(attempts, [None, Some("1".to_owned()), Some("2".to_owned())]);
        // 10 and 20 ms, half of each for sure.
        let waited = began.elapsed().as_millis();
        assert!((15..=32).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn layers_of_services_do_not_multiply() {
        for (attempts, sent) in [(None, 3), (Some(1u32), 1)] {
            let mut outer = call(Kind::Unary, true);
            if let Some(attempts) = attempts {
                outer.metadata.insert(ATTEMPTS, attempts.into());
            }
            let (service, seen) = failing(lost());
            let inner = RetryLayer::new(RetryOptions::default()).layer(service).call(call(Kind::Unary, true));
            assert!(crate::call::Cx::of(&mut outer).scope(inner).await.is_err());
            assert_eq!(seen.lock().unwrap().len(), sent, "{attempts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_again_in_vain_asks_for_no_further_try() {
        for (retries, left_to_others) in [(Some(2), false), (Some(0), true)] {
            let (service, _) = failing(lost());
            let mut again = call(Kind::Unary, true);
            again.retries = retries;
            let status = RetryLayer::new(RetryOptions::default()).layer(service).call(again).await.unwrap_err();
            assert_eq!(status.retryable(), left_to_others, "{retries:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_and_writes_are_not_sent_again() {
        for (kind, idempotent, stream) in
            [(Kind::Unary, false, false), (Kind::ServerStreaming, true, false), (Kind::ClientStreaming, true, true)]
        {
            let (service, seen) = failing(lost());
            let mut call = call(kind, idempotent);
            if stream {
                call.payload = Payload::Stream(Streaming::of([1u32]).encode());
            }
            let result = RetryLayer::new(RetryOptions::default()).layer(service).call(call).await;
            assert!(result.is_err());
            assert_eq!(seen.lock().unwrap().len(), 1, "{kind:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_saw_moves_at_once_and_out_of_budget() {
        let refused = Status::because(Reason::StreamRefused, Code::Unavailable, "").not_reached();
        let (service, seen) = failing(refused);
        let began = Instant::now();
        let mut write = call(Kind::Unary, false);
        write.retries = Some(0);
        assert!(RetryLayer::new(RetryOptions::default()).layer(service).call(write).await.is_err());
        assert_eq!((seen.lock().unwrap().len(), began.elapsed()), (1 + decide::MOVES as usize, Duration::ZERO));
        assert!(seen.lock().unwrap().iter().all(|call| call.metadata.get(ATTEMPTS).is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_total_outage_costs_at_most_a_fifth_more() {
        let (service, seen) = failing(lost());
        let mut service = RetryLayer::new(RetryOptions::default()).layer(service);
        for _ in 0..2000 {
            assert!(service.call(call(Kind::Unary, true)).await.is_err());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let sent = seen.lock().unwrap().len();
        assert!((2200..=2400).contains(&sent), "{sent}");
    }
}
