//! The client's half of a call: from typed stubs to invocations.

mod stub;

pub use stub::{Client, from_channel, in_process};
