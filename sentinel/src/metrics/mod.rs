//! What a sentinel counts and measures, as Prometheus text on a port of its own (`sentinel metrics-bind`, off by default).
//!
//! The text is made from the picture that the port shows and from a few counters, at the moment it is asked for: nothing
//! is registered anywhere, so there is no global recorder and two sentinels in one process do not meet. That is also why
//! the `metrics` crate is not used: what is shown is known as a whole.
//!
//! | file | what it is |
//! |---|---|
//! | `tally` | counters by master, from the lines of the history |
//! | `meters` | the counters, and how long the disk and the loop take; shared |
//! | `text` | the exposition format, from the picture and the counters; pure |
//! | `listen` | the port |

mod listen;
mod meters;
mod tally;
mod text;

pub use listen::Admin;
pub use meters::{Meters, Timing};
pub use tally::Tally;
