//! The client stack, top to bottom. It is written here and nowhere else.
//!
//! 1. **Trace** is on top, because a span must hold all tries and waits of a call, and because what it hands on must
//!    be there before a copy is kept for a retry.
//! 2. **Metrics** stands above everything that can fail a call, so that what is counted is what the caller got.
//! 3. **Failure** gives callers something else than a failure, where a program says what. It stands under the metrics,
//!    which count what callers get, and over all that fails calls.
//! 4. **Rules** of operators say how long calls may take and how often they are sent again, and give the client's colour to
//!    those that have none. They stand over the deadline, which takes their word for the method's.
//! 5. **Deadline** bounds all that is below it together: no layer under it has a time of its own to add.
//! 6. **Credentials**, where there are any, are put on once for all tries. Fetching one takes the call's own time, so they
//!    stand under the deadline, and what waits for one takes no place of a limit.
//! 7. **Rate**, where one is set, stands above the limit of calls at once: what waits for its moment takes no place.
//! 8. **Concurrency**, where it is set, counts a call with its retries as one, and so stands above them.
//! 9. **Retry** sends again what failed below. It stands under the deadline, because retries must fit into it, and over
//!    the cluster, because another try should mean another instance.
//! 10. **Cluster** finds an instance: snapshot of the directory → rules → who is well → zone → balancer → endpoint.
//! 11. The **endpoint stack** of that instance is written in `cluster/endpoint.rs`.
//!
//! 3, and 6 to 8, are gates: a client that sets none of them has none, and its calls pay for none (`layer/gates.rs`). Rules
//! have no future of their own: where nothing can be said, they are a look at an `Option`.
//!
//! A user's own layers stand above all of these.

use crate::{
    auth::{Credentials, Shows, ShowsLayer},
    call::Channel,
    cluster::Cluster,
    layer::{
        Deadline, DeadlineLayer, FailureLayer, Gates, Metrics, MetricsLayer, Retry, RetryLayer, RetryOptions, Ruled,
        RuledLayer, Side, Trace, TraceLayer,
    },
    policy::{Concurrency, Guard, LimitLayers, RateLimit},
};
use std::time::Duration;
use tower_layer::Layer;

/// The default stack of a client.
pub(crate) type ClientStack = Trace<Metrics<Gates<Ruled<Bounded>, Channel>>>;

/// The lower half of it.
type Bounded = Deadline<Gates<Tried, Shows<Guard<Guard<Tried, Concurrency>, RateLimit>>>>;
type Tried = Retry<Cluster>;

/// What is made of calls before their time is set.
pub(crate) struct Above {
    pub(crate) trace: TraceLayer,
    pub(crate) failure: FailureLayer,
    pub(crate) ruled: RuledLayer,
}

/// The stack of a client whose server is in the same process: nothing is sent, so nothing is sent again or elsewhere.
pub(crate) fn local<S>(server: S) -> Trace<Metrics<Deadline<S>>> {
    let deadline = DeadlineLayer::client(None).layer(server);
    let metrics = MetricsLayer::new(Side::Client).layer(deadline);
    TraceLayer::new(Side::Client).layer(metrics)
}

/// Builds the stack. `timeout` is that of calls for which nobody says one.
pub(crate) fn stack(
    cluster: Cluster,
    above: Above,
    retry: RetryOptions,
    limits: &LimitLayers,
    timeout: Option<Duration>,
    credentials: Option<Box<dyn Credentials>>,
) -> ClientStack {
    let retry = RetryLayer::new(retry).layer(cluster);
    let set = limits.are_set() || credentials.is_some();
    let gates = Gates::new(retry, set, |retry| {
        let rate = limits.rate.layer(limits.concurrency.layer(retry));
        ShowsLayer::maybe(credentials).layer(rate)
    });
    let deadline = DeadlineLayer::client(timeout).layer(gates);
    let Above { trace, failure, ruled } = above;
    let gates = Gates::new(ruled.layer(deadline), failure.is_set(), |ruled| Channel::of_stack(failure.layer(ruled)));
    let metrics = MetricsLayer::new(Side::Client).layer(gates);
    trace.layer(metrics)
}
