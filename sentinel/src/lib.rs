//! A quorum monitor that promotes masters: a drop-in for `redis-sentinel`, with fencing and lossless switchover.
//!
//! | folder | what it is |
//! |---|---|
//! | [`core`] | every decision, as one pure function `step(state, event, now) -> actions`; no IO, no clock, no randomness of its own |
//! | `sim` | a world for those decisions: virtual network, servers, faults, invariants (feature `sim`) |
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
//!
//! # Invariants
//!
//! 1. At most one leader per master and epoch.
//! 2. One vote per master and epoch, across restarts: a vote is on disk before it is spoken.
//! 3. No failover without a quorum of sentinels that hold the master for down and the votes of a majority
//!    (an operator's switchover is the exception; it says so in an event).
//! 4. At most one promotion per master and epoch.
//! 5. The configuration epoch that a sentinel publishes never goes back.
//!
//! They rest on no clock. What does (the promise of the write gate) is said in [`core::config::Fencing`].

pub mod backend;
pub mod cli;
pub mod conf;
pub mod core;
pub mod history;
pub mod metrics;
pub mod publication;
pub mod request;
pub mod resp;
pub mod runtime;
#[cfg(test)]
mod scratch;
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod view;
mod wall;
