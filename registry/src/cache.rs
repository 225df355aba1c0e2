//! The last good set on disk, so that a consumer that starts while its registry is away still finds its providers. What a
//! config centre said last is kept in the same way.
//!
//! One small file per registry and lookup, in a private directory, replaced by renaming. A cache is a convenience:
//! where it cannot be written, one warning says so and there is none.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    instance::{Instance, fresh},
    set::InstanceSet,
};

/// Largest cache file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Where the last good set of one lookup is kept.
#[derive(Clone, Debug)]
pub struct Cache {
    file: PathBuf,
    /// What the set is of. It is in the file too, so that a clash of names is noticed.
    subject: String,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    subject: String,
    /// Milliseconds since the Unix epoch.
    saved_at: u64,
    value: T,
}

impl Cache {
    /// The cache for `subject` (a registry and what is looked up in it) in the user's cache directory:
    /// `$XDG_CACHE_HOME/mainstay` or `$HOME/.cache/mainstay`. `None`, with a warning, when there is none.
    pub fn of_user(subject: &str) -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let Some(base) = base else {
            tracing::warn!("neither XDG_CACHE_HOME nor HOME is set: the last good set is kept in memory only");
            return None;
        };
        Self::in_directory(&base.join("mainstay"), subject)
    }

    /// The cache for `subject` in `dir`, which is made with mode 0700. `None`, with a warning, if that fails.
    pub fn in_directory(dir: &Path, subject: &str) -> Option<Self> {
        if let Err(error) = make_private(dir) {
            tracing::warn!(dir = %dir.display(), %error, "no cache there: the last good set is kept in memory only");
            return None;
        }
        Some(Self { file: dir.join(file_name(subject)), subject: subject.to_owned() })
    }

    /// The set that was saved last, and how long ago; `None` if there is none that can be read.
    pub fn load(&self) -> Option<(InstanceSet, Duration)> {
        let (instances, age) = self.load_as::<Vec<Instance>>()?;
        Some((instances.into_iter().collect(), age))
    }

    /// [`load`](Self::load) of what was saved with [`save_as`](Self::save_as).
    pub(crate) fn load_as<T: DeserializeOwned>(&self) -> Option<(T, Duration)> {
        if fs::metadata(&self.file).ok()?.len() > MAX_FILE {
            return None;
        }
        let kept: Kept<T> = serde_json::from_slice(&fs::read(&self.file).ok()?).ok()?;
        if kept.subject != self.subject {
            return None;
        }
        let age = Duration::from_millis(now_millis().saturating_sub(kept.saved_at));
        Some((kept.value, age))
    }

    /// Saves a set in the place of the one before.
    ///
    /// # Errors
    /// Whatever the file system says; the one before is still there then.
    pub fn save(&self, set: &InstanceSet) -> io::Result<()> {
        self.save_as(&set.iter().map(Arc::as_ref).collect::<Vec<&Instance>>())
    }

    /// [`save`](Self::save) of anything.
    pub(crate) fn save_as<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let kept = Kept { subject: self.subject.clone(), saved_at: now_millis(), value };
        let temporary = self.file.with_extension(format!("{:016x}.tmp", fresh()));
        let saved = write(&temporary, &kept).and_then(|()| fs::rename(&temporary, &self.file));
        if saved.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        saved
    }
}

/// Writes it piece by piece: a hundred sets of ten thousand are saved at once, and none is in memory as a text.
fn write(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    serde_json::to_writer(&mut writer, value)?;
    writer.flush()
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::symlink_metadata(dir)?);
        if mode & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "others may write to it (mode {:o}): run `chmod 700` on it",
                mode & 0o777
            )));
        }
    }
    Ok(())
}

/// A readable part and a hash (FNV-1a, which is the same in every build) of the subject.
fn file_name(subject: &str) -> String {
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let readable: String =
        subject.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(80).collect();
    format!("{readable}.{hash:016x}.json")
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::InstanceId;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        fs::create_dir(&path).unwrap();
        path
    }

    fn set(id: &str) -> InstanceSet {
        let instance = Instance::new("a", "h", 1).with_id(InstanceId::new(id));
        [instance].into_iter().collect()
    }

    #[test]
    fn what_is_saved_is_loaded_by_the_same_subject_only() {
        let dir = scratch();
        let cache = Cache::in_directory(&dir.join("private"), "dns://stock:80").unwrap();
        assert!(cache.load().is_none());
        cache.save(&set("1")).unwrap();
        cache.save(&set("2")).unwrap();
        let (loaded, age) = cache.load().unwrap();
        assert_eq!(loaded.iter().map(|one| &one.id).collect::<Vec<_>>(), [&InstanceId::new("2")]);
        assert!(age < Duration::from_secs(60));
        let other = Cache { subject: "another".to_owned(), ..cache.clone() };
        assert!(other.load().is_none(), "a file of the same name that is of something else");
        assert_eq!(fs::read_dir(dir.join("private")).unwrap().count(), 1, "no temporary file stays");
        fs::write(&cache.file, "garbage").unwrap();
        assert!(cache.load().is_none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_directory_is_private_or_there_is_no_cache() {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch();
        Cache::in_directory(&dir.join("private"), "x").unwrap();
        assert_eq!(fs::metadata(dir.join("private")).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(dir.join("private"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::in_directory(&dir.join("private"), "x").is_none());
        fs::write(dir.join("file"), "").unwrap();
        assert!(Cache::in_directory(&dir.join("file"), "x").is_none());
        fs::remove_dir_all(dir).unwrap();
    }
}
