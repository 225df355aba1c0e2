//! The access log: a line for each call that ended, as JSON or as text. Off unless it is asked for.
//!
//! A line says what was called, how it ended and how long it took; who called only by the application's own name. Messages,
//! metadata and addresses are not in it: they may be personal. It is written by a thread of its own: a disk that is slow
//! holds no call up, and lines that it does not take in time are counted and left out.
//!
//! | file | what |
//! |---|---|
//! | `line.rs` | a line, and how it is written |
//! | `writer.rs` | [`AccessLog`]: the thread |
//! | `layer.rs` | the layer that sees calls end |

mod layer;
mod line;
mod writer;

pub use layer::{Logs, LogsLayer};
#[cfg(feature = "server")]
pub(crate) use line::Form;
pub use line::rfc3339;
pub use writer::AccessLog;
