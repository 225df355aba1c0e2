//! The task that keeps the last good set of one lookup on disk, so that no consumer waits for the disk. The first set is
//! written at once and those that follow every so often: a crowd that comes or goes is one set in the end. The larger it is,
//! the more seldom, so that what a change costs does not grow with those that did not change.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{cache::Cache, set::InstanceSet};

/// The least time between two writes, of a small set.
const PAUSE: Duration = Duration::from_secs(2);
/// What each instance of it adds.
const PAUSE_OF_ONE: Duration = Duration::from_millis(200);
/// And the most that it ever is.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The end that hands sets over. The last one is written also when this is dropped, unless the runtime ends first.
#[derive(Debug)]
pub(crate) struct Saver {
    newest: watch::Sender<Arc<InstanceSet>>,
    _task: JoinHandle<()>,
}

impl Saver {
    /// Starts the task on the current runtime; `what` is the lookup in words, for logs.
    pub(crate) fn start(what: &str, cache: Cache) -> Self {
        let (newest, sets) = watch::channel(Arc::default());
        Self { newest, _task: tokio::spawn(run(what.to_owned(), cache, sets)) }
    }

    /// `set` is to be on disk soon. One that is there already is not written again.
    pub(crate) fn save(&self, set: &Arc<InstanceSet>) {
        self.newest.send_if_modified(|newest| {
            let differs = newest != set;
            if differs {
                *newest = set.clone();
            }
            differs
        });
    }

    /// Ends it; everything that was handed over is on disk then.
    #[cfg(test)]
    pub(crate) async fn finished(self) {
        let Self { newest, _task } = self;
        drop(newest);
        let _ = _task.await;
    }
}

async fn run(what: String, cache: Cache, mut sets: watch::Receiver<Arc<InstanceSet>>) {
    // What was handed over before the other end was dropped is still told.
    while sets.changed().await.is_ok() {
        let set = sets.borrow_and_update().clone();
        let (cache, pause) = (cache.clone(), pause(set.len()));
        match spawn_blocking(move || cache.save(&set)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(lookup = what, %error, "the last good set cannot be saved: kept in memory only");
                return;
            }
            Err(_) => return,
        }
        let mut end = sets.clone();
        let _ = timeout(pause, end.wait_for(|_| false)).await;
    }
}

/// How long until so many may be written again.
fn pause(count: usize) -> Duration {
    let more = PAUSE_OF_ONE.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    PAUSE.saturating_add(more).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instance, InstanceId, instance::fresh};

    fn set(count: usize) -> Arc<InstanceSet> {
        let one = |n: usize| Instance::new("a", "h", 1).with_id(InstanceId::new(n.to_string()));
        Arc::new((0..count).map(one).collect())
    }

    #[test]
    fn the_larger_a_set_the_more_seldom_it_is_written() {
        for (count, seconds) in [(0, 2), (10, 4), (100, 22), (1000, 60), (usize::MAX, 60)] {
            assert_eq!(pause(count), Duration::from_secs(seconds), "{count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_written_once_and_the_last_word_is_on_disk() {
        let dir = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        let cache = Cache::in_directory(&dir, "test").unwrap();
        let saver = Saver::start("test", cache.clone());
        let count = || cache.load().map(|(set, _)| set.len());
        saver.save(&set(1));
        while count().is_none() {
            tokio::task::yield_now().await;
        }
        for more in 2..100 {
            saver.save(&set(more));
            tokio::task::yield_now().await;
            assert_eq!(count(), Some(1), "the pause has not passed");
        }
        saver.finished().await;
        assert_eq!(count(), Some(99));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
