//! Lists of who is refused, let pass and looked at: by address, range, account, device and key, for ever or for a time.
//!
//! Some entries the file says, others operators write at run time. Those of the file are what the file says now; those of
//! operators outlive every reload, and a restart where a place on disk is configured.
//!
//! | file | what |
//! |---|---|
//! | `subject.rs` | whom an entry means; pure |
//! | `lists.rs` | the lists, and who is on them; pure |
//! | `paper.rs` | entries as JSON; pure |
//! | `store.rs` | those of the file and those of operators, read without a lock; the disk |

mod lists;
mod paper;
mod store;
mod subject;

pub(crate) use lists::Name;
pub(crate) use store::{Change, ListError, Store};
pub(crate) use subject::{LONGEST, Subject, Who};
