//! The layers of calls, for either side: each is a `tower` layer over a service of invocations.
//!
//! | file | what |
//! |---|---|
//! | `deadline.rs`, `timers.rs` | one deadline over all phases, handed on to nested calls; timers that calls have in turns |
//! | `retry/` | sends a failed call again when that is safe and affordable: `decide.rs` and `budget.rs` decide; gives a try up that takes too long (`trial.rs`) |
//! | `failure/` | what callers get instead of a failure, and what is sent again later |
//! | `ruled.rs` | what operators say of time and retries; the colour of a client |
//! | `trace.rs`, `w3c.rs`, `otel.rs` | a span per call; hands W3C context and colour on; by OpenTelemetry's ids where that is installed |
//! | `metrics.rs`, `names.rs` | counts and times calls; what the metrics are called |
//! | `gates.rs` | what stands around a service only where it is set |
//! | `settle.rs` | tells whoever watches a call, or the stream that answers it, how it ended |
//!
//! In which order they stand, and why, is written in `client/stack.rs` and `server/stack.rs`.

mod deadline;
mod failure;
mod gates;
mod metrics;
pub mod names;
#[cfg(feature = "otel")]
mod otel;
mod retry;
mod ruled;
pub(crate) mod settle;
mod timers;
mod trace;
mod w3c;

pub use deadline::{Deadline, DeadlineLayer};
pub(crate) use failure::{Cares, FailureLayer, Spread};
pub use failure::{Degrade, FailbackOptions, Fallen, FaultPolicy};
pub(crate) use gates::Gates;
pub(crate) use metrics::shouted;
pub use metrics::{Metrics, MetricsLayer};
pub(crate) use retry::Trial;
pub use retry::{Retry, RetryLayer, RetryOptions};
pub(crate) use ruled::{Ruled, RuledLayer};
pub(crate) use settle::settle;
pub use trace::{Trace, TraceLayer};

/// Which side of a call a layer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's.
    Client,
    /// The provider's.
    Server,
}

impl Side {
    /// `client` or `server`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// Says which layers a stack is made of.
pub trait Named {
    /// Adds the names of this layer and of those below it, top to bottom.
    fn names(&self, names: &mut Vec<&'static str>);
}

#[cfg(test)]
pub(crate) mod testing {
    //! Services and calls for tests of layers.

    use crate::call::{BoxFuture, Frame, Invocation, Kind, Method, Payload, Reply, Status};
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::{Context, Poll},
    };
    use tower_service::Service;

    /// A message with a text, a number and a fraction.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Request {
        #[prost(string, tag = "1")]
        pub(crate) sku: String,
        #[prost(uint32, tag = "2")]
        pub(crate) quantity: u32,
        #[prost(double, tag = "3")]
        pub(crate) price: f64,
    }

    /// A call of `a.B/C`.
    pub(crate) fn call(kind: Kind, idempotent: bool) -> Invocation {
        let method = Method::new("a.B", "C", kind).unwrap();
        let method = if idempotent { method.made_idempotent() } else { method };
        Invocation::new(method, Payload::One(Frame::encode(&7u32)))
    }

    /// A service out of a function.
    #[derive(Clone)]
    pub(crate) struct Fn1<F>(Arc<Mutex<F>>);

    /// A service that answers at once.
    pub(crate) fn answering<F>(answer: F) -> Fn1<F>
    where
        F: FnMut(Invocation) -> Result<Reply, Status>,
    {
        Fn1(Arc::new(Mutex::new(answer)))
    }

    impl<F> super::Named for Fn1<F> {
        fn names(&self, names: &mut Vec<&'static str>) {
            names.push("answer");
        }
    }

    impl<F> Service<Invocation> for Fn1<F>
    where
        F: FnMut(Invocation) -> Result<Reply, Status>,
    {
        type Response = Reply;
        type Error = Status;
        type Future = std::future::Ready<Result<Reply, Status>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, call: Invocation) -> Self::Future {
            std::future::ready((self.0.lock().unwrap())(call))
        }
    }

    /// A service that never answers.
    #[derive(Clone, Default)]
    pub(crate) struct Gate(Arc<(AtomicUsize, AtomicUsize)>);

    impl Gate {
        /// Calls that hang.
        pub(crate) fn running(&self) -> usize {
            self.0.0.load(SeqCst)
        }

        /// Calls that were made.
        pub(crate) fn made(&self) -> usize {
            self.0.1.load(SeqCst)
        }
    }

    struct Hangs(Gate);

    impl Drop for Hangs {
        fn drop(&mut self) {
            self.0.0.0.fetch_sub(1, SeqCst);
        }
    }

    /// A service that never answers, and what watches it.
    pub(crate) fn gated() -> (Gate, Gate) {
        let gate = Gate::default();
        (gate.clone(), gate)
    }

    impl Service<Invocation> for Gate {
        type Response = Reply;
        type Error = Status;
        type Future = BoxFuture<'static, Result<Reply, Status>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Invocation) -> Self::Future {
            self.0.0.fetch_add(1, SeqCst);
            self.0.1.fetch_add(1, SeqCst);
            let hangs = Hangs(self.clone());
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(hangs);
                Err(Status::deadline_exceeded())
            })
        }
    }
}
