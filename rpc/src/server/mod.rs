//! The server's half of a call: from invocations to handlers.

#[cfg(feature = "server")]
mod builder;
#[cfg(feature = "server")]
mod builtin;
mod dispatch;
mod echo;
#[cfg(feature = "server")]
mod health;
#[cfg(feature = "server")]
mod inline;
#[cfg(feature = "server")]
mod reflection;
mod routes;
#[cfg(feature = "server")]
mod shutdown;
mod stack;
#[cfg(feature = "server")]
mod stopwatch;
mod tally;

#[cfg(feature = "server")]
pub use builder::{Drained, Running, Server};
#[cfg(feature = "server")]
pub(crate) use builtin::draining;
pub(crate) use dispatch::Dispatch;
#[cfg(feature = "server")]
pub(crate) use dispatch::{Place, Route};
#[cfg(feature = "server")]
pub use health::Health;
#[cfg(feature = "server")]
pub(crate) use inline::Took;
#[cfg(feature = "server")]
pub(crate) use routes::takes_one;
pub use routes::{Routes, Serve};
#[cfg(feature = "server")]
pub(crate) use shutdown::{Phase, Shutdown};
pub(crate) use stack::{Around, stack};
#[cfg(feature = "server")]
pub(crate) use stopwatch::Stopwatch;
pub(crate) use tally::{Counted, Tally};
