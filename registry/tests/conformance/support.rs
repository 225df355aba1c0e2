//! What the integration tests share: scratch directories, waiting with a deadline, provider processes.

use std::time::Duration;
#[cfg(any(feature = "file", feature = "dns"))]
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use mainstay_registry::{Change, Changes, Instance, InstanceId, Registration};
use tokio::time::timeout;

/// Nothing here takes this long, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A directory that is removed at the end of the test.
#[cfg(any(feature = "file", feature = "dns"))]
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

#[cfg(any(feature = "file", feature = "dns"))]
impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("mainstay-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        let _ = std::fs::remove_dir_all(&path);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(any(feature = "file", feature = "dns"))]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The next change, or a panic when none comes.
pub(crate) async fn next(changes: &mut Changes) -> Change {
    timeout(DEADLINE, changes.next()).await.expect("a change in time").expect("an open stream")
}

/// Follows changes until `done` holds for what they lead to; answers the changes on the way.
pub(crate) async fn follow_until(
    changes: &mut Changes,
    known: &mut Vec<Instance>,
    what: &str,
    done: impl Fn(&[Instance]) -> bool,
) -> Vec<Change> {
    let mut heard = Vec::new();
    let follow = async {
        while !done(known) {
            let change = changes.next().await.expect("an open stream");
            apply(known, &change);
            heard.push(change);
        }
    };
    let result = timeout(DEADLINE, follow).await;
    assert!(result.is_ok(), "not within {DEADLINE:?}: {what}; heard {heard:?}; known {known:?}");
    heard
}

/// What is known after a change.
pub(crate) fn apply(known: &mut Vec<Instance>, change: &Change) {
    match change {
        Change::Snapshot(all) => known.clone_from(all),
        Change::Up(up) => {
            known.retain(|instance| instance.id != up.id);
            known.push(up.clone());
        }
        Change::Down(id, _) => known.retain(|instance| instance.id != *id),
        other => panic!("{other:?}"),
    }
}

/// Polls a condition until it holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let poll = async {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        while !holds().await {
            pause.tick().await;
        }
    };
    assert!(timeout(DEADLINE, poll).await.is_ok(), "not within {DEADLINE:?}: {what}");
}

/// A registration of application `stock`.
pub(crate) fn stock(id: &str, keys: &[&str]) -> Registration {
    let instance = Instance::new("stock", "127.0.0.1", 7001).with_id(InstanceId::new(id));
    Registration::new(instance, keys.iter().map(|key| key.parse().unwrap()))
}
