//! What is counted of limits.

use metrics::{counter, describe_counter};

/// Requests that a limit did not let through, by resource (empty: the gateway as a whole) and reason.
const LIMITED: &str = "mainstay_gateway_limited_total";
/// How often a breaker opened, by resource.
const OPENED: &str = "mainstay_gateway_breaker_opened_total";

/// Requests that could not be asked about in the store of shared limits, by why.
const STORE: &str = "mainstay_gateway_limit_store_away_total";

/// Says what there is.
pub(crate) fn describe() {
    describe_counter!(LIMITED, "Requests that a limit did not let through, by resource and reason");
    describe_counter!(STORE, "Requests that the store of shared limits gave no answer for, by reason");
    describe_counter!(OPENED, "How often a breaker of a resource opened");
}

pub(super) fn limited(resource: &str, reason: &'static str) {
    counter!(LIMITED, "resource" => resource.to_owned(), "reason" => reason).increment(1);
}

pub(super) fn opened(resource: &str) {
    counter!(OPENED, "resource" => resource.to_owned()).increment(1);
}

pub(super) fn store_away(reason: &'static str) {
    counter!(STORE, "reason" => reason).increment(1);
}
