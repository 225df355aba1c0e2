//! Clients and servers over a simulated network, with faults: every scenario with many seeds, each of which repeats exactly;
//! and that the search finds what it looks for.
//!
//! `MAINSTAY_SEEDS` sets how many seeds a scenario runs with, `MAINSTAY_SEED` runs one alone and tells its story.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

mod bed;
mod ledger;
mod planted;
mod runs;
mod scenarios;
