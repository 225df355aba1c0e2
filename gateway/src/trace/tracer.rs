//! Makes spans, and hands them to a collector.

use super::{RequestSpan, headers};
use crate::config::TracingConfig;
use http::{HeaderMap, Method};
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, TracerProviderBuilder},
};
use std::time::Duration;

/// How long the collector has to take a batch, and the last of them at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the spans of requests. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

impl Tracer {
    /// Begins; the collector is connected to when there is something for it. Needs the tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be one.
    pub(crate) fn open(config: &TracingConfig) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(&config.otlp).with_timeout(PATIENCE);
        let exporter = exporter.build().map_err(|error| error.to_string())?;
        Ok(Self::over(config, SdkTracerProvider::builder().with_batch_exporter(exporter)))
    }

    fn over(config: &TracingConfig, provider: TracerProviderBuilder) -> Self {
        let ours = Sampler::TraceIdRatioBased(config.random_sampling / 100.0);
        let provider = provider
            .with_sampler(Sampler::ParentBased(Box::new(ours)))
            .with_resource(Resource::builder().with_service_name(config.service_name.clone()).build())
            .build();
        Self { tracer: provider.tracer("mainstay-gateway"), provider }
    }

    /// Begins the span of a request, below the one that its headers name, and has them name it for whoever is asked next; `None` where
    /// it is not kept.
    pub(crate) fn begin(&self, method: &Method, headers: &mut HeaderMap) -> Option<RequestSpan> {
        let builder = self.tracer.span_builder(method.to_string()).with_kind(SpanKind::Server);
        let span = builder.start_with_context(&self.tracer, &headers::parent(headers));
        headers::hand_on(span.span_context(), headers);
        span.is_recording().then(|| RequestSpan(Box::new(span)))
    }

    /// Hands over what is left, and ends. Blocks for [`PATIENCE`] at most.
    pub(crate) fn close(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Line;
    use http::HeaderValue;
    use opentelemetry::trace::{SpanId, Status};
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    fn tracer(random_sampling: f64) -> (Tracer, InMemorySpanExporter) {
        let (otlp, service_name) = ("http://127.0.0.1:4317".to_owned(), "edge".to_owned());
        let (config, kept) = (TracingConfig { otlp, service_name, random_sampling }, InMemorySpanExporter::default());
        (Tracer::over(&config, SdkTracerProvider::builder().with_simple_exporter(kept.clone())), kept)
    }

    fn asked(parent: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), HeaderValue::from_static(parent))])
    }

    #[test]
    fn a_span_is_below_the_one_that_came_and_above_who_is_asked_next() {
        let (tracer, kept) = tracer(0.0);
        let mut headers = asked("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let span = tracer.begin(&Method::GET, &mut headers).expect("who began it keeps it");
        let line =
            Line { method: "GET".into(), route: Some("pages".into()), status: 503, whole: true, ..Line::default() };
        span.end(&line);
        let [span] = &kept.get_finished_spans().unwrap()[..] else { panic!("one span") };
        assert_eq!((&*span.name, &span.status), ("GET pages", &Status::error("503")));
        assert_eq!(span.parent_span_id, SpanId::from_hex("b7ad6b7169203331").unwrap());
        let told = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", span.span_context.span_id());
        assert_eq!(headers["traceparent"], told);
    }

    #[test]
    fn of_those_that_begin_here_a_share_is_kept_and_all_have_a_place() {
        let (tracer, kept) = tracer(25.0);
        let (mut sampled, mut said) = (0, 0);
        for _ in 0..2000 {
            let mut headers = HeaderMap::new();
            sampled += usize::from(tracer.begin(&Method::GET, &mut headers).is_some());
            said += usize::from(headers["traceparent"].to_str().unwrap().ends_with("-01"));
        }
        assert!((400..600).contains(&sampled), "{sampled}");
        // One that is dropped has ended too.
        assert_eq!((said, kept.get_finished_spans().unwrap().len()), (sampled, sampled));
    }

    #[test]
    fn what_its_beginner_does_not_keep_is_not_kept() {
        let (tracer, kept) = tracer(100.0);
        let mut headers = asked("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
        assert!(tracer.begin(&Method::GET, &mut headers).is_none());
        let told = headers["traceparent"].to_str().unwrap();
        assert!(told.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && told.ends_with("-00"), "{told}");
        assert!(!told.contains("b7ad6b7169203331") && kept.get_finished_spans().unwrap().is_empty());
    }
}
