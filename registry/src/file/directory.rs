//! Which directory the embedded registry uses, and whether it is safe to use.
//!
//! `$XDG_RUNTIME_DIR/mainstay` where there is one; else `mainstay-<uid>` in the temporary directory, where anybody may
//! have made it before us. So what is there is looked at before it is trusted: a real directory, ours, that nobody
//! else may write; and file locks must work as we need them.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::record::temporary_name;
use crate::{error::RegistryError, instance::fresh};

/// The default directory of the user `uid`, from the environment and the temporary directory.
pub(super) fn default_directory(runtime_dir: Option<OsString>, temporary: &Path, uid: u32) -> PathBuf {
    match runtime_dir.map(PathBuf::from) {
        Some(dir) if dir.is_absolute() && dir.is_dir() => dir.join("mainstay"),
        _ => temporary.join(format!("mainstay-{uid}")),
    }
}

/// Makes the directory with mode 0700 if it is not there, and refuses one that is not safe.
///
/// `shared_parent`: anybody can make directories beside it, so nothing but 0700 is taken.
pub(super) fn prepare(path: &Path, uid: u32, shared_parent: bool) -> Result<(), RegistryError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| refuse(path, format!("cannot be made: {error}")))?;
    let found = fs::symlink_metadata(path).map_err(RegistryError::io("looking at", path))?;
    if found.file_type().is_symlink() {
        return Err(refuse(path, "it is a symbolic link; name the directory itself".to_owned()));
    }
    if !found.is_dir() {
        return Err(refuse(path, "it is no directory".to_owned()));
    }
    if found.uid() != uid {
        let why = format!("it belongs to user {}, and this process runs as user {uid}; choose another", found.uid());
        return Err(refuse(path, why));
    }
    let too_open = if shared_parent { 0o077 } else { 0o022 };
    if found.mode() & too_open != 0 {
        let why = format!("its mode is {:o}, others could interfere; run `chmod 700` on it", found.mode() & 0o777);
        return Err(refuse(path, why));
    }
    Ok(())
}

/// Tries once whether locks here belong to the open file, as flock's do: a second opening must find it locked.
pub(super) fn check_locks(path: &Path) -> Result<(), RegistryError> {
    let probe = path.join(temporary_name(fresh(), fresh()));
    let result = two_openings(&probe);
    let _ = fs::remove_file(&probe);
    match result {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(refuse(path, "file locks do not exclude there (a network file system?); choose another".into()))
        }
        Err(error) => Err(refuse(path, format!("a lock file cannot be made there: {error}"))),
    }
}

fn two_openings(path: &Path) -> io::Result<bool> {
    let owner = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    owner.try_lock().map_err(io::Error::from)?;
    Ok(matches!(File::open(path)?.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn refuse(path: &Path, why: String) -> RegistryError {
    RegistryError::Directory { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn the_runtime_directory_comes_first_if_it_is_there() {
        let temporary = std::env::temp_dir();
        for (runtime, expected) in [
            (Some(temporary.clone().into_os_string()), temporary.join("mainstay")),
            (Some("/no/such/directory".into()), temporary.join("mainstay-7")),
            (Some("relative".into()), temporary.join("mainstay-7")),
            (None, temporary.join("mainstay-7")),
        ] {
            assert_eq!(default_directory(runtime.clone(), &temporary, 7), expected, "{runtime:?}");
        }
    }

    #[test]
    fn what_is_not_safe_is_refused_with_a_reason() {
        let base = scratch();
        let uid = rustix::process::geteuid().as_raw();
        let mine = base.join("mine");
        prepare(&mine, uid, true).unwrap();
        assert_eq!(fs::metadata(&mine).unwrap().mode() & 0o777, 0o700);
        check_locks(&mine).unwrap();
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 0, "the check leaves nothing behind");

        let reason = |path: &Path, uid, shared| prepare(path, uid, shared).unwrap_err().to_string();
        assert!(reason(&mine, uid + 1, true).contains("belongs to user"));
        symlink(&mine, base.join("link")).unwrap();
        assert!(reason(&base.join("link"), uid, true).contains("symbolic link"));
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(reason(&mine, uid, true).contains("mode is 755"));
        prepare(&mine, uid, false).unwrap();
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(reason(&mine, uid, false).contains("chmod 700"));
        fs::write(base.join("file"), "").unwrap();
        assert!(reason(&base.join("file"), uid, true).contains("cannot be made"));
        fs::remove_dir_all(base).unwrap();
    }
}
