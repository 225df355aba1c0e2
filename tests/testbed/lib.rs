//! The test bed: real processes, ports, logs, faults on the wire and networks of namespaces, for every test of the
//! tree that needs more than memory.
//!
//! It is blocking and knows no async runtime. A test that pauses its runtime's clock can still hold a proxy that
//! really delays, and a process is waited for in the same way whatever the test is written in. Everything that is
//! started here is ended by the `Drop` of its handle, also when the test panics, and then says what it logged.

pub mod cargo;
pub mod disk;
pub mod dubbo;
pub mod hosts;
pub mod mutation;
pub mod nacos;
pub mod place;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod reap;
pub mod redis;
pub mod scenario;
pub mod scratch;
pub mod seed;
pub mod shared;
pub mod stats;
pub mod tree;
pub mod wait;
pub mod words;
pub mod zookeeper;

pub use disk::SmallDisk;
pub use hosts::Hosts;
pub use nacos::Nacos;
pub use place::Place;
pub use process::Process;
pub use proxy::Proxy;
pub use scenario::Scenario;
pub use scratch::Scratch;
pub use seed::Seed;
pub use shared::Shared;
pub use wait::{eventually, eventually_some};
