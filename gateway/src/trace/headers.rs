//! A place in a trace in the headers of a request, by W3C's `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The place that headers name, as what is below it wants it; one that is none when they name none.
pub(super) fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &From(headers))
}

/// Writes a place into headers; what they said before goes.
pub(super) fn hand_on(place: &SpanContext, headers: &mut HeaderMap) {
    let context = Context::new().with_remote_span_context(place.clone());
    TraceContextPropagator::new().inject_context(&context, &mut To(headers));
}

struct From<'a>(&'a HeaderMap);

impl Extractor for From<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct To<'a>(&'a mut HeaderMap);

impl Injector for To<'_> {
    fn set(&mut self, key: &str, value: String) {
        let Ok(name) = key.parse::<HeaderName>() else { return };
        match HeaderValue::try_from(value) {
            Ok(value) if !value.is_empty() => self.0.insert(name, value),
            _ => self.0.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(parent: &'static str, state: &'static str) -> HeaderMap {
        let all = [("traceparent", parent), ("tracestate", state)];
        all.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_place_is_read_and_written() {
        let place = parent(&headers(PARENT, "a=b")).span().span_context().clone();
        assert_eq!(place.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(place.is_remote() && place.is_sampled());
        let mut new = HeaderMap::new();
        hand_on(&place, &mut new);
        assert_eq!(new, headers(PARENT, "a=b"));
    }

    #[test]
    fn what_is_no_place_is_none_and_does_not_go_on() {
        for text in ["", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            assert!(!parent(&headers(text, "a=b")).span().span_context().is_valid(), "{text}");
        }
        let place = parent(&headers(PARENT, "")).span().span_context().clone();
        let mut old = headers("rubbish", "a=b");
        hand_on(&place, &mut old);
        assert_eq!((&old["traceparent"], old.len()), (&HeaderValue::from_static(PARENT), 1));
    }
}
