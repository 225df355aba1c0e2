//! The file operations of the embedded registry, each of which leaves the directory consistent wherever it is cut off.
//!
//! Only flock-like locks are used (std's `File::try_lock`): they belong to the open file and end with it. POSIX record
//! locks would end with *any* close of the file in the process. std opens with CLOEXEC, so no child inherits a lock.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

use super::{
    record::{MAX_FILES, MAX_RECORD, RecordFile, temporary_name},
    shelf::Lock,
};
use crate::{error::RegistryError, instance::fresh};

/// Writes a record under a temporary name, locks it, and renames it to `name`: whoever sees it sees it whole and
/// locked. The record stands as long as the answer is open.
pub(super) fn publish(dir: &Path, token: u64, name: &str, bytes: &[u8]) -> Result<File, RegistryError> {
    let temporary = dir.join(temporary_name(token, fresh()));
    let written = write_locked(&temporary, bytes).and_then(|file| {
        fs::rename(&temporary, dir.join(name)).map_err(RegistryError::io("naming the record", dir.join(name)))?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_locked(path: &Path, bytes: &[u8]) -> Result<File, RegistryError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(RegistryError::io("making the record", path))?;
    // Held by a sweeper that took it for litter at worst: this attempt fails, the next one has another name.
    file.try_lock().map_err(|error| RegistryError::io("locking the record", path)(error.into()))?;
    file.write_all(bytes).map_err(RegistryError::io("writing the record", path))?;
    Ok(file)
}

/// Lets a record go: first the name, then the lock, so that whoever finds it free and nameless knows that this was a
/// goodbye. It cannot fail: closing the file ends the lock whatever happens, and a name that is left over is litter.
pub(super) fn retract(dir: &Path, name: &str, file: File) {
    let path = dir.join(name);
    // Only what is at the name is removed; others may have swept it, or the directory may be another one by now.
    if is_at(&file, &path).unwrap_or(false)
        && let Err(error) = fs::remove_file(&path)
    {
        tracing::debug!(path = %path.display(), %error, "a record that was let go is left to be swept");
    }
    drop(file);
}

/// Whether `path` still names the file that is open as `file`.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file for reading, without following a link and without waiting for a pipe's other end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(careful.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// Whether somebody holds the lock of a record. Takes it shared for a moment, so probers do not disturb each other,
/// and only a record that nobody holds can be taken at all.
pub(super) fn probe(file: &File) -> io::Result<Lock> {
    match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            Ok(Lock::Free)
        }
        Err(TryLockError::WouldBlock) => Ok(Lock::Held),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads a record; the error says why it is none.
pub(super) fn read(file: &File, uid: u32) -> Result<RecordFile, String> {
    let found = file.metadata().map_err(|error| error.to_string())?;
    if found.uid() != uid {
        return Err(format!("it belongs to user {}", found.uid()));
    }
    let mut bytes = Vec::new();
    let limit = MAX_RECORD as u64 + 1;
    Read::take(file, limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_RECORD {
        return Err(format!("it is larger than {MAX_RECORD} bytes"));
    }
    RecordFile::decode(&bytes)
}

/// Removes a file that nobody holds: takes its lock for itself alone, and looks whether the name still means that file.
/// Answers whether it removed it; if somebody holds it, it is not litter.
pub(super) fn sweep(path: &Path) -> io::Result<bool> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !is_at(&file, path)? {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true),
    }
}

/// The names in the directory, as far as they are text; at most twice as many as records are taken.
pub(super) fn list(dir: &Path) -> io::Result<BTreeSet<String>> {
    let names = fs::read_dir(dir)?.take(2 * MAX_FILES).filter_map(|entry| match entry {
        Ok(entry) => entry.file_name().into_string().ok().map(Ok),
        Err(error) => Some(Err(error)),
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const NAME: &str = "a.1.0123456789abcdef.1.json";

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_record_is_held_from_its_first_moment_until_it_is_let_go() {
        let dir = scratch();
        let held = publish(&dir, 1, NAME, b"{}").unwrap();
        let reader = open(&dir.join(NAME)).unwrap();
        assert_eq!(probe(&reader).unwrap(), Lock::Held);
        assert!(is_at(&reader, &dir.join(NAME)).unwrap());
        assert!(!sweep(&dir.join(NAME)).unwrap(), "the living are not swept");
        retract(&dir, NAME, held);
        assert_eq!(probe(&reader).unwrap(), Lock::Free);
        assert!(list(&dir).unwrap().is_empty());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_record_without_a_name_still_tells_whether_its_process_lives() {
        let dir = scratch();
        let held = publish(&dir, 1, NAME, b"{}").unwrap();
        let reader = open(&dir.join(NAME)).unwrap();
        fs::remove_file(dir.join(NAME)).unwrap();
        assert_eq!(probe(&reader).unwrap(), Lock::Held);
        drop(held);
        assert_eq!(probe(&reader).unwrap(), Lock::Free);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_dead_are_swept_once_and_a_probe_does_not_hinder_another() {
        let dir = scratch();
        drop(publish(&dir, 1, NAME, b"{}").unwrap());
        let (one, two) = (open(&dir.join(NAME)).unwrap(), open(&dir.join(NAME)).unwrap());
        one.try_lock_shared().unwrap();
        assert_eq!(probe(&two).unwrap(), Lock::Free);
        assert!(!sweep(&dir.join(NAME)).unwrap(), "somebody is just looking at it");
        drop(one);
        assert!(sweep(&dir.join(NAME)).unwrap());
        assert!(!sweep(&dir.join(NAME)).unwrap());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn whatever_lies_there_is_an_error_and_never_a_hang() {
        let dir = scratch();
        let uid = rustix::process::geteuid().as_raw();
        let bad = |name: &str| match open(&dir.join(name)) {
            Ok(file) => read(&file, uid).unwrap_err(),
            Err(error) => error.to_string(),
        };
        fs::write(dir.join("garbage"), [0xff, 0, 1]).unwrap();
        fs::write(dir.join("large"), vec![b' '; MAX_RECORD + 1]).unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        #[cfg(target_os = "linux")]
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("garbage", dir.join("link")).unwrap();
        assert!(bad("garbage").contains("expected value"));
        assert!(bad("large").contains("larger than"));
        assert!(bad("folder").contains("no regular file"));
        #[cfg(target_os = "linux")]
        assert!(bad("pipe").contains("no regular file"));
        assert!(bad("link").contains("symbolic link"));
        fs::remove_dir_all(dir).unwrap();
    }
}
