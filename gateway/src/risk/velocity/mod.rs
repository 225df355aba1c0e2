//! Velocity: how often, how many different, how much, of late, for each of many keys.
//!
//! | file | what |
//! |---|---|
//! | `window.rs` | one key: a sliding window of slices; pure |
//! | `counter.rs` | all keys of one counter, bounded; pure |

mod counter;
mod window;

pub(crate) use counter::{Counter, Kind, Shape, What};
