//! What is counted and measured of requests. The recorder of the process is the one that it has when a route is asked first.

use http::StatusCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use std::{fmt, sync::OnceLock, time::Duration};

/// Requests, by route (empty: none took it) and status.
const REQUESTS: &str = "mainstay_gateway_requests_total";
/// How long their answers took to begin, by route.
const SECONDS: &str = "mainstay_gateway_request_duration_seconds";

/// What a route counts most, looked up once.
#[derive(Default)]
pub(crate) struct Meters {
    fine: OnceLock<Counter>,
    seconds: OnceLock<Histogram>,
}

impl Meters {
    /// Counts a request of this route that was answered.
    pub(crate) fn count(&self, route: &str, status: StatusCode, took: Duration) {
        match status {
            StatusCode::OK => self.fine.get_or_init(|| requests(route, status)).increment(1),
            _ => requests(route, status).increment(1),
        }
        self.seconds.get_or_init(|| histogram!(SECONDS, "route" => route.to_owned())).record(took.as_secs_f64());
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

fn requests(route: &str, status: StatusCode) -> Counter {
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status.as_str().to_owned())
}

/// Says what there is.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests by route and status");
    describe_histogram!(SECONDS, "Seconds until the head of an answer, by route");
}

/// Counts a request that no route took.
pub(crate) fn count(route: &str, status: StatusCode, took: Duration) {
    requests(route, status).increment(1);
    histogram!(SECONDS, "route" => route.to_owned()).record(took.as_secs_f64());
}
