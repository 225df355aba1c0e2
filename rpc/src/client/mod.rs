//! The client's half of a call: from typed stubs to invocations.

mod channel;
mod stub;

pub use channel::Channel;
pub use stub::Client;
