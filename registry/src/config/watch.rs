//! The reader's end of a followed key.
//!
//! It holds no queue but the newest sight, so that a slow reader costs nothing and misses nothing that still is.

use tokio::{sync::watch, task::JoinHandle};

use super::port::ConfigSight;

/// What is kept under one key, for one reader, as it changes. Dropping it ends the watch.
#[derive(Debug)]
#[must_use = "a watch only tells who asks for the next sight"]
pub struct ConfigWatch {
    told: watch::Receiver<Told>,
    heard: Option<ConfigSight>,
    _task: Option<Task>,
}

/// What a watch reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) sight: Option<ConfigSight>,
    /// Why the centre could not be read when it was asked last.
    pub(crate) trouble: Option<String>,
}

impl Told {
    /// The centre answered so.
    pub(crate) fn sight(sight: ConfigSight) -> Self {
        Self { sight: Some(sight), trouble: None }
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConfigWatch {
    pub(crate) fn new(told: watch::Receiver<Told>) -> Self {
        Self { told, heard: None, _task: None }
    }

    /// The same watch, whose end is the end of this task.
    #[cfg(any(feature = "file", feature = "nacos", feature = "zookeeper"))]
    pub(crate) fn ending(mut self, task: JoinHandle<()>) -> Self {
        self._task = Some(Task(task));
        self
    }

    /// The next sight that differs from the one before. The first is how it stands, there or not; of what came and went
    /// unheard nothing is told. `None` when the centre's handle, or its runtime, is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ConfigSight> {
        loop {
            let newest = self.told.borrow_and_update().sight.clone();
            if newest.is_some() && newest != self.heard {
                self.heard.clone_from(&newest);
                return newest;
            }
            self.told.changed().await.ok()?;
        }
    }

    /// How it stands, as far as known by now; `None` before the centre answered, or did not answer, for the first time.
    pub fn current(&self) -> Option<ConfigSight> {
        self.told.borrow().sight.clone()
    }

    /// Why what is told may be out of date; `None` while the centre answers.
    pub fn trouble(&self) -> Option<String> {
        self.told.borrow().trouble.clone()
    }
}
