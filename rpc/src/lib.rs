//! Typed service traits in, gRPC on the wire.

pub mod call;
pub mod message;
pub mod mock;
pub mod schema;
mod transport;

#[doc(hidden)]
#[path = "door.rs"]
pub mod __private;
