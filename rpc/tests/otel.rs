//! Spans of OpenTelemetry across a call: one trace, the server's span below the client's, over the wire.

use mainstay::{
    prelude::*,
    server::Server,
    transport::{Accept, TcpAccept},
};
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use std::time::Duration;
use tracing_subscriber::prelude::*;

#[mainstay::service(package = "test.otel.v1")]
trait Desk {
    async fn outer(&self) -> Result<String>;
    /// The `traceparent` that the handler sees.
    async fn inner(&self, cx: &Cx) -> Result<String>;
}

/// Calls itself.
struct Clerk(DeskClient);

impl Desk for Clerk {
    async fn outer(&self) -> Result<String> {
        self.0.inner().await.map_err(CallError::into_status)
    }

    async fn inner(&self, cx: &Cx) -> Result<String> {
        let parent = cx.metadata().get("traceparent").and_then(|value| value.to_str().ok());
        Ok(parent.unwrap_or_default().to_owned())
    }
}

fn span<'a>(all: &'a [SpanData], name: &str, method: &str) -> &'a SpanData {
    let is = |span: &&SpanData| {
        let says =
            |key: &str| span.attributes.iter().find(|one| one.key.as_str() == key).map(|one| one.value.to_string());
        span.name == name && says("rpc.method").as_deref() == Some(method)
    };
    all.iter().find(is).unwrap_or_else(|| panic!("no {name} {method} in {all:?}"))
}

#[tokio::test]
async fn one_trace_goes_through_all_calls() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // All runs on this thread.
    let _here = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let accept = TcpAccept::bind("127.0.0.1:0").await.unwrap();
    let address = accept.local_address().unwrap().to_string();
    let client = DeskClient::connect("").address(address).build().unwrap();
    let running = Server::new().serve(DeskServer::new(Clerk(client.clone()))).start(accept);
    let seen = client.outer().await.unwrap();
    running.drain(Duration::from_secs(5)).await;

    let all = exporter.get_finished_spans().unwrap();
    let chain = [("call", "Outer"), ("serve", "Outer"), ("call", "Inner"), ("serve", "Inner")];
    let mut above = SpanId::INVALID;
    for (name, method) in chain {
        let one = span(&all, name, method);
        assert_eq!(one.parent_span_id, above, "{name} {method}");
        assert_eq!(one.span_context.trace_id(), span(&all, "call", "Outer").span_context.trace_id());
        above = one.span_context.span_id();
    }
    assert!(seen.contains(&above.to_string()), "the handler's context is that of its span: {seen}");
}
