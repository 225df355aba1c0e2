//! `memory://`: a config centre inside one process, for tests and for programs that are all in one.
//!
//! A change is told at once. Only those who hold a clone of the same [`MemoryConfig`] see each other.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    error::ConfigError,
    key::ConfigKey,
    port::{Answer, Config, ConfigCenter, ConfigSight, ConfigVersion, Expected, check_content},
    watch::{ConfigWatch, Told},
};

/// A config centre inside this process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryConfig {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<ConfigKey, Config>,
    watched: BTreeMap<ConfigKey, watch::Sender<Told>>,
    writes: u64,
}

impl MemoryConfig {
    /// An empty centre.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn sight(&self, key: &ConfigKey) -> ConfigSight {
        self.kept.get(key).cloned().map_or(ConfigSight::Absent, ConfigSight::Present)
    }

    /// Puts a content there, or takes it away.
    fn replace(&mut self, key: &ConfigKey, content: Option<&str>, expected: &Expected) -> Result<u64, ConfigError> {
        expected.check(key, self.kept.get(key).map(|config| &config.version))?;
        self.writes += 1;
        match content {
            Some(content) => {
                let version = ConfigVersion::new(self.writes.to_string());
                self.kept.insert(key.clone(), Config::new(content, version));
            }
            None => drop(self.kept.remove(key)),
        }
        let sight = self.sight(key);
        if let Some(watchers) = self.watched.get(key) {
            watchers.send_replace(Told::sight(sight));
        }
        Ok(self.writes)
    }
}

impl ConfigCenter for MemoryConfig {
    fn get<'a>(&'a self, key: &'a ConfigKey) -> Answer<'a, Option<Config>> {
        Box::pin(ready(Ok(self.lock().kept.get(key).cloned())))
    }

    fn watch(&self, key: &ConfigKey) -> ConfigWatch {
        let mut inner = self.lock();
        inner.watched.retain(|_, watchers| watchers.receiver_count() > 0);
        let sight = inner.sight(key);
        let watchers = inner.watched.entry(key.clone()).or_insert_with(|| watch::Sender::new(Told::sight(sight)));
        ConfigWatch::new(watchers.subscribe())
    }

    fn publish<'a>(&'a self, key: &'a ConfigKey, content: &'a str, expected: Expected) -> Answer<'a, ConfigVersion> {
        let published = check_content(key, content)
            .and_then(|()| self.lock().replace(key, Some(content), &expected))
            .map(|write| ConfigVersion::new(write.to_string()));
        Box::pin(ready(published))
    }

    fn delete<'a>(&'a self, key: &'a ConfigKey, expected: Expected) -> Answer<'a, ()> {
        let deleted = self.lock().replace(key, None, &expected).map(drop);
        Box::pin(ready(deleted))
    }

    fn describe(&self) -> String {
        "memory:// (this process only)".to_owned()
    }
}
