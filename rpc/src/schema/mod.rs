//! What services and messages look like from outside: descriptors, `.proto` text, and the text as a lock.
//!
//! A derived type describes itself into [`Types`]; from there come the descriptors that reflection and JSON need and the
//! text that is committed. All of it is computed on demand, at start-up or in a test, never in a call.

mod build;
mod descriptor;
mod imported;
mod lock;
mod lock_file;
mod merge;
mod model;
mod print;
mod read;
mod services;
mod types;

pub use self::build::{FieldType, MessageBuilder};
pub use self::lock::{Change, LockProblem};
pub use self::lock_file::{assert_lock, check_lock, write_lock};
pub use self::model::{Label, MessageRef, Scalar, TypeRef};
pub use self::read::ReadError;
#[cfg(feature = "server")]
pub use self::services::pool;
pub use self::services::{Schema, proto_text};
pub use self::types::{SchemaError, Types};

/// A message that knows its own description.
///
/// Implemented by `#[derive(Message)]` and for the well-known types.
pub trait Describe {
    /// Collects the description of this message, and of all it is made of, into `types`.
    fn describe(types: &mut Types) -> MessageRef;
}
