//! The shell round one lookup in a registry that can be unwell: what it answers goes through the protection, to the
//! consumers, and to the cache on disk.
//!
//! Adapters whose removals are proved (`file://`, `memory://`) do not need it.

use std::{sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    cache::Cache,
    feed::Feed,
    protect::{Health, Hold, Protection, Protector, Verdict},
    saver::Saver,
    set::InstanceSet,
};

/// Keeps the consumers of one lookup on the last good set.
#[derive(Debug)]
pub struct Keeper {
    what: String,
    feed: Arc<Feed>,
    protector: Protector,
    protection: Protection,
    cache: Option<Cache>,
    saver: Option<Saver>,
    start: Instant,
    told: bool,
    hold: Option<Hold>,
}

impl Keeper {
    /// A keeper that publishes to `feed`; `what` is the lookup in words, for logs.
    pub fn new(what: impl Into<String>, feed: Arc<Feed>, protection: Protection, cache: Option<Cache>) -> Self {
        Self {
            what: what.into(),
            feed,
            protector: Protector::new(protection),
            protection,
            cache,
            saver: None,
            start: Instant::now(),
            told: false,
            hold: None,
        }
    }

    /// The registry listed `set`: it is told to the consumers, and a good one is saved soon. On a tokio runtime.
    pub fn answered(&mut self, set: InstanceSet, health: Health) {
        let good = health == Health::Well && !set.is_empty();
        let verdict = self.protector.answered(self.start.elapsed(), set, health);
        if good && verdict.hold.is_none() {
            self.save(&verdict.set);
        }
        self.tell(verdict);
    }

    /// The registry did not answer, for this reason. The first time, the set on disk is recalled if it is not too old.
    pub async fn silent(&mut self, why: &str) {
        if !self.told {
            tracing::warn!(lookup = self.what, why, "the registry does not answer");
            if let Some(set) = self.recall().await {
                let verdict = self.protector.recall(set);
                self.tell(verdict);
            }
        }
        let verdict = self.protector.silent(self.start.elapsed());
        self.tell(verdict);
    }

    /// What is held back at the moment.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    fn tell(&mut self, verdict: Verdict) {
        match (self.hold, verdict.hold) {
            (None, Some(hold)) => tracing::warn!(
                lookup = self.what,
                reason = hold.reason.as_str(),
                count = hold.count,
                "instances that the registry does not list are kept: it is unwell"
            ),
            (Some(_), None) => tracing::info!(lookup = self.what, "the registry is believed again"),
            _ => {}
        }
        self.told = true;
        self.hold = verdict.hold;
        self.feed.publish_shared(verdict.set, &verdict.causes);
    }

    async fn recall(&self) -> Option<InstanceSet> {
        let cache = self.cache.clone()?;
        let (set, age) = spawn_blocking(move || cache.load()).await.ok()??;
        tracing::info!(lookup = self.what, count = set.len(), age_s = age.as_secs(), "last good set found on disk");
        (age <= self.protection.stale.max(Duration::from_secs(1))).then_some(set)
    }

    fn save(&mut self, set: &Arc<InstanceSet>) {
        if let Some(cache) = self.cache.as_ref().filter(|_| self.saver.is_none()) {
            self.saver = Some(Saver::start(&self.what, cache.clone()));
        }
        if let Some(saver) = &self.saver {
            saver.save(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf};

    use super::*;
    use crate::{Change, Changes, Instance, InstanceId, instance::fresh};

    fn set(ids: &[&str]) -> InstanceSet {
        ids.iter().map(|id| Instance::new("a", "h", 1).with_id(InstanceId::new(*id))).collect()
    }

    async fn snapshot(changes: &mut Changes) -> BTreeSet<String> {
        match changes.next().await {
            Some(Change::Snapshot(all)) => all.iter().map(|instance| instance.id.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn keeper(dir: &std::path::Path) -> (Keeper, Changes) {
        let feed = Arc::new(Feed::new());
        let changes = feed.subscribe();
        (Keeper::new("test", feed, Protection::default(), Cache::in_directory(dir, "test")), changes)
    }

    #[tokio::test]
    async fn a_registry_that_is_away_at_start_is_bridged_from_disk() {
        let dir: PathBuf = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        let (mut first, mut changes) = keeper(&dir);
        first.answered(set(&["1", "2"]), Health::Well);
        assert_eq!(snapshot(&mut changes).await, ["1".to_owned(), "2".to_owned()].into());
        first.saver.take().unwrap().finished().await;

        let (mut second, mut changes) = keeper(&dir);
        second.silent("connection refused").await;
        assert_eq!(snapshot(&mut changes).await.len(), 2);
        assert_eq!(second.hold().map(|hold| hold.count), Some(2));
        second.answered(set(&["1", "2"]), Health::Well);
        assert_eq!(second.hold(), None);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_comes_also_when_nothing_is_known_at_all() {
        let feed = Arc::new(Feed::new());
        let mut changes = feed.subscribe();
        Keeper::new("test", feed, Protection::default(), None).silent("no route to host").await;
        assert!(snapshot(&mut changes).await.is_empty());
    }
}
