//! Typed service traits in, gRPC on the wire.

pub mod message;
pub mod schema;

#[doc(hidden)]
#[path = "door.rs"]
pub mod __private;
