//! One span per call and side, and W3C trace context handed on from the request that is being handled to the calls that
//! it makes. No SDK is needed for that: `traceparent`, `tracestate` and `baggage` are copied as they came.
//!
//! Without a subscriber a span costs a look at one flag.

use super::{Named, Side, metrics::shouted};
use crate::call::{Cx, Invocation, Reply, Status};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::Code;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

/// Makes [`Trace`]s.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer(Side);

/// Wraps each call into a span.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    side: Side,
}

/// What is handed on.
const CONTEXT: [&str; 3] = ["traceparent", "tracestate", "baggage"];

impl TraceLayer {
    /// Spans of one side. Only a caller's hands context on.
    pub fn new(side: Side) -> Self {
        Self(side)
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, side: self.0 }
    }
}

/// Copies the context of the request that is being handled; what the caller has set itself stays.
fn hand_on(call: &mut Invocation) {
    let Some(cx) = Cx::current() else { return };
    let from = cx.metadata();
    if from.is_empty() {
        return;
    }
    for name in CONTEXT {
        if let Some(value) = from.get(name)
            && !call.metadata.contains_key(name)
        {
            call.metadata.insert(name, value.clone());
        }
    }
}

fn span(side: Side, call: &Invocation) -> Span {
    let (service, method) = (call.method.service(), call.method.name());
    match side {
        Side::Client => tracing::info_span!(
            "call",
            otel.kind = "client",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.code = Empty,
            reason = Empty
        ),
        Side::Server => tracing::info_span!(
            "serve",
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.code = Empty,
            reason = Empty
        ),
    }
}

impl<S> Service<Invocation> for Trace<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> Traced<S::Future> {
        if self.side == Side::Client {
            hand_on(&mut call);
        }
        let span = span(self.side, &call);
        let call = if span.is_disabled() { self.inner.call(call) } else { span.in_scope(|| self.inner.call(call)) };
        Traced { call, span }
    }
}

impl<S: Named> Named for Trace<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("trace");
        self.inner.names(names);
    }
}

pin_project! {
    /// A call inside its span.
    #[derive(Debug)]
    pub struct Traced<F> {
        #[pin]
        call: F,
        span: Span,
    }
}

impl<F: Future<Output = Result<Reply, Status>>> Future for Traced<F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.span.is_disabled() {
            return this.call.poll(cx);
        }
        let _inside = this.span.enter();
        let result = ready!(this.call.poll(cx));
        let code = result.as_ref().map_or_else(Status::code, |_| Code::Ok);
        this.span.record("rpc.code", shouted(code));
        if let Err(status) = &result {
            this.span.record("reason", status.reason().as_str());
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::call::Kind;

    #[tokio::test]
    async fn context_is_handed_on_and_what_the_caller_set_stays() {
        let mut outer = call(Kind::Unary, false);
        for (name, value) in [("traceparent", "00-a-b-01"), ("baggage", "tenant=1"), ("authorization", "secret")] {
            outer.metadata.insert(name, value.parse().unwrap());
        }
        let cx = Cx::of(&mut outer);
        let seen = cx.scope(async {
            let mut inner = call(Kind::Unary, false);
            inner.metadata.insert("baggage", "own=1".parse().unwrap());
            hand_on(&mut inner);
            inner.metadata
        });
        let seen = seen.await;
        assert_eq!(seen.get("traceparent").unwrap(), "00-a-b-01");
        assert_eq!(seen.get("baggage").unwrap(), "own=1");
        assert!(seen.get("authorization").is_none(), "only trace context is handed on");
    }
}
