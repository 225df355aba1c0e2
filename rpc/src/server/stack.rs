//! The server stack, top to bottom. It is written here and nowhere else.
//!
//! 1. **Trace** is on top: the span holds whatever happens to the call here.
//! 2. **Metrics** counts what the caller is told, refusals included.
//! 3. **Deadline** ends work that nobody waits for any more, before it takes a place of anything below.
//! 4. *(seat: Shed. A server in trouble refuses before it spends on finding out who asks.)*
//! 5. *(seat: Auth. Limits per caller need to know the caller.)*
//! 6. *(seat: RateLimit. The last gate before the handler.)*
//! 7. **Dispatch** finds the handler and runs it.

use super::Dispatch;
use crate::layer::{Deadline, DeadlineLayer, Metrics, MetricsLayer, Side, Trace, TraceLayer};
use tower_layer::Layer;

/// The default stack of a server.
pub(crate) type ServerStack = Trace<Metrics<Deadline<Dispatch>>>;

/// Builds the stack.
pub(crate) fn stack(dispatch: Dispatch) -> ServerStack {
    let deadline = DeadlineLayer::server().layer(dispatch);
    let metrics = MetricsLayer::new(Side::Server).layer(deadline);
    TraceLayer::new(Side::Server).layer(metrics)
}
