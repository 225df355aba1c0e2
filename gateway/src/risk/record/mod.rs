//! The record of decisions: a line of JSON for each request that a rule held of, or that was refused. What is personal is hashed
//! with a key, so that lines of one person can be told to be so, and nothing more.
//!
//! | file | what |
//! |---|---|
//! | `line.rs` | a line; pure |
//! | `hash.rs` | what stands there for what is personal; pure |
//! | `rotate.rs` | files that are bounded |
//! | `writer.rs` | the thread that writes: no request waits for it |

mod hash;
mod line;
mod rotate;
mod writer;

pub(crate) use hash::Hash;
pub(crate) use line::{Hit, Line};
pub(crate) use writer::Recorder;
