//! What the metrics are called, and their labels. The names are part of the interface: dashboards hold them.

/// Calls that ended, on the caller's side. Labels: [`SERVICE`], [`METHOD`], [`CODE`].
pub const CLIENT_CALLS: &str = "mainstay_client_calls_total";
/// How long they took, to the last frame, in seconds. Labels: [`SERVICE`], [`METHOD`].
pub const CLIENT_DURATION: &str = "mainstay_client_call_duration_seconds";
/// Calls that ended, on the provider's side. Labels: [`SERVICE`], [`METHOD`], [`CODE`].
pub const SERVER_CALLS: &str = "mainstay_server_calls_total";
/// How long they took, to the last frame, in seconds. Labels: [`SERVICE`], [`METHOD`].
pub const SERVER_DURATION: &str = "mainstay_server_call_duration_seconds";
/// Calls that were sent again. Labels: [`REASON`], why the try before failed.
pub const RETRIES: &str = "mainstay_client_retries_total";
/// Calls that were not sent again although they might have been. Labels: [`REASON`], what stood against it.
pub const RETRIES_REFUSED: &str = "mainstay_client_retries_refused_total";
/// Calls that a policy did not let in. Labels: [`POLICY`], [`REASON`].
pub const REFUSED: &str = "mainstay_calls_refused_total";
/// Breakers of instances that turned. Labels: [`REASON`], `OPENED` or `CLOSED`.
pub const BREAKER_TURNS: &str = "mainstay_client_breaker_turns_total";
/// Instances that were left out for a while. Labels: [`REASON`], by which sign.
pub const EJECTIONS: &str = "mainstay_client_ejections_total";
/// Calls whose caller was spared a failure, or the call. Labels: [`POLICY`], `degrade`, `failsafe` or `failback`; [`REASON`], why the
/// call failed, or `FORCED`.
pub const DEGRADED: &str = "mainstay_client_degraded_total";
/// Calls that were to be sent again later. Labels: [`OUTCOME`], `SENT`, `GIVEN_UP`, or `FULL` for one there was no place for.
pub const FAILBACK: &str = "mainstay_client_failback_total";
/// Faults that were injected on purpose. Labels: [`POLICY`], `delay`, `abort` or `reset`.
pub const FAULTS_INJECTED: &str = "mainstay_faults_injected_total";

/// Lines of the access log that nobody took in time.
pub const ACCESS_LOST: &str = "mainstay_access_lines_lost_total";

/// Every metric, with what it means: for exporters.
pub const ALL: &[(&str, &str)] = &[
    (CLIENT_CALLS, "Calls that ended, on the caller's side."),
    (CLIENT_DURATION, "How long calls took, to the last frame, on the caller's side."),
    (SERVER_CALLS, "Calls that ended, on the provider's side."),
    (SERVER_DURATION, "How long calls took, to the last frame, on the provider's side."),
    (RETRIES, "Calls that were sent again, by why the try before failed."),
    (RETRIES_REFUSED, "Calls that were not sent again although they might have been, by what stood against it."),
    (REFUSED, "Calls that a policy did not let in."),
    (BREAKER_TURNS, "Breakers of instances that opened or closed."),
    (EJECTIONS, "Instances that were left out for a while, by which sign."),
    (FAULTS_INJECTED, "Faults that were injected on purpose, by which."),
    (ACCESS_LOST, "Lines of the access log that nobody took in time."),
];

/// The full name of the service, as `shop.stock.v1.StockApi`.
pub const SERVICE: &str = "service";
/// The name of the method on the wire, as `Level`.
pub const METHOD: &str = "method";
/// gRPC's code, as `NOT_FOUND`; `CANCELLED` for a call that its caller dropped.
pub const CODE: &str = "code";
/// A stable reason code.
pub const REASON: &str = "reason";
/// What became of it.
pub const OUTCOME: &str = "outcome";
/// The name of a policy, as `concurrency`.
pub const POLICY: &str = "policy";
