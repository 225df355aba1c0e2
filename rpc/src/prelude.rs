//! What most programs use: `use mainstay::prelude::*;`.

#[cfg(feature = "server")]
pub use crate::app::App;
pub use crate::{
    Error,
    call::{CallError, Code, Cx, ServiceError, Status, Streaming, timeout},
    client::Balance,
};
pub use mainstay_codegen::{Message, ServiceError, service};

/// A result whose error is a [`Status`] when nothing else is said.
pub type Result<T, E = Status> = std::result::Result<T, E>;
