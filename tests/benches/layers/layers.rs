//! Each layer alone, over a service that answers at once.

use mainstay::call::{CallService, Frame, Invocation, Method, Payload, Reply, Status};
use mainstay::layer::{DeadlineLayer, MetricsLayer, RetryLayer, RetryOptions, Side, TraceLayer};
use mainstay::policy::{Breaker, BreakerOptions, Concurrency, ConcurrencyOptions, GuardLayer, Key, Rate, RateLimit};
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Instant;
use testbed::stats::median;
use tower_layer::Layer;
use tower_service::Service;

/// Answers at once.
#[derive(Clone)]
struct Floor(Frame);

impl Service<Invocation> for Floor {
    type Response = Reply;
    type Error = Status;
    type Future = Ready<Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        std::hint::black_box(call);
        ready(Ok(Reply::new(Payload::One(self.0.clone()))))
    }
}

/// Calls of one turn.
const CALLS: u32 = 100_000;

/// What each layer adds to a call, in nanoseconds.
pub(crate) async fn measure(rounds: usize) -> Vec<(&'static str, f64)> {
    let of = crate::method();
    let floor = Floor(of.1.clone());
    let concurrency = |options| GuardLayer::new(Concurrency::new(options));
    let rate = |rate: Rate| GuardLayer::new(RateLimit::new([rate]));
    let mut all = Vec::new();
    macro_rules! layers {
        ($($what:literal => $layer:expr,)+) => { $(
            let mut service = $layer.layer(floor.clone());
            let mut added = Vec::new();
            for _ in 0..rounds {
                let below = run(&mut floor.clone(), &of).await;
                added.push(run(&mut service, &of).await - below);
            }
            all.push(($what, median(added.into_iter())));
        )+ };
    }
    layers! {
        "trace" => TraceLayer::new(Side::Client),
        "metrics" => MetricsLayer::new(Side::Client),
        "deadline" => DeadlineLayer::client(None),
        "rate" => rate(Rate::per_second(u32::MAX)),
        "rate by caller" => rate(Rate::per_second(u32::MAX).by(Key::Caller)),
        "concurrency" => concurrency(ConcurrencyOptions::fixed(1000)),
        "concurrency, adaptive" => concurrency(ConcurrencyOptions::adaptive(20..=200)),
        "breaker" => GuardLayer::new(Breaker::new(BreakerOptions::new())),
        "retry with its budget" => RetryLayer::new(RetryOptions::default()),
    }
    all
}

/// The time of one call in nanoseconds.
async fn run(service: &mut impl CallService, (method, frame): &(Method, Frame)) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        let reply = service.call(crate::call(method, frame)).await;
        assert!(std::hint::black_box(reply).is_ok());
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}
