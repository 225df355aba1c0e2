//! The server's half of a call: from invocations to handlers.

#[cfg(feature = "server")]
mod builder;
#[cfg(feature = "server")]
mod builtin;
mod dispatch;
#[cfg(feature = "server")]
mod health;
mod inline;
#[cfg(feature = "server")]
mod reflection;
mod routes;
mod shutdown;
mod stack;
#[cfg(feature = "server")]
mod stopwatch;
mod tally;

#[cfg(feature = "server")]
pub use builder::{Drained, Running, Server};
pub(crate) use dispatch::{Dispatch, Place, Route};
#[cfg(feature = "server")]
pub use health::Health;
#[cfg(feature = "server")]
pub(crate) use inline::Took;
pub(crate) use routes::takes_one;
pub use routes::{Routes, Serve};
pub(crate) use shutdown::{Phase, Shutdown};
pub(crate) use stack::stack;
#[cfg(feature = "server")]
pub(crate) use stopwatch::Stopwatch;
pub(crate) use tally::{Counted, Tally};
