//! The task behind the loop: it is handed notices, makes lines of them, and writes those together that come together.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::entry::Entry;
use super::file::Appender;
use super::fold::{Fold, Noted};
use crate::core::notice::Notice;

/// Notices that may wait. When a disk is so slow that more come, they are not written: the loop does not wait.
const WAITING: usize = 4_096;

/// Where the loop puts notices.
#[derive(Debug)]
pub struct Journal {
    waiting: Option<mpsc::Sender<Noted>>,
    task: Option<JoinHandle<()>>,
}

impl Journal {
    /// Keeps the history of `dir`, if there is one; each line is told to `listener` too. Needs a tokio runtime.
    pub fn keep(dir: Option<PathBuf>, listener: impl Fn(&Entry) + Send + Sync + 'static) -> Journal {
        let Some(dir) = dir else { return Journal { waiting: None, task: None } };
        let (sender, waiting) = mpsc::channel(WAITING);
        Journal { waiting: Some(sender), task: Some(tokio::spawn(write(dir, waiting, listener))) }
    }

    /// Takes a notice that was told just now.
    pub(crate) fn note(&self, notice: Notice) {
        let noted = Noted { at: crate::wall::now(), notice };
        if let Some(sender) = &self.waiting
            && sender.try_send(noted).is_err()
        {
            tracing::warn!("the history is behind: an event is not written");
        }
    }

    /// Writes what is left, and ends.
    pub(crate) async fn finish(&mut self) {
        self.waiting = None;
        if let Some(task) = self.task.take() {
            // It ends by itself; a panic in it was told already.
            let _ = task.await;
        }
    }
}

async fn write(dir: PathBuf, mut waiting: mpsc::Receiver<Noted>, listener: impl Fn(&Entry)) {
    let (mut fold, mut appender) = (Fold::default(), Appender::new(dir));
    let mut failing = false;
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, WAITING).await > 0 {
        let entries: Vec<Entry> = batch.drain(..).flat_map(|noted| fold.take(&noted)).collect();
        entries.iter().for_each(&listener);
        if entries.is_empty() {
            continue;
        }
        let written = tokio::task::spawn_blocking(move || {
            let result = appender.append(&entries);
            (appender, result)
        });
        // Nothing is aborted, and a panic in there ends the history only.
        let Ok((back, result)) = written.await else { return };
        appender = back;
        match &result {
            // A full disk is told of once, not with each line.
            Err(error) if !failing => tracing::error!(%error, "the history is not written"),
            _ => {}
        }
        failing = result.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::core::ids::Epoch;
    use crate::core::notice::What;

    #[tokio::test]
    async fn what_was_noted_is_on_disk_at_the_end_and_told_to_the_listener() {
        let dir = std::env::temp_dir().join(format!("mainstay-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = heard.clone();
        let mut journal = Journal::keep(Some(dir.clone()), move |entry| ears.lock().unwrap().push(entry.clone()));
        for epoch in 1..=3 {
            journal.note(Notice { what: What::NewEpoch(Epoch(epoch)), subject: None, epoch: Epoch(epoch) });
        }
        journal.finish().await;
        let written = super::super::read(&dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((written.len(), written[2].at() > 1_600_000_000_000), (3, true));
        assert_eq!(*heard.lock().unwrap(), written);
    }
}
