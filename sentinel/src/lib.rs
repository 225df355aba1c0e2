//! A quorum monitor that promotes masters: a drop-in for `redis-sentinel`, with fencing and lossless switchover.
//!
//! | folder | what it is |
//! |---|---|
//! | [`core`] | every decision, as one pure function `step(state, event, now) -> actions`; no IO, no clock, no randomness of its own: the package `mainstay-sentinel-core` |
//! | [`conf`] | `sentinel.conf`: read with all its problems at once, written as redis-sentinel does |
//! | [`resp`] | the Redis protocol, versions 2 and 3, without IO |
//! | [`backend`] | the data servers: a port, and Redis behind it; links to other sentinels |
//! | [`runtime`] | the one loop: events in, actions carried out in order; scripts and `sentinel.conf` behind it |
//! | [`server`] | the port that clients, operators and other sentinels talk to |
//! | [`cli`] | the program: arguments, a sentinel put together from a file, and what operators ask of one |
//! | [`history`] | what happened, on disk |
//! | [`metrics`] | what is counted and measured, as Prometheus text |
//! | [`tls`] | encryption of the port and of links (feature `tls`) |
//! | [`view`] | what the port shows: one immutable picture, built by the runtime |
//! | [`publication`] | what the picture shows, published into a registry |
//! | [`store`] | what a restart must find, on disk |
//! | `wall` | the wall clock, for people |
//! | [`request`] | what the port asks of the runtime's loop |

pub mod backend;
pub mod cli;
pub mod conf;
pub mod history;
pub mod metrics;
pub mod publication;
pub mod request;
pub mod resp;
pub mod runtime;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod store;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod view;
mod wall;

pub use mainstay_sentinel_core as core;
