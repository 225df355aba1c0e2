//! The server stack, top to bottom. It is written here and nowhere else.
//!
//! 1. **Trace** is on top: the span holds whatever happens to the call here.
//! 2. **Metrics** counts what the caller is told, refusals included.
//! 3. **Deadline** ends work that nobody waits for any more, before it takes a place of anything below.
//! 4. **Concurrency**, where it is set, holds calls back, and sheds them when its line does not empty: a server in trouble
//!    refuses before it spends on finding out who asks.
//! 5. *(seat: Auth. Limits per caller need to know the caller.)*
//! 6. **Rate**, where one is set, is the last gate before the handler.
//! 7. **Dispatch** finds the handler and runs it.
//!
//! Limits spare what is the server's own, health and reflection: a server that is full must still say that it lives.

use super::Dispatch;
use crate::{
    call::Invocation,
    layer::{Deadline, DeadlineLayer, Metrics, MetricsLayer, Side, Trace, TraceLayer},
    policy::{Concurrency, Guard, Limits, RateLimit},
};
use tower_layer::Layer;

/// The default stack of a server.
pub(crate) type ServerStack = Trace<Metrics<Deadline<Guard<Guard<Dispatch, RateLimit>, Concurrency>>>>;

/// Builds the stack.
pub(crate) fn stack(dispatch: Dispatch, limits: &Limits) -> ServerStack {
    let rate = limits.rate().sparing(of_the_server).layer(dispatch);
    let concurrency = limits.concurrency().sparing(of_the_server).layer(rate);
    let deadline = DeadlineLayer::server().layer(concurrency);
    let metrics = MetricsLayer::new(Side::Server).layer(deadline);
    TraceLayer::new(Side::Server).layer(metrics)
}

/// A call of health or reflection.
fn of_the_server(call: &Invocation) -> bool {
    call.method.service().starts_with("grpc.")
}
