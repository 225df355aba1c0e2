//! The config centre of `file://`: `config/{group}/{name}` in the registry's directory, each file a text as it is.
//!
//! So a rule can be read with `cat` and put there with `cp` and `mv`. Our own writers replace files whole, by renaming, and
//! hold a lock meanwhile, so that comparing and replacing is one step among them; who writes into the file by hand does not
//! ask for the lock, and is seen when the file is closed. The version is a hash of the content.
//!
//! A directory that is gone as a whole is a centre that is away, and not one that is empty.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread,
    time::Duration,
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, sync::watch as signal, task::JoinHandle, time::sleep};

use super::{
    FileRegistry, directory, disk,
    record::{is_temporary, temporary_name},
    watch::Watch,
};
use crate::{
    config::{
        Answer, Config, ConfigCenter, ConfigError, ConfigKey, ConfigSource, ConfigVersion, ConfigWatch, Expected,
        MAX_CONFIG, check_content, follow, readable,
    },
    error::RegistryError,
    instance::fresh,
    protect::Protection,
};

/// The folder in the registry's directory.
pub(super) const FOLDER: &str = "config";
/// How often a key is read besides what its group's task says.
const INTERVAL: Duration = Duration::from_secs(60);
/// How often a writer asks for the lock, and how many times: 5 s in all.
const LOCK_EVERY: Duration = Duration::from_millis(2);
const LOCK_TRIES: u32 = 2500;

/// The config centre beside the embedded registry; clones share their watches.
#[derive(Clone, Debug)]
pub struct FileConfig {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    root: PathBuf,
    uid: u32,
    /// The directory was made, or found, once: from then on only writers make it.
    made: OnceLock<()>,
    groups: Mutex<BTreeMap<String, Weak<Group>>>,
}

/// The task that watches the folder of one group, and what it says: that something happened there.
#[derive(Debug)]
struct Group {
    stirred: signal::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FileConfig {
    /// The centre in the directory of `registry`.
    pub fn beside(registry: &FileRegistry) -> Self {
        let (root, uid) = (registry.directory().join(FOLDER), registry.core.shared.uid);
        Self { core: Arc::new(Core { root, uid, made: OnceLock::new(), groups: Mutex::default() }) }
    }

    /// Runs what may wait for another process or the disk, where that holds up nobody; answers `done` after it.
    fn replace<'a, T: Send + 'a>(
        &self,
        key: &ConfigKey,
        content: Option<String>,
        expected: Expected,
        done: T,
    ) -> Answer<'a, T> {
        let (core, key) = (self.core.clone(), key.clone());
        Box::pin(async move {
            let attempted = format!("writing {key}");
            let unavailable = |why: &str| ConfigError::Unavailable { attempted, why: why.to_owned() };
            let Ok(runtime) = Handle::try_current() else {
                return Err(unavailable("it was called outside of a tokio runtime"));
            };
            let replaced = runtime.spawn_blocking(move || core.replace(&key, content.as_deref(), &expected)).await;
            replaced.unwrap_or_else(|_| Err(unavailable("the runtime is gone"))).map(|()| done)
        })
    }
}

impl ConfigCenter for FileConfig {
    fn get<'a>(&'a self, key: &'a ConfigKey) -> Answer<'a, Option<Config>> {
        Box::pin(async move { self.core.made().and_then(|()| self.core.load(key)) })
    }

    fn watch(&self, key: &ConfigKey) -> ConfigWatch {
        let group = self.core.group(key.group());
        let stirred = group.as_ref().map(|group| group.stirred.clone());
        let source = FileSource { core: self.core.clone(), key: key.clone(), stirred, _group: group };
        let what = format!("{} in {}", key, self.core.root.display());
        // The directory is the disk: there is nothing to keep beside it.
        follow(source, key, what, Protection::default(), None)
    }

    fn publish<'a>(&'a self, key: &'a ConfigKey, content: &'a str, expected: Expected) -> Answer<'a, ConfigVersion> {
        if let Err(error) = check_content(key, content) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let version = version_of(content.as_bytes());
        self.replace(key, Some(content.to_owned()), expected, version)
    }

    fn delete<'a>(&'a self, key: &'a ConfigKey, expected: Expected) -> Answer<'a, ()> {
        self.replace(key, None, expected, ())
    }

    fn describe(&self) -> String {
        format!("{} (this machine only)", self.core.root.display())
    }
}

impl Core {
    fn folder(&self, group: &str) -> PathBuf {
        self.root.join(group)
    }

    /// Makes the directory, the first time only.
    fn made(&self) -> Result<(), ConfigError> {
        if self.made.get().is_none() {
            self.prepare(&self.root)?;
            let _ = self.made.set(());
        }
        Ok(())
    }

    /// Makes a folder that is not there, but never the directory above: without that the centre is away, and not empty.
    fn make(&self, folder: &Path) -> Result<(), ConfigError> {
        if self.root.is_dir() {
            return self.prepare(folder);
        }
        let why = "it is gone".to_owned();
        Err(ConfigError::Unavailable { attempted: format!("looking into {}", self.root.display()), why })
    }

    fn prepare(&self, folder: &Path) -> Result<(), ConfigError> {
        directory::prepare(folder, self.uid, false).map_err(unavailable("making the directory"))
    }

    /// The task of a group, shared by its watches. None without a runtime.
    fn group(self: &Arc<Self>, name: &str) -> Option<Arc<Group>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|_, group| group.strong_count() > 0);
        let living = groups.get(name).and_then(Weak::upgrade).filter(|group| !group.task.is_finished());
        if living.is_some() {
            return living;
        }
        let runtime = Handle::try_current().ok()?;
        let (stir, stirred) = signal::channel(0);
        let task = runtime.spawn(self.clone().listen(name.to_owned(), stir));
        let group = Arc::new(Group { stirred, task });
        groups.insert(name.to_owned(), Arc::downgrade(&group));
        Some(group)
    }

    /// Says when something happened in the folder of a group, and every now and then, since hints get lost.
    async fn listen(self: Arc<Self>, group: String, stir: signal::Sender<u64>) {
        let folder = self.folder(&group);
        if let Err(error) = self.made().and_then(|()| self.make(&folder)) {
            tracing::warn!(%error, "the folder of a config group cannot be watched: it is looked at instead");
        }
        let mut watch = Watch::new(&folder);
        loop {
            // Read once after the watch stands, then whenever something happens.
            stir.send_modify(|count| *count += 1);
            let interval = watch.interval();
            tokio::select! {
                _ = watch.hints() => {}
                () = sleep(interval) => {}
            }
            if self.make(&folder).is_ok() {
                watch.follow(&folder);
            }
        }
    }

    /// Reads what is kept.
    fn load(&self, key: &ConfigKey) -> Result<Option<Config>, ConfigError> {
        let path = self.folder(key.group()).join(key.name());
        let failed = |why: String| ConfigError::Unavailable { attempted: format!("reading {}", path.display()), why };
        let file = match disk::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.root.is_dir() {
                    Ok(None)
                } else {
                    Err(failed(format!("the directory {} is gone", self.root.display())))
                };
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        let unreadable = |why: String| ConfigError::Unreadable { key: key.clone(), why };
        let owner = file.metadata().map_err(|error| failed(error.to_string()))?.uid();
        if owner != self.uid {
            return Err(unreadable(format!("it belongs to user {owner}")));
        }
        let mut bytes = Vec::new();
        Read::take(file, MAX_CONFIG as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        if bytes.is_empty() {
            return Err(unreadable("it is empty, as a file that is being written; delete it to be without".to_owned()));
        }
        let version = version_of(&bytes);
        readable(key, bytes).map(|content| Some(Config::new(content, version)))
    }

    /// Compares and replaces, under the lock of all writers.
    fn replace(&self, key: &ConfigKey, content: Option<&str>, expected: &Expected) -> Result<(), ConfigError> {
        let folder = self.folder(key.group());
        self.prepare(&self.root).and_then(|()| self.prepare(&folder))?;
        let _ = self.made.set(());
        let _lock = self.lock()?;
        let found = match self.load(key) {
            Ok(found) => found.map(|config| config.version),
            // What nobody can read is replaced by whoever takes anything.
            Err(ConfigError::Unreadable { .. }) if *expected == Expected::Any => None,
            Err(error) => return Err(error),
        };
        expected.check(key, found.as_ref())?;
        let path = folder.join(key.name());
        let written = match content {
            Some(content) => write(&folder, &path, content),
            None => fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
        };
        let done = written.and_then(|()| File::open(&folder)?.sync_all());
        done.map_err(RegistryError::io("writing", &path)).map_err(unavailable("replacing a content"))
    }

    /// The lock of all writers, held as long as the answer is open.
    fn lock(&self) -> Result<File, ConfigError> {
        let path = self.root.join(".lock");
        let failed = |why: String| ConfigError::Unavailable { attempted: format!("locking {}", path.display()), why };
        for _ in 0..LOCK_TRIES {
            let mut options = OpenOptions::new();
            let opened = options.write(true).create(true).truncate(false).mode(0o600);
            let careful = opened.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let file = careful.open(&path).map_err(|error| failed(error.to_string()))?;
            match file.try_lock() {
                // Taken away while it was waited for, it excludes nobody who comes later.
                Ok(()) if disk::is_at(&file, &path).unwrap_or(false) => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_EVERY),
                Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
            }
        }
        Err(failed(format!("another writer has held it for {:?}", LOCK_EVERY * LOCK_TRIES)))
    }
}

/// Puts a file in the place of the one before, whole. What writers left that were killed is swept: the lock is ours.
fn write(folder: &Path, path: &Path, content: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_str().is_some_and(is_temporary) {
            fs::remove_file(entry.path())?;
        }
    }
    let temporary = folder.join(temporary_name(fresh(), fresh()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

fn version_of(bytes: &[u8]) -> ConfigVersion {
    let digest = Sha256::digest(bytes);
    ConfigVersion::new(digest.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

fn unavailable(attempted: &str) -> impl FnOnce(RegistryError) -> ConfigError {
    let attempted = attempted.to_owned();
    move |error| ConfigError::Unavailable { attempted, why: error.to_string() }
}

/// One key, for one watch.
#[derive(Debug)]
struct FileSource {
    core: Arc<Core>,
    key: ConfigKey,
    stirred: Option<signal::Receiver<u64>>,
    _group: Option<Arc<Group>>,
}

impl ConfigSource for FileSource {
    async fn read(&mut self) -> Result<Option<Config>, ConfigError> {
        self.core.made()?;
        self.core.load(&self.key)
    }

    async fn disturbed(&mut self) {
        if let Some(stirred) = &mut self.stirred
            && stirred.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }
}
