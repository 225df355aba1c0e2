//! The server's half of a call: from invocations to handlers.

mod builder;
mod dispatch;
mod inline;
mod routes;
mod shutdown;
mod tally;

pub use builder::{Drained, Running, Server};
pub(crate) use dispatch::{Dispatch, Route};
pub(crate) use routes::takes_one;
pub use routes::{Routes, Serve};
pub(crate) use shutdown::{Phase, Shutdown};
pub(crate) use tally::{Counted, Tally};
