//! Every decision of the sentinel, as one pure step: `Sentinel::step(event, now) -> actions`.
//!
//! The vocabulary comes first: [`event::Event`] is all that can happen, [`action::Action`] all that can be asked for. A
//! driver (the runtime, a simulation, an exhaustive search, a table in a test) feeds events and carries the actions out
//! strictly in order.

pub mod action;
pub mod config;
pub mod durable;
pub mod event;
pub mod ids;
pub mod notice;
