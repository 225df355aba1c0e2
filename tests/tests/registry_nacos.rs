//! The registry on a real Nacos: the conformance suite, and what only it has to stand.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "registry_nacos/access.rs"]
mod access;
#[path = "../../registry/tests/conformance/asked.rs"]
mod asked;
#[path = "registry_nacos/away.rs"]
mod away;
#[path = "registry_nacos/bed.rs"]
mod bed;
#[path = "../../registry/tests/conformance/centers.rs"]
mod centers;
#[path = "../../registry/tests/conformance/child.rs"]
mod child;
#[path = "registry_nacos/config.rs"]
mod config;
#[path = "registry_nacos/conform.rs"]
mod conform;
#[path = "registry_nacos/faults.rs"]
mod faults;
#[path = "registry_nacos/levels.rs"]
mod levels;
#[path = "registry_nacos/peers.rs"]
mod peers;
#[path = "registry_nacos/raw.rs"]
mod raw;
#[path = "../../registry/tests/conformance/rows.rs"]
mod rows;
#[path = "../../registry/tests/conformance/support.rs"]
mod support;
#[path = "registry_nacos/tls.rs"]
mod tls;

use child::be_provider_if_asked;

/// The test that provider processes run as.
const ENTRY: &str = "provider_processes_run_as_this";

#[test]
fn provider_processes_run_as_this() {
    be_provider_if_asked();
}
