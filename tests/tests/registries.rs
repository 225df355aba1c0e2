//! Who calls does not notice what becomes of a registry: the same on real servers of ZooKeeper and of Nacos, and on both at
//! once.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "registries/desk.rs"]
mod desk;
#[path = "registries/migration.rs"]
mod migration;
#[path = "registries/outage.rs"]
mod outage;
#[path = "registries/programs.rs"]
mod programs;
#[path = "registries/server.rs"]
mod server;
#[path = "registries/shop.rs"]
mod shop;
#[path = "../../registry/tests/conformance/support.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;
