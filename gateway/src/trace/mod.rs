//! Spans of requests for a collector of OpenTelemetry, by OTLP.
//!
//! A request has one span, below the one that its `traceparent` names, and whoever is asked next is told to be below it. Who began
//! a trace has decided whether it is kept; of those that begin here a share is. Spans go out in batches from a thread of their own,
//! and nobody waits for it: when the collector is slow or away, spans are dropped, which the log says, and requests go on.
//!
//! | file | what |
//! |---|---|
//! | `headers.rs` | a place in a trace, read from headers and written there |
//! | `span.rs` | the span of a request, and what it says |
//! | `tracer.rs` | makes spans, and hands them to the collector |
//! | `without.rs` | the same in a build without the feature `otlp`: nothing |

#[cfg(feature = "otlp")]
mod headers;
#[cfg(feature = "otlp")]
mod span;
#[cfg(feature = "otlp")]
mod tracer;
#[cfg(not(feature = "otlp"))]
mod without;

#[cfg(feature = "otlp")]
pub(crate) use span::RequestSpan;
#[cfg(feature = "otlp")]
pub(crate) use tracer::Tracer;
#[cfg(not(feature = "otlp"))]
pub(crate) use without::{RequestSpan, Tracer};
