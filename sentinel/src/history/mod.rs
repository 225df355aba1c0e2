//! What happened, on disk: an event a line, and a record for each failover, in the state directory.
//!
//! It is for people and their programs; no decision rests on it. So it is written behind the loop, by a task of its own
//! that is handed notices and never waited for, and it is not synced: what a loss of power takes is the last second. A
//! line is one JSON object. The file is bounded: a full one becomes `history.1.jsonl`, and the one before that goes. A last
//! line that is torn is passed over.
//!
//! | file | what it is |
//! |---|---|
//! | `entry` | a line |
//! | `fold` | notices to lines: what belongs to a failover, and how it ended; pure |
//! | `file` | appending with a bound; reading |
//! | `journal` | the task behind the loop |

mod entry;
mod file;
mod fold;
mod journal;

pub use entry::{Entry, Failover, Outcome, Stage, What};
pub use file::{HistoryError, read};
pub use fold::{Fold, Noted};
pub use journal::Journal;
