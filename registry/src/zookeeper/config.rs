//! The config centre of `zookeeper://`: `/dubbo/config/{group}/{name}`, where Dubbo's own tools put rules.
//!
//! The version is the node's, with the transaction that made the node: a node that was deleted and made again begins at 0, and
//! is another one. ZooKeeper compares the node's own version only, so a writer is also refused what was made anew between its
//! look and its write, but for the one that has the same number again. A node without data is a folder, not a content.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use zookeeper_client::{Client, CreateMode, Error, OneshotWatcher, Stat};

use super::{
    ZookeeperRegistry,
    nodes::{Nodes, parent, said},
    session::{Link, PATIENCE, Session},
};
use crate::{
    cache::Cache,
    config::{
        Answer, Config, ConfigCenter, ConfigError, ConfigKey, ConfigSource, ConfigVersion, ConfigWatch, Expected,
        check_content, follow, readable,
    },
    protect::Protection,
};

/// How often a key is read besides what its watch says.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often a writer that takes anything tries again, when others make and delete the node meanwhile.
const TRIES: usize = 10;

/// The config centre in an ensemble; clones share the session of the registry.
#[derive(Clone, Debug)]
pub struct ZookeeperConfig {
    session: Arc<Session>,
    nodes: Nodes,
}

impl ZookeeperConfig {
    /// The centre in the ensemble of `registry`, under the same chroot.
    pub fn beside(registry: &ZookeeperRegistry) -> Self {
        let session = registry.core.session.clone();
        Self { nodes: Nodes::of(session.place()), session }
    }

    /// Does something with a session that lives, within bounds.
    async fn with<T>(
        &self,
        attempted: &str,
        key: &ConfigKey,
        act: impl AsyncFnOnce(&Client, &str) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let unavailable = |why: String| ConfigError::Unavailable { attempted: format!("{attempted} {key}"), why };
        let client = self.session.live_soon().await.map_err(|error| unavailable(error.to_string()))?;
        let done = timeout(PATIENCE, act(&client, &self.nodes.config(key))).await;
        done.unwrap_or_else(|_| Err(unavailable(format!("no answer within {PATIENCE:?}"))))
    }
}

impl ConfigCenter for ZookeeperConfig {
    fn get<'a>(&'a self, key: &'a ConfigKey) -> Answer<'a, Option<Config>> {
        Box::pin(self.with("reading", key, async |client, path| match client.get_data(path).await {
            Ok((data, stat)) => content(key, data, &stat),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(failed("reading", key, &error)),
        }))
    }

    fn watch(&self, key: &ConfigKey) -> ConfigWatch {
        self.session.begin();
        let what = format!("config {key} in {}", self.session.place().describe());
        let cache = Cache::of_user(&what);
        let source = Source { center: self.clone(), key: key.clone(), link: self.session.link(), watcher: None };
        follow(source, key, what, Protection::default(), cache)
    }

    fn publish<'a>(&'a self, key: &'a ConfigKey, text: &'a str, expected: Expected) -> Answer<'a, ConfigVersion> {
        Box::pin(async move {
            check_content(key, text)?;
            let acls = self.session.acls();
            self.with("writing", key, async |client, path| {
                let writer = Writer { client, path, key };
                match &expected {
                    Expected::Version(version) => writer.replace(text, version).await,
                    Expected::Absent | Expected::Any => {
                        let made = client.mkdir(parent(path), &CreateMode::Persistent.with_acls(acls)).await;
                        if let Err(error) = made.or_else(|error| ignored(error, &Error::NodeExists)) {
                            return Err(failed("writing", key, &error));
                        }
                        writer.put(text, &expected, &CreateMode::Persistent.with_acls(acls)).await
                    }
                }
            })
            .await
        })
    }

    fn delete<'a>(&'a self, key: &'a ConfigKey, expected: Expected) -> Answer<'a, ()> {
        Box::pin(self.with("deleting", key, async move |client, path| {
            let writer = Writer { client, path, key };
            let found = writer.look().await?;
            expected.check(key, found.as_ref().map(|(version, _)| version))?;
            let Some((_, stat)) = found else { return Ok(()) };
            let number = if expected == Expected::Any { None } else { Some(stat.version) };
            match client.delete(path, number).await {
                Ok(()) => Ok(()),
                Err(Error::NoNode) if expected == Expected::Any => Ok(()),
                Err(Error::NoNode | Error::BadVersion) => Err(writer.conflict().await),
                Err(error) => Err(failed("deleting", key, &error)),
            }
        }))
    }

    fn describe(&self) -> String {
        self.session.place().describe()
    }
}

/// One node, for one writer.
struct Writer<'a> {
    client: &'a Client,
    path: &'a str,
    key: &'a ConfigKey,
}

impl Writer<'_> {
    /// What is there as a content, and its node's state.
    async fn look(&self) -> Result<Option<(ConfigVersion, Stat)>, ConfigError> {
        let stat = self.client.check_stat(self.path).await.map_err(|error| failed("looking at", self.key, &error))?;
        Ok(stat.filter(|stat| stat.data_length > 0).map(|stat| (version(&stat), stat)))
    }

    /// Replaces a content that has this version.
    async fn replace(&self, text: &str, expected: &ConfigVersion) -> Result<ConfigVersion, ConfigError> {
        let Some((_, stat)) = self.look().await?.filter(|(found, _)| found == expected) else {
            return Err(self.conflict().await);
        };
        match self.client.set_data(self.path, text.as_bytes(), Some(stat.version)).await {
            Ok(written) => Ok(version(&written)),
            Err(Error::BadVersion | Error::NoNode) => Err(self.conflict().await),
            Err(error) => Err(failed("writing", self.key, &error)),
        }
    }

    /// Puts a content there, where nothing is or, if anything may be, in the place of what is.
    async fn put(
        &self,
        text: &str,
        expected: &Expected,
        options: &zookeeper_client::CreateOptions<'_>,
    ) -> Result<ConfigVersion, ConfigError> {
        for _ in 0..TRIES {
            match self.client.create(self.path, text.as_bytes(), options).await {
                Ok((made, _)) => return Ok(version(&made)),
                Err(Error::NodeExists) => {}
                Err(error) => return Err(failed("writing", self.key, &error)),
            }
            let stat = self.client.check_stat(self.path).await.map_err(|error| failed("writing", self.key, &error))?;
            let Some(stat) = stat else { continue };
            let number = match expected {
                Expected::Any => None,
                // A folder that somebody made is nobody's content.
                _ if stat.data_length == 0 => Some(stat.version),
                _ => return Err(self.conflict().await),
            };
            match self.client.set_data(self.path, text.as_bytes(), number).await {
                Ok(written) => return Ok(version(&written)),
                Err(Error::NoNode | Error::BadVersion) => {}
                Err(error) => return Err(failed("writing", self.key, &error)),
            }
        }
        let why = format!("others made and deleted it {TRIES} times meanwhile");
        Err(ConfigError::Unavailable { attempted: format!("writing {}", self.key), why })
    }

    async fn conflict(&self) -> ConfigError {
        match self.look().await {
            Ok(found) => ConfigError::Conflict { key: self.key.clone(), found: found.map(|(version, _)| version) },
            Err(error) => error,
        }
    }
}

fn version(stat: &Stat) -> ConfigVersion {
    ConfigVersion::new(format!("{:x}.{}", stat.czxid, stat.version))
}

fn content(key: &ConfigKey, data: Vec<u8>, stat: &Stat) -> Result<Option<Config>, ConfigError> {
    if data.is_empty() {
        return Ok(None);
    }
    readable(key, data).map(|text| Some(Config::new(text, version(stat))))
}

fn failed(attempted: &str, key: &ConfigKey, error: &Error) -> ConfigError {
    ConfigError::Unavailable { attempted: format!("{attempted} {key}"), why: said(error) }
}

fn ignored(error: Error, harmless: &Error) -> Result<(), Error> {
    if error == *harmless { Ok(()) } else { Err(error) }
}

/// One key, for one watch.
#[derive(Debug)]
struct Source {
    center: ZookeeperConfig,
    key: ConfigKey,
    link: watch::Receiver<Link>,
    watcher: Option<OneshotWatcher>,
}

impl ConfigSource for Source {
    /// Watch first, then read: both are one request, for a node that is there and for one that is not.
    async fn read(&mut self) -> Result<Option<Config>, ConfigError> {
        self.watcher = None;
        self.link.mark_unchanged();
        let (center, key) = (self.center.clone(), self.key.clone());
        let client = center.session.live_soon().await;
        let client = client.map_err(|error| {
            let attempted = format!("reading {key}");
            ConfigError::Unavailable { attempted, why: error.to_string() }
        })?;
        let path = center.nodes.config(&key);
        loop {
            match client.get_and_watch_data(&path).await {
                Ok((data, stat, watcher)) => {
                    self.watcher = Some(watcher);
                    return content(&key, data, &stat);
                }
                Err(Error::NoNode) => {}
                Err(error) => return Err(failed("reading", &key, &error)),
            }
            let (stat, watcher) =
                client.check_and_watch_stat(&path).await.map_err(|error| failed("reading", &key, &error))?;
            if stat.is_none() {
                self.watcher = Some(watcher);
                return Ok(None);
            }
        }
    }

    async fn disturbed(&mut self) {
        let watched = async {
            match self.watcher.take() {
                Some(watcher) => drop(watcher.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = watched => {}
            changed = self.link.changed() => if changed.is_err() { std::future::pending().await },
        }
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }
}
