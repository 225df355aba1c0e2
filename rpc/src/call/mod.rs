//! The one shape of a call: what travels between a typed stub and a socket, on either side.
//!
//! Client, server, gateway, in-process and mock all speak [`Invocation`] → [`Reply`] or [`Status`], so a layer is
//! written once. Types exist at the two ends only; in between there are bytes.

mod beside;
mod channel;
mod context;
mod error;
mod error_field;
mod field;
mod frame;
mod invocation;
mod method;
mod options;
mod reason;
mod status;
mod streaming;

pub use beside::Beside;
pub(crate) use channel::Insight;
pub use channel::{CallService, Channel};
pub use context::{Cx, Peer, detached};
pub(crate) use error::wire;
pub use error::{CallError, ErrorInfo, Outcome, ServiceError};
pub use error_field::ErrorField;
pub(crate) use field::field;
pub(crate) use frame::Empty;
pub use frame::{Frame, FrameStream, Frames, Payload};
pub use invocation::{Invocation, Parts, Reply};
pub use method::{Kind, Method, MethodDef, ServiceDef};
pub use options::{CallOptions, timeout};
pub use reason::{Fault, Reason};
pub use status::Status;
pub(crate) use streaming::decode;
pub use streaming::{Sender, Streaming};
pub use tonic::Code;

/// A boxed future, as layers and dyn-compatible traits return it.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
