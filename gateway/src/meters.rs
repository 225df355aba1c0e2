//! What is counted and measured of requests. It costs nothing where the process has no recorder.

use http::StatusCode;
use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// Requests, by route (empty: none took it) and status.
const REQUESTS: &str = "mainstay_gateway_requests_total";
/// How long their answers took to begin, by route.
const SECONDS: &str = "mainstay_gateway_request_duration_seconds";

/// Says what there is.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests by route and status");
    describe_histogram!(SECONDS, "Seconds until the head of an answer, by route");
}

/// Counts a request that was answered.
pub(crate) fn count(route: &str, status: StatusCode, took: Duration) {
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status.as_str().to_owned()).increment(1);
    histogram!(SECONDS, "route" => route.to_owned()).record(took.as_secs_f64());
}
