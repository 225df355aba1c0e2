//! One span per call and side, and W3C trace context handed on from the request that is being handled to the calls that
//! it makes: `traceparent`, `tracestate` and `baggage`; and the colour by which rules route.
//!
//! A span has its place in the trace (`trace_id`, `span_id`, `parent_id`), which logs inside it show, and what comes below is
//! told to be below it. The ids are made here; where an OpenTelemetry layer is installed (feature `otel`) they are its own.
//! Without a subscriber a span costs a look at one flag, and context is copied as it came. So it is for who makes no spans.

use super::{Named, Side, metrics::shouted, w3c::TraceContext};
use crate::{
    call::{Cx, Invocation, Reply, Status},
    route::{FORCE_TAG, TAG},
};
use pin_project_lite::pin_project;
use std::{
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{Code, metadata::MetadataMap};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

/// Makes [`Trace`]s.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer {
    side: Side,
    spans: bool,
}

/// Wraps each call into a span.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    side: Side,
    spans: bool,
}

/// The place in a trace, and what tracers add to it.
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// What is handed on: the trace, and the colour by which rules route, which is worth something only if all of a chain of
/// services sees it.
const CONTEXT: [&str; 5] = [PARENT, STATE, "baggage", TAG, FORCE_TAG];

impl TraceLayer {
    /// Spans of one side. Only a caller's hands context on.
    pub fn new(side: Side) -> Self {
        Self { side, spans: true }
    }

    /// Whether there are spans. Without them, context is handed on all the same. Default: yes.
    #[must_use]
    pub fn spans(self, spans: bool) -> Self {
        Self { spans, ..self }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, side: self.side, spans: self.spans }
    }
}

/// Copies the context of the request that is being handled; what the caller has set itself stays.
fn hand_on(call: &mut Invocation) {
    let Some(cx) = Cx::current() else { return };
    let from = cx.metadata();
    if from.is_empty() {
        return;
    }
    // What another says of a trace that is none is not told on.
    let is_placed = parent(from).is_some();
    for name in CONTEXT {
        if let Some(value) = from.get(name)
            && !call.metadata.contains_key(name)
            && (is_placed || !matches!(name, PARENT | STATE))
        {
            call.metadata.insert(name, value.clone());
        }
    }
}

/// The place in a trace that metadata says.
fn parent(metadata: &MetadataMap) -> Option<TraceContext> {
    TraceContext::parse(metadata.get(PARENT)?.to_str().ok()?)
}

/// Gives a span its place in the trace, and tells what comes below.
fn place(span: &Span, call: &mut Invocation) {
    let parent = parent(&call.metadata);
    if parent.is_none() {
        call.metadata.remove(STATE);
    }
    let own = match placed_by_otel(span, parent, &call.metadata) {
        Some(own) => own,
        None => parent.map_or_else(|| TraceContext::root(random), |parent| parent.child(random())),
    };
    span.record("trace_id", tracing::field::display(own.trace_id()));
    span.record("span_id", tracing::field::display(own.span_id()));
    if let Some(parent) = parent {
        span.record("parent_id", tracing::field::display(parent.span_id()));
    }
    if let Ok(value) = own.to_string().parse() {
        call.metadata.insert(PARENT, value);
    }
}

#[cfg(feature = "otel")]
fn placed_by_otel(span: &Span, parent: Option<TraceContext>, metadata: &MetadataMap) -> Option<TraceContext> {
    super::otel::place(span, parent, metadata.get(STATE).and_then(|state| state.to_str().ok()))
}

#[cfg(not(feature = "otel"))]
fn placed_by_otel(_: &Span, _: Option<TraceContext>, _: &MetadataMap) -> Option<TraceContext> {
    None
}

/// A random number: keys of the standard library's hash are random, and other ones each time.
fn random() -> u64 {
    RandomState::new().hash_one(0u8)
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
            reason = Empty,
            trace_id = Empty,
            span_id = Empty,
            parent_id = Empty
        ),
        Side::Server => tracing::info_span!(
            "serve",
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.code = Empty,
            reason = Empty,
            trace_id = Empty,
            span_id = Empty,
            parent_id = Empty
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
        let span = if self.spans { span(self.side, &call) } else { Span::none() };
        if span.is_disabled() {
            return Traced { call: self.inner.call(call), span };
        }
        place(&span, &mut call);
        let call = span.in_scope(|| self.inner.call(call));
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
    use crate::call::{Frame, Kind, Payload};
    use std::{
        fmt::Debug,
        sync::{Arc, Mutex},
    };
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id, Record},
        subscriber::with_default,
    };

    const PLACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    async fn handed_on(from: &[(&'static str, &'static str)], own: &[(&'static str, &'static str)]) -> MetadataMap {
        let mut outer = call(Kind::Unary, false);
        from.iter().for_each(|(name, value)| drop(outer.metadata.insert(*name, value.parse().unwrap())));
        let own = own.to_vec();
        let inner = async {
            let mut inner = call(Kind::Unary, false);
            own.iter().for_each(|(name, value)| drop(inner.metadata.insert(*name, value.parse().unwrap())));
            hand_on(&mut inner);
            inner.into_parts().metadata
        };
        Cx::of(&mut outer).scope(inner).await
    }

    #[tokio::test]
    async fn context_is_handed_on_and_what_the_caller_set_stays() {
        let from =
            [(PARENT, PLACE), (STATE, "a=1"), ("baggage", "tenant=1"), (TAG, "gray"), ("authorization", "secret")];
        let seen = handed_on(&from, &[("baggage", "own=1")]).await;
        assert_eq!(seen.get(PARENT).unwrap(), PLACE);
        assert_eq!(seen.get(STATE).unwrap(), "a=1");
        assert_eq!(seen.get("baggage").unwrap(), "own=1");
        assert_eq!(seen.get(TAG).unwrap(), "gray");
        assert!(seen.get("authorization").is_none(), "only trace and colour are handed on");
        let seen = handed_on(&[(PARENT, "00-garbage"), (STATE, "a=1"), ("baggage", "tenant=1")], &[]).await;
        assert!(!seen.contains_key(PARENT) && !seen.contains_key(STATE) && seen.contains_key("baggage"));
        let seen = handed_on(&[(TAG, "gray")], &[]).await;
        assert_eq!(seen.get(TAG).unwrap(), "gray", "also without a trace");
    }

    /// Keeps the fields of spans.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, String)>>>);

    impl Visit for Kept {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.lock().unwrap().push((field.name().to_owned(), format!("{value:?}")));
        }
    }

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            span.record(&mut self.clone());
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, values: &Record<'_>) {
            values.record(&mut self.clone());
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    /// What comes below is told, and what the span says of itself.
    fn told(side: Side, from: Option<&'static str>) -> (TraceContext, Vec<(String, String)>) {
        let (below, kept) = (Arc::new(Mutex::new(None)), Kept::default());
        let seen = below.clone();
        let service = answering(move |call: Invocation| {
            *seen.lock().unwrap() = parent(&call.metadata);
            Ok(Reply::new(Payload::One(Frame::encode(&()))))
        });
        let mut call = call(Kind::Unary, false);
        from.into_iter().for_each(|from| drop(call.metadata.insert(PARENT, from.parse().unwrap())));
        with_default(kept.clone(), || {
            futures_util::FutureExt::now_or_never(TraceLayer::new(side).layer(service).call(call)).unwrap().unwrap()
        });
        let fields = kept.0.lock().unwrap().clone();
        let below = below.lock().unwrap().take();
        (below.expect("what comes below is told"), fields)
    }

    #[test]
    fn a_span_is_below_its_parent_and_what_comes_below_is_below_it() {
        let above = TraceContext::parse(PLACE).unwrap();
        for side in [Side::Client, Side::Server] {
            let (own, fields) = told(side, Some(PLACE));
            assert!(own.trace == above.trace && own.span != above.span && own.flags == above.flags);
            for (name, value) in
                [("trace_id", own.trace_id()), ("span_id", own.span_id()), ("parent_id", above.span_id())]
            {
                assert!(fields.contains(&(name.to_owned(), value)), "{name} of {fields:?}");
            }
            let ((one, fields), (other, _)) = (told(side, None), told(side, Some("00-garbage")));
            assert_ne!((one.trace, one.span), (other.trace, other.span), "each is a trace of its own");
            assert!(fields.iter().all(|(name, _)| name != "parent_id"), "{fields:?}");
        }
    }
}
