//! The place of a span in a trace, where an OpenTelemetry layer keeps it: ids and sampling are then its affair.

use super::w3c::TraceContext;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use std::str::FromStr;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Puts a span below `parent`, and answers its place; `None` where no OpenTelemetry layer sees it.
pub(super) fn place(span: &Span, parent: Option<TraceContext>, state: Option<&str>) -> Option<TraceContext> {
    if let Some(parent) = parent {
        let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
        let (trace, above) = (TraceId::from(parent.trace), SpanId::from(parent.span));
        let above = SpanContext::new(trace, above, TraceFlags::new(parent.flags), true, state);
        // No layer to tell is no failure: then the ids are ours.
        let _ = span.set_parent(Context::new().with_remote_span_context(above));
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then(|| TraceContext {
        trace: u128::from_be_bytes(own.trace_id().to_bytes()),
        span: u64::from_be_bytes(own.span_id().to_bytes()),
        flags: own.trace_flags().to_u8(),
    })
}
