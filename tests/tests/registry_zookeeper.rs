//! The registry on real ZooKeeper: the conformance suite on one server and on an ensemble, and what only it has to stand.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../registry/tests/conformance/asked.rs"]
mod asked;
#[path = "registry_zookeeper/bed.rs"]
mod bed;
#[path = "../../registry/tests/conformance/centers.rs"]
mod centers;
#[path = "../../registry/tests/conformance/child.rs"]
mod child;
#[path = "registry_zookeeper/config.rs"]
mod config;
#[path = "registry_zookeeper/conform.rs"]
mod conform;
#[path = "registry_zookeeper/faults.rs"]
mod faults;
#[path = "registry_zookeeper/garbage.rs"]
mod garbage;
#[path = "registry_zookeeper/levels.rs"]
mod levels;
#[path = "registry_zookeeper/raw.rs"]
mod raw;
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
