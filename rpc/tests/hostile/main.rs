//! Peers that are broken, slow, gone or hostile, against both ends over raw HTTP/2: each gets a clear status, none costs
//! more than its share, and nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod bed;
mod cuts;
mod deadlines;
mod deaf;
mod fairness;
mod floods;
mod handshakes;
mod keepalive;
mod panics;
mod peer;
mod raw;
mod requests;
mod resets;
mod servers;
