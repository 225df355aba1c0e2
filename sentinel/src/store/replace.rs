//! Putting a new file in an old one's place so that, whenever the power goes, one of both is there whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where a replacement is. Each begins only when the one before has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    Sync,
    Rename,
    SyncDirectory,
}

/// Replaces `path`, or makes it. When this returns the new file survives a loss of power; permissions are those of the
/// old one.
///
/// # Errors
/// What the file system says. The old file is there, or (if only the last step failed) the new one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_until(path, content, |_| Ok(()))
}

/// The same; `before` is asked before each step, so that tests can stop there.
fn replace_until(path: &Path, content: &[u8], mut before: impl FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    let new = beside(path);
    before(Step::Create)?;
    let mut file = File::create(&new)?;
    let written = (|| {
        before(Step::Write)?;
        file.write_all(content)?;
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        before(Step::Sync)?;
        file.sync_all()?;
        before(Step::Rename)?;
        fs::rename(&new, path)
    })();
    if let Err(e) = written {
        // The next try makes it anew; on a full disk it would be in the way.
        let _ = fs::remove_file(&new);
        return Err(e);
    }
    before(Step::SyncDirectory)?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// The new file's name until it takes the place: in the same directory, since only there a rename is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scratch::Dir;

    const STEPS: [Step; 5] = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory];

    #[test]
    fn a_failure_at_each_step_leaves_one_of_both_whole() {
        let dir = Dir::new("replace-fail");
        let path = dir.0.join("f");
        for (n, failing) in STEPS.into_iter().enumerate() {
            fs::write(&path, "old").unwrap();
            let full = || Err(io::Error::from(io::ErrorKind::StorageFull));
            let result = replace_until(&path, b"new", |step| if step == failing { full() } else { Ok(()) });
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull, "{failing:?}");
            let expected = if n < 4 { "old" } else { "new" };
            assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{failing:?}");
            assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "{failing:?}: something is left over");
        }
    }

    #[test]
    fn a_crash_at_each_step_leaves_one_of_both_whole() {
        let dir = Dir::new("replace-crash");
        let path = dir.0.join("f");
        for (n, last) in STEPS.into_iter().enumerate() {
            fs::write(&path, "old").unwrap();
            // A panic unwinds past the clean-up, as a crash would.
            let crash = std::panic::catch_unwind(|| {
                replace_until(&path, b"new", |step| if step == last { std::panic::panic_any(()) } else { Ok(()) })
            });
            assert!(crash.is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), if n < 4 { "old" } else { "new" }, "{last:?}");
            replace(&path, b"newer").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
            assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "{last:?}: something is left over");
        }
    }

    #[test]
    fn permissions_stay() {
        let dir = Dir::new("replace-mode");
        let path = dir.0.join("f");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
