//! The registry on a real Nacos: the conformance suite, and what only it has to stand.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "registry_nacos/bed.rs"]
mod bed;
#[path = "../../registry/tests/conformance/child.rs"]
mod child;
#[path = "registry_nacos/conform.rs"]
mod conform;
#[path = "registry_nacos/faults.rs"]
mod faults;
#[path = "registry_nacos/outage.rs"]
mod outage;
#[path = "registry_nacos/peers.rs"]
mod peers;
#[path = "../../registry/tests/conformance/rows.rs"]
mod rows;
#[path = "../../registry/tests/conformance/support.rs"]
mod support;

use child::be_provider_if_asked;

/// The test that provider processes run as.
const ENTRY: &str = "provider_processes_run_as_this";

#[test]
fn provider_processes_run_as_this() {
    be_provider_if_asked();
}
