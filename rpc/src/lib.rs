//! Typed service traits in, gRPC on the wire.

// What the macros write says `::mainstay`; inside this crate too.
extern crate self as mainstay;

pub mod call;
pub mod message;
pub mod mock;
pub mod schema;
mod transport;

#[doc(hidden)]
#[path = "door.rs"]
pub mod __private;

pub use mainstay_codegen::{Message, ServiceError};
