//! What a restart must find, on disk: epochs, votes and whom the sentinel knows.
//!
//! A vote is spoken only after it is here, so a write is finished when it would survive a loss of power: a new file is
//! written and synced, put in the old one's place, and the directory synced. The directory is the sentinel's own and
//! locked by it: two processes with one identity could vote twice.
//!
//! | file | what it is |
//! |---|---|
//! | `format` | the text of the state file, with its checksum; pure |
//! | `merge` | which of the state file and `sentinel.conf` holds; pure |
//! | `replace` | putting a new file in an old one's place |

mod format;
mod merge;
mod replace;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use format::Damage;
pub use merge::{Differs, merge};
pub use replace::replace;

use crate::core::durable::Durable;

const STATE: &str = "state";
const LOCK: &str = "lock";
/// A state file is some ten kilobytes; what is so much longer is none.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why the state cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be made or opened.
    #[error("the state directory {path} cannot be used: {source}; make it, or let this user write there")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the state directory {path} is in use by another process; every sentinel needs one of its own")]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("reading {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({damage}); restore it from a copy. Without it this sentinel may vote a second time in an \
         epoch: to go on all the same, move it away while no failover is under way"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The disk is full.
    #[error("writing {path}: the disk is full; free space, nothing is voted meanwhile")]
    Full {
        /// Which.
        path: PathBuf,
    },
    /// The file system takes no writes, or not from this user.
    #[error("writing {path}: {source}; mount it writable, or let this user write there")]
    ReadOnly {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Any other failure to write.
    #[error("writing {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// A failure to write `path`, by its kind.
    pub fn writing(path: &Path, source: io::Error) -> StoreError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                StoreError::ReadOnly { path, source }
            }
            _ => StoreError::Write { path, source },
        }
    }
}

/// The state directory of one sentinel.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    _lock: File,
}

impl Store {
    /// Makes the directory if need be, and locks it until this is dropped.
    ///
    /// # Errors
    /// When it cannot be made or written, or is another process'.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let failed = |source| StoreError::Directory { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Store { file: dir.join(STATE), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The state that was saved last; none when there never was any. Settings are not kept here: those of the result are
    /// the defaults.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn load(&self) -> Result<Option<Durable>, StoreError> {
        let read = |source| StoreError::Read { path: self.file.clone(), source };
        let length = match fs::metadata(&self.file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(read(e)),
            Ok(meta) => meta.len(),
        };
        let damaged = |damage| StoreError::Damaged { path: self.file.clone(), damage };
        if length > LONGEST {
            return Err(damaged(Damage::Length));
        }
        format::parse(&fs::read(&self.file).map_err(read)?).map(Some).map_err(damaged)
    }

    /// Saves the state; when this returns it survives a loss of power. Blocks for the disk, some ten milliseconds.
    ///
    /// # Errors
    /// When it cannot be written: what was saved before is still there.
    pub fn save(&self, state: &Durable) -> Result<(), StoreError> {
        replace(&self.file, format::format(state).as_bytes()).map_err(|e| StoreError::writing(&self.file, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Epoch, RunId};
    use crate::scratch::Dir;

    fn state(epoch: u64) -> Durable {
        Durable { current_epoch: Epoch(epoch), ..Durable::new(RunId::from_number(7)) }
    }

    #[test]
    fn the_last_state_is_found_again() {
        let dir = Dir::new("store");
        {
            let store = Store::open(&dir.0.join("deep")).unwrap();
            assert!(store.load().unwrap().is_none());
            store.save(&state(1)).unwrap();
            store.save(&state(2)).unwrap();
        }
        let store = Store::open(&dir.0.join("deep")).unwrap();
        assert_eq!(store.load().unwrap(), Some(state(2)));
    }

    #[test]
    fn a_half_written_new_file_changes_nothing() {
        let dir = Dir::new("store");
        let store = Store::open(&dir.0).unwrap();
        store.save(&state(1)).unwrap();
        fs::write(dir.0.join("state.new"), "mainstay-sent").unwrap();
        assert_eq!(store.load().unwrap(), Some(state(1)));
        store.save(&state(2)).unwrap();
        assert_eq!(store.load().unwrap(), Some(state(2)));
        assert!(!dir.0.join("state.new").exists());
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = Dir::new("store");
        let store = Store::open(&dir.0).unwrap();
        assert!(matches!(Store::open(&dir.0), Err(StoreError::Locked { .. })));
        drop(store);
        Store::open(&dir.0).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_with_the_path() {
        let dir = Dir::new("store");
        let store = Store::open(&dir.0).unwrap();
        fs::write(dir.0.join("state"), "rubbish").unwrap();
        let damaged = store.load().unwrap_err();
        assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
        assert!(damaged.to_string().contains(dir.0.to_str().unwrap()));
        fs::remove_file(dir.0.join("state")).unwrap();
        fs::create_dir(dir.0.join("state")).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Read { .. })));
        assert!(matches!(store.save(&state(1)), Err(StoreError::Write { .. })));
        fs::write(dir.0.join("file"), "").unwrap();
        assert!(matches!(Store::open(&dir.0.join("file")), Err(StoreError::Directory { .. })));
    }

    #[test]
    fn failures_to_write_have_their_kind() {
        let of = |kind: io::ErrorKind| StoreError::writing(Path::new("/s"), kind.into());
        assert!(matches!(of(io::ErrorKind::StorageFull), StoreError::Full { .. }));
        assert!(matches!(of(io::ErrorKind::ReadOnlyFilesystem), StoreError::ReadOnly { .. }));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), StoreError::ReadOnly { .. }));
        assert!(matches!(of(io::ErrorKind::Interrupted), StoreError::Write { .. }));
    }
}
