//! One of three members does badly, as processes and networks really do, and who calls them hardly notices.
//!
//! Three processes serve, one client with everything at its defaults calls them 500 times a second, and after a while of
//! health something is done to the member that had the most calls. What is measured, for every kind of fault alike: the
//! 99th percentile of the calls that were due from three seconds after the fault on, held against that of the healthy
//! time; and how many of all calls since the fault failed. What must also be seen is the fault itself, at calls or at the
//! wire: else nothing was tested.
//!
//! `cargo suite --long` lets each fault last for a minute, else it is ten seconds.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/members.rs"]
mod members;
#[path = "faults/outage.rs"]
mod outage;
#[path = "../interop/frail/service.rs"]
mod service;
