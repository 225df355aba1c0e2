//! The client stack, top to bottom. It is written here and nowhere else.
//!
//! 1. **Trace** is on top, because a span must hold all tries and waits of a call, and because what it hands on must
//!    be there before a copy is kept for a retry.
//! 2. **Metrics** stands above everything that can fail a call, so that what is counted is what the caller got.
//! 3. **Deadline** bounds all that is below it together: no layer under it has a time of its own to add.
//! 4. **Rate**, where one is set, stands above the limit of calls at once: what waits for its moment takes no place.
//! 5. **Concurrency**, where it is set, counts a call with its retries as one, and so stands above them.
//! 6. **Retry** sends again what failed below. It stands under the deadline, because retries must fit into it, and over
//!    the cluster, because another try should mean another instance.
//! 7. **Cluster** finds an instance: snapshot of the directory → *(seat: routers)* → who is well → zone → balancer →
//!    endpoint.
//! 8. The **endpoint stack** of that instance is written in `cluster/endpoint.rs`.
//!
//! A user's own layers stand above all of these.

use crate::{
    cluster::Cluster,
    layer::{Deadline, DeadlineLayer, Metrics, MetricsLayer, Retry, RetryLayer, RetryOptions, Side, Trace, TraceLayer},
    policy::{Concurrency, Guard, Limits, RateLimit},
};
use std::time::Duration;
use tower_layer::Layer;

/// The default stack of a client.
pub(crate) type ClientStack = Trace<Metrics<Deadline<Guard<Guard<Retry<Cluster>, Concurrency>, RateLimit>>>>;

/// The stack of a client whose server is in the same process: nothing is sent, so nothing is sent again or elsewhere.
pub(crate) fn local<S>(server: S) -> Trace<Metrics<Deadline<S>>> {
    let deadline = DeadlineLayer::client(None).layer(server);
    let metrics = MetricsLayer::new(Side::Client).layer(deadline);
    TraceLayer::new(Side::Client).layer(metrics)
}

/// Builds the stack. `timeout` is that of calls for which nobody says one.
pub(crate) fn stack(cluster: Cluster, retry: RetryOptions, limits: &Limits, timeout: Option<Duration>) -> ClientStack {
    let retry = RetryLayer::new(retry).layer(cluster);
    let concurrency = limits.concurrency().layer(retry);
    let rate = limits.rate().layer(concurrency);
    let deadline = DeadlineLayer::client(timeout).layer(rate);
    let metrics = MetricsLayer::new(Side::Client).layer(deadline);
    TraceLayer::new(Side::Client).layer(metrics)
}
