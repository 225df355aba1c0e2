//! Counts calls and takes their time, through the `metrics` facade: whoever installs a recorder gets the figures.
//!
//! Handles are made once per method and kept, because a macro with labels costs ten times the handle. A recorder must
//! therefore be installed before the first call of a method.

use super::{
    Named, Side,
    names::{CLIENT_CALLS, CLIENT_DURATION, CODE, METHOD, SERVER_CALLS, SERVER_DURATION, SERVICE},
    settle::{Settle, Watched},
};
use crate::call::{Invocation, Method, Reply, Status};
use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use metrics::{Counter, Histogram};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tonic::Code;
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Metrics`].
#[derive(Clone, Debug)]
pub struct MetricsLayer(Arc<Table>);

/// Counts calls by method and code, and takes their time.
#[derive(Clone, Debug)]
pub struct Metrics<S> {
    inner: S,
    table: Arc<Table>,
}

/// Methods that are told apart at most: names come from peers where a gateway makes methods at run time.
const MAX_METHODS: usize = 4096;

#[derive(Debug)]
struct Table {
    side: Side,
    methods: ArcSwap<HashMap<http::uri::PathAndQuery, Arc<Handles>, RandomState>>,
}

/// The metrics of one method.
struct Handles {
    side: Side,
    method: Method,
    duration: Histogram,
    calls: [OnceLock<Counter>; 17],
}

impl MetricsLayer {
    /// Metrics of one side.
    pub fn new(side: Side) -> Self {
        Self(Arc::new(Table { side, methods: ArcSwap::default() }))
    }
}

impl Table {
    fn of(&self, method: &Method) -> Arc<Handles> {
        match self.methods.load().get(method.path()) {
            Some(handles) => handles.clone(),
            None => self.add(method),
        }
    }

    #[cold]
    fn add(&self, method: &Method) -> Arc<Handles> {
        let new = Arc::new(Handles::new(self.side, method));
        self.methods.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() < MAX_METHODS {
                known.entry(method.path().clone()).or_insert_with(|| new.clone());
            }
            known
        });
        new
    }
}

impl Handles {
    fn new(side: Side, method: &Method) -> Self {
        let name = match side {
            Side::Client => CLIENT_DURATION,
            Side::Server => SERVER_DURATION,
        };
        let duration =
            metrics::histogram!(name, SERVICE => method.service().to_owned(), METHOD => method.name().to_owned());
        Self { side, method: method.clone(), duration, calls: Default::default() }
    }

    fn ended(&self, code: Code, took: Duration) {
        self.duration.record(took.as_secs_f64());
        self.calls[code as usize].get_or_init(|| self.counter(code)).increment(1);
    }

    #[cold]
    fn counter(&self, code: Code) -> Counter {
        let name = match self.side {
            Side::Client => CLIENT_CALLS,
            Side::Server => SERVER_CALLS,
        };
        let (service, method) = (self.method.service().to_owned(), self.method.name().to_owned());
        metrics::counter!(name, SERVICE => service, METHOD => method, CODE => shouted(code))
    }
}

/// gRPC's own spelling of a code.
pub(crate) fn shouted(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method.fmt(f)
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics { inner, table: self.0.clone() }
    }
}

impl<S> Service<Invocation> for Metrics<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Watched<S::Future, Watch>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let watch = Watch { handles: self.table.of(&call.method), began: call.began, told: false };
        Watched::new(self.inner.call(call), Some(watch))
    }
}

impl<S: Named> Named for Metrics<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("metrics");
        self.inner.names(names);
    }
}

/// One call that is measured.
#[derive(Debug)]
pub struct Watch {
    handles: Arc<Handles>,
    began: Instant,
    told: bool,
}

impl Watch {
    fn tell(&mut self, code: Code, ended: Instant) {
        self.told = true;
        self.handles.ended(code, ended.saturating_duration_since(self.began));
    }
}

impl Settle for Watch {
    fn settle(&mut self, outcome: Result<(), &Status>, at: Instant) {
        self.tell(outcome.map_or_else(Status::code, |()| Code::Ok), at);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Code::Cancelled, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::call::Kind;

    #[tokio::test]
    async fn a_method_s_handles_are_made_once() {
        let layer = MetricsLayer::new(Side::Client);
        let mut service = layer.layer(answering(|_| Err(Status::new(Code::NotFound, "no"))));
        for _ in 0..3 {
            assert!(service.call(call(Kind::Unary, false)).await.is_err());
        }
        let handles = layer.0.of(&call(Kind::Unary, false).method);
        assert!(handles.calls[Code::NotFound as usize].get().is_some());
        assert!(handles.calls[Code::Ok as usize].get().is_none());
        assert_eq!(layer.0.methods.load().len(), 1);
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_counts_as_cancelled() {
        let layer = MetricsLayer::new(Side::Server);
        let (service, _gate) = gated();
        let mut pending = Box::pin(layer.layer(service).call(call(Kind::Unary, false)));
        assert!(futures_util::poll!(&mut pending).is_pending());
        drop(pending);
        let handles = layer.0.of(&call(Kind::Unary, false).method);
        assert!(handles.calls[Code::Cancelled as usize].get().is_some());
    }
}
