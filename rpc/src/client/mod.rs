//! The client's half of a call: from typed stubs to invocations.

mod balance;
mod connect;
mod stack;
mod stub;

pub use crate::cluster::{Avoided, Connectivity, EndpointState};
pub use balance::Balance;
pub use connect::{ConnectBuilder, Discovery, connect};
pub(crate) use stack::{local, stack};
pub use stub::{Client, from_channel, in_process};
