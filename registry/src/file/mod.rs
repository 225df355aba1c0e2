//! `file://`: the embedded default. A directory, no daemon; the kernel is the failure detector.
//!
//! Each process that offers something holds one file in the directory, locked for as long as it lives. Whoever looks
//! for providers watches the directory and tries the locks. When a process ends, however it ends, the kernel closes its
//! file and lets go of the lock: watchers hear of it within a millisecond or two, by proof and not by timeout.
//!
//! What it guarantees: a record is seen whole or not at all; a provider that lives is never reported down, whatever is
//! done to the directory meanwhile (its record is written again, and its lock vouches for it until then); one that is
//! dead is never reported up. So nothing is held back here: a set that is empty is empty.
//!
//! Its limits: one machine (the lock is the kernel's), one user (the directory is 0700), local file systems (network
//! ones neither lock nor tell; the start checks the locks). A process that is stopped keeps its lock and stays listed:
//! connection state takes it out. Up to 10 000 processes per directory, records up to 256 KiB. The runtime needs its
//! IO and time drivers (`enable_all`). Where there is no inotify (macOS), the directory is listed every 50 ms.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | name and content of a record, pure |
//! | `shelf.rs` | what to probe when and who is dead, pure |
//! | `directory.rs` | which directory, and whether it is safe |
//! | `disk.rs` | the file operations |
//! | `own.rs` | this process's own record |
//! | `watch.rs`, `follow.rs` | hints, and the task that follows them |
//! | `inspect.rs` | what lies there, for people |
//! | `config.rs` | the config centre, in a folder of the directory |

mod config;
mod directory;
mod disk;
mod follow;
mod inspect;
mod own;
mod record;
mod shelf;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::watch as signal, task::JoinHandle, time::Instant};

pub use self::config::FileConfig;
pub use self::record::{MAX_FILES, MAX_RECORD};
use self::{follow::Follower, own::Own};
use crate::{
    capability::Capabilities,
    catalog::{Catalog, Feeds},
    controller::{Seen, Timing},
    error::RegistryError,
    feed::Changes,
    instance::{InstanceId, Registration},
    keep::{Record, keep},
    key::ServiceKey,
    lease::Lease,
    port::{Discover, DownCause, Lookup, Registry, Survey},
    url::RegistryUrl,
};

/// The embedded registry; clones share one record file, one watch and one task.
#[derive(Clone, Debug)]
pub struct FileRegistry {
    core: Arc<Core>,
}

/// What lives as long as any handle, lease or consumer.
#[derive(Debug)]
struct Core {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What handles and the task share.
#[derive(Debug)]
struct Shared {
    dir: Arc<Path>,
    uid: u32,
    shared_parent: bool,
    own: Mutex<Own>,
    /// Counts the times that the own record needs a look.
    disturbed: signal::Sender<u64>,
    view: Mutex<View>,
}

#[derive(Debug, Default)]
struct View {
    catalog: Catalog<String>,
    feeds: Feeds,
    listed: bool,
    unwell: Option<String>,
    last_change: Option<Instant>,
}

impl FileRegistry {
    /// The registry in the default directory: `$XDG_RUNTIME_DIR/mainstay`, or `mainstay-<uid>` in the temporary one.
    ///
    /// # Errors
    /// [`RegistryError::Directory`] says what is not safe about it.
    pub fn open_default() -> Result<Self, RegistryError> {
        let uid = rustix::process::geteuid().as_raw();
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR");
        let dir = directory::default_directory(runtime_dir, &std::env::temp_dir(), uid);
        Self::prepared(dir, true)
    }

    /// The registry in `dir`, which is made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`RegistryError::Directory`] when it is not ours, others may write to it, or file locks do not work there.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        Self::prepared(dir.into(), false)
    }

    /// The registry that a URL means: `file://` or `file:///directory`.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`RegistryError::BadUrl`].
    pub fn from_url(url: &RegistryUrl) -> Result<Self, RegistryError> {
        url.only_parameters(&[])?;
        match (url.authority(), url.path()) {
            ("", "" | "/") => Self::open_default(),
            ("", path) => Self::open(path),
            (host, path) => Err(url.bad(format!("a directory is written with three slashes: file:///{host}{path}"))),
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.core.shared.dir
    }

    fn prepared(dir: PathBuf, shared_parent: bool) -> Result<Self, RegistryError> {
        let uid = rustix::process::geteuid().as_raw();
        directory::prepare(&dir, uid, shared_parent)?;
        directory::check_locks(&dir)?;
        let dir: Arc<Path> = dir.into();
        let shared = Shared {
            own: Mutex::new(Own::new(dir.clone())),
            dir,
            uid,
            shared_parent,
            disturbed: signal::Sender::new(0),
            view: Mutex::default(),
        };
        Ok(Self { core: Arc::new(Core { shared: Arc::new(shared), task: Mutex::default() }) })
    }
}

impl Core {
    /// Sees to it that the task runs; after its runtime has ended, on the current one. False without a runtime.
    fn follow(&self) -> bool {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let Ok(runtime) = Handle::try_current() else { return false };
            *task = Some(runtime.spawn(Follower::new(self.shared.clone()).run()));
        }
        true
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Shared {
    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the leases look at their record now, if `concerned`.
    fn disturbed(&self, concerned: impl FnOnce(&Own) -> bool) {
        if concerned(&self.own()) {
            self.disturbed.send_modify(|count| *count += 1);
        }
    }
}

impl View {
    fn publish(&mut self, touched: &BTreeSet<ServiceKey>, causes: &BTreeMap<InstanceId, DownCause>) {
        self.last_change = Some(Instant::now());
        self.feeds.publish(&self.catalog, touched, causes);
    }

    /// After the first look at the directory every consumer gets its first snapshot, be it empty.
    fn first_listing(&mut self) {
        if !std::mem::replace(&mut self.listed, true) {
            self.feeds.publish_all(&self.catalog);
        }
    }
}

impl Registry for FileRegistry {
    fn register(&self, registration: Registration) -> Lease {
        self.core.follow();
        let record = FileRecord {
            id: registration.instance.id.clone(),
            disturbed: self.core.shared.disturbed.subscribe(),
            core: self.core.clone(),
        };
        keep(record, registration, Timing::default())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::FILE
    }

    fn describe(&self) -> String {
        format!("file://{} (this machine only)", self.core.shared.dir.display())
    }
}

impl Discover for FileRegistry {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let follows = self.core.follow();
        let mut view = self.core.shared.view();
        if !follows {
            view.unwell = Some("subscribe() was called outside of a tokio runtime".to_owned());
        }
        let View { catalog, feeds, listed, .. } = &mut *view;
        let feed = feeds.of(&lookup);
        let changes = feed.subscribe();
        if *listed || !follows {
            feed.publish(catalog.find(&lookup), &BTreeMap::new());
        }
        changes.keeping(self.core.clone())
    }

    fn survey(&self, interface: &str) -> Survey {
        let view = self.core.shared.view();
        Survey {
            last_change: view.last_change.map(|at| at.elapsed()),
            unwell: view.unwell.clone(),
            ..Survey::new(view.catalog.survey(interface))
        }
    }

    fn describe(&self) -> String {
        Registry::describe(self)
    }
}

/// One lease's part of this process's record.
#[derive(Debug)]
struct FileRecord {
    id: InstanceId,
    disturbed: signal::Receiver<u64>,
    core: Arc<Core>,
}

impl Record for FileRecord {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let shared = &self.core.shared;
        directory::prepare(&shared.dir, shared.uid, shared.shared_parent)?;
        shared.own().offer(wanted)
    }

    async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
        self.core.shared.own().seen(wanted)
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        self.core.shared.own().retract(&self.id)
    }

    async fn disturbed(&mut self) {
        if self.disturbed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
