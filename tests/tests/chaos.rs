//! Scenarios: something is done to services, registries, gateways, masters or machines that are at work, as processes and
//! networks really do, and who calls them hardly notices.
//!
//! Each test plays one, named after what it shows, and leaves a record for `cargo suite chaos --report DIR`. Calls are due
//! at their times whatever became of those before, so that a stall shows in each call that it kept waiting. A fault
//! that was met by nothing fails its scenario. `cargo suite --long chaos` lets faults last longer.
//!
//! | file | what is done |
//! |---|---|
//! | `member.rs`, `killed.rs` | one of three members is slow, errs, is swallowed, stopped, flaps, killed |
//! | `wire.rs`, `aside.rs` | the wire to one bends, also under what must not happen twice |
//! | `storm.rs`, `zone.rs` | all members fail at once; those of a zone are killed |
//! | `outage.rs`, `registry.rs` | a registry is away, comes back empty, hangs, loses its leader, its majority, all sessions |
//! | `names.rs` | the name server is gone |
//! | `rolling.rs`, `check.rs`, `migration.rs` | processes are replaced, killed, drained, moved to another registry |
//! | `masters.rs` | masters of Redis and their sentinels are killed, stopped, cut off |
//! | `flood.rs`, `slow.rs` | more is asked for than can be done; streams are asked for and not read |
//! | `disk.rs` | the disk of a registry of files is full |
//! | `gateway.rs` | gateways behind nginx, and behind a floating address |
//! | `combined.rs` | several of these at once |

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "chaos/aside.rs"]
mod aside;
#[path = "chaos/bed/mod.rs"]
mod bed;
#[path = "chaos/check.rs"]
mod check;
#[path = "chaos/combined.rs"]
mod combined;
#[path = "chaos/disk.rs"]
mod disk;
#[path = "chaos/flood.rs"]
mod flood;
#[path = "chaos/gateway.rs"]
mod gateway;
#[path = "chaos/killed.rs"]
mod killed;
#[path = "chaos/masters.rs"]
mod masters;
#[path = "chaos/member.rs"]
mod member;
#[path = "chaos/migration.rs"]
mod migration;
#[path = "chaos/names.rs"]
mod names;
#[path = "chaos/outage.rs"]
mod outage;
#[path = "chaos/registry.rs"]
mod registry;
#[path = "chaos/rolling.rs"]
mod rolling;
#[path = "chaos/slow.rs"]
mod slow;
#[path = "chaos/storm.rs"]
mod storm;
#[path = "../../registry/tests/conformance/support.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;
#[path = "chaos/wire.rs"]
mod wire;
#[path = "chaos/zone.rs"]
mod zone;
