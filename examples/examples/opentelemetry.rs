//! Traces of OpenTelemetry: one trace through a call and the call that it makes. Wants the feature `otel`.
//!
//! The exporter here prints. In earnest it is `opentelemetry-otlp`'s, with a batch processor, and nothing else changes.

use mainstay::{call::Cx, prelude::*};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing_subscriber::prelude::*;

/// Greets, after having asked itself for the name.
#[mainstay::service(package = "traced.v1")]
trait Greeter {
    async fn hello(&self, cx: &Cx) -> Result<String>;
    async fn name(&self) -> Result<String>;
}

struct Hi(GreeterClient);

impl Greeter for Hi {
    async fn hello(&self, cx: &Cx) -> Result<String> {
        let trace = cx.metadata().get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or("no trace");
        let name = self.0.name().await.map_err(CallError::into_status)?;
        Ok(format!("hello {name}, in {trace}"))
    }

    async fn name(&self) -> Result<String> {
        Ok("world".to_owned())
    }
}

/// Prints each span that ended.
#[derive(Debug)]
struct Printer;

impl SpanExporter for Printer {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        for span in spans {
            let (own, above) = (span.span_context, span.parent_span_id);
            println!("{} {} below {above}: {}", own.trace_id(), own.span_id(), span.name);
        }
        Ok(())
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = SdkTracerProvider::builder().with_simple_exporter(Printer).build();
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    tracing_subscriber::registry().with(traces).init();

    let mut app = App::new("greeter").registry("memory://");
    let client = GreeterClient::connect("greeter").registry(app.hub()?).build()?;
    let running = app.serve(GreeterServer::new(Hi(client.clone()))).start().await?;
    let hello = client.hello().await?;
    println!("{hello}");
    assert!(hello.starts_with("hello world, in 00-"));

    running.drain().await;
    Ok(provider.shutdown()?)
}
