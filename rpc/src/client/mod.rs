//! The client's half of a call: from typed stubs to invocations.

mod balance;
mod connect;
mod discovery;
mod instances;
mod known;
mod showing;
mod stack;
mod stub;

pub use crate::cluster::{Avoided, Connectivity, EndpointState};
pub use crate::layer::{Degrade, FailbackOptions, Fallen, FaultPolicy};
pub use balance::Balance;
pub use connect::{ConnectBuilder, connect, connect_channel};
pub use discovery::Discovery;
pub(crate) use stack::{Above, local, stack};
pub use stub::{Client, from_channel, in_process};
