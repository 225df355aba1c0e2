//! The config centre of `nacos://`: data id and group as Dubbo's own tools put rules, in the namespace of the registry.
//!
//! The version is the text's MD5, which the server compares when one is published. It compares nothing when one is removed,
//! and takes a text that is to replace another also when nothing is there: so a writer looks first, and what others do between
//! its look and its writing is not seen where it removes, or where they removed what it replaces. Of several that make one
//! where nothing is, one succeeds: whose it is, is read back.
//!
//! Not through `nacos-sdk`, which tells of no deletion and not of a key's first publish, and of what changed while it was
//! disconnected up to a minute later. Here a watch asks the server to be told, over each new connection again, and then reads.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Core, NacosRegistry,
    http::{self, Stored},
    link::Standing,
    session::{NoAnswer, PATIENCE, Session},
    text::{NOTHING, TextName, md5},
};
use crate::{
    cache::Cache,
    config::{
        Answer, Config, ConfigCenter, ConfigError, ConfigKey, ConfigSource, ConfigVersion, ConfigWatch, Expected,
        check_content, follow, readable,
    },
    instance::fresh,
    protect::Protection,
};

/// How often a key is read besides what is pushed.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long until a server gives out what was written, at the most.
const SHOWS: Duration = Duration::from_secs(1);
/// How often a writer that replaces anything tries again, when others make the text at the same moment, and how long after.
const TRIES: usize = 3;
const AGAIN: Duration = Duration::from_millis(50);
/// The server's code for what it refuses to those who have no right to it.
const FORBIDDEN: i64 = 403;

/// The config centre in a Nacos; clones share the connection of the registry.
#[derive(Clone, Debug)]
pub struct NacosConfig {
    core: Arc<Core>,
}

impl NacosConfig {
    /// The centre in the server of `registry`, in the same namespace. The group is the key's, not that of the URL.
    pub fn beside(registry: &NacosRegistry) -> Self {
        Self { core: registry.core.clone() }
    }

    fn name(&self, key: &ConfigKey) -> Result<TextName, ConfigError> {
        TextName::new(&self.core.place.namespace, key.group(), key.name()).map_err(|why| {
            let text = key.to_string();
            ConfigError::BadKey { part: "words", text, why }
        })
    }

    /// One key, for one who reads or writes it now. Waits for a connection, for a bounded time.
    async fn at<'a>(&'a self, attempted: &'static str, key: &'a ConfigKey) -> Result<Text<'a>, ConfigError> {
        let name = self.name(key)?;
        self.core.keep();
        let mut standing = self.core.link.standing();
        // Whatever it is when the time is over, the link says.
        let _ = timeout(PATIENCE, standing.wait_for(|standing| standing.session.is_some())).await;
        let session = self.core.link.session().map_err(|error| unavailable(attempted, key, &error))?;
        Ok(Text { center: self, session, name, key, attempted })
    }
}

impl ConfigCenter for NacosConfig {
    fn get<'a>(&'a self, key: &'a ConfigKey) -> Answer<'a, Option<Config>> {
        Box::pin(async move { self.at("reading", key).await?.read().await })
    }

    fn watch(&self, key: &ConfigKey) -> ConfigWatch {
        self.core.keep();
        let what = format!("config {key} in {}", self.core.place.describe());
        let cache = Cache::of_user(&what);
        let source = Source { center: self.clone(), key: key.clone(), standing: self.core.link.standing(), told: None };
        follow(source, key, what, Protection::default(), cache)
    }

    fn publish<'a>(&'a self, key: &'a ConfigKey, content: &'a str, expected: Expected) -> Answer<'a, ConfigVersion> {
        Box::pin(async move {
            check_content(key, content)?;
            let text = self.at("writing", key).await?;
            match &expected {
                Expected::Any => text.put(content).await?,
                Expected::Absent => {
                    let writer = format!("mainstay-{:016x}", fresh());
                    text.compare_and_put(content, &expected, NOTHING, Some(&writer)).await?;
                    text.is_by(&writer).await?;
                }
                Expected::Version(version) => {
                    expected.check(key, text.look().await?.as_ref())?;
                    text.compare_and_put(content, &expected, version.as_str(), None).await?;
                }
            }
            // What it wrote, a writer reads.
            text.session.text_when(&text.name, |there| there == Some(content), SHOWS).await.map_err(text.failed())?;
            Ok(version(content))
        })
    }

    fn delete<'a>(&'a self, key: &'a ConfigKey, expected: Expected) -> Answer<'a, ()> {
        Box::pin(async move {
            let text = self.at("deleting", key).await?;
            let found = text.look().await?;
            expected.check(key, found.as_ref())?;
            if expected == Expected::Absent {
                return Ok(());
            }
            text.session.remove_text(&text.name).await.map_err(text.failed())?;
            let gone = |there: Option<&str>| there.map(version) != found || found.is_none();
            text.session.text_when(&text.name, gone, SHOWS).await.map_err(text.failed())?;
            Ok(())
        })
    }

    fn describe(&self) -> String {
        self.core.place.describe()
    }
}

/// One text, over one connection.
struct Text<'a> {
    center: &'a NacosConfig,
    session: Arc<Session>,
    name: TextName,
    key: &'a ConfigKey,
    attempted: &'static str,
}

impl Text<'_> {
    async fn read(&self) -> Result<Option<Config>, ConfigError> {
        let found = self.session.text(&self.name).await.map_err(self.failed())?;
        let config = |text: String| {
            let version = version(&text);
            readable(self.key, text.into_bytes()).map(|text| Config::new(text, version))
        };
        found.map(config).transpose()
    }

    /// The version of what is there.
    async fn look(&self) -> Result<Option<ConfigVersion>, ConfigError> {
        let found = self.session.text(&self.name).await.map_err(self.failed())?;
        Ok(found.as_deref().map(version))
    }

    /// Puts a content there, whatever there is.
    async fn put(&self, content: &str) -> Result<(), ConfigError> {
        for _ in 1..TRIES {
            match self.session.put_text(&self.name, content, None, None).await {
                // Of two that make it at once one is refused.
                Err(NoAnswer::Refused(refused)) if refused.code != FORBIDDEN => sleep(AGAIN).await,
                done => return done.map_err(self.failed()),
            }
        }
        self.session.put_text(&self.name, content, None, None).await.map_err(self.failed())
    }

    /// Puts a content in the place of one with this MD5. Why the server refuses it shows in what it has stored.
    async fn compare_and_put(
        &self,
        content: &str,
        expected: &Expected,
        replaces: &str,
        writer: Option<&str>,
    ) -> Result<(), ConfigError> {
        let refused = match self.session.put_text(&self.name, content, Some(replaces), writer).await {
            Err(NoAnswer::Refused(refused)) if refused.code != FORBIDDEN => refused,
            done => return done.map_err(self.failed()),
        };
        let stored = self.stored().await?.md5.map(ConfigVersion::new);
        expected.check(self.key, stored.as_ref())?;
        Err(self.failed()(refused.into()))
    }

    /// Refuses a text that somebody else made at the same moment: the server says of both that they are there.
    async fn is_by(&self, writer: &str) -> Result<(), ConfigError> {
        let stored = self.stored().await?;
        if stored.create_user.as_deref() == Some(writer) {
            return Ok(());
        }
        Err(ConfigError::Conflict { key: self.key.clone(), found: stored.md5.map(ConfigVersion::new) })
    }

    /// What the server's database has: a refusal and the maker of a text show there at once, and in what it gives out later.
    async fn stored(&self) -> Result<Stored, ConfigError> {
        let (server, token) = (self.session.server(), self.center.core.link.auth().token());
        let stored = http::stored(server, token.as_deref(), &self.name).await;
        stored.map_err(|error| unavailable(self.attempted, self.key, &error))
    }

    fn failed(&self) -> impl Fn(NoAnswer) -> ConfigError {
        |why| ConfigError::Unavailable {
            attempted: format!("{} {} in {}", self.attempted, self.key, self.session.server()),
            why: why.to_string(),
        }
    }
}

fn version(content: &str) -> ConfigVersion {
    ConfigVersion::new(md5(content))
}

fn unavailable(attempted: &str, key: &ConfigKey, error: &crate::RegistryError) -> ConfigError {
    ConfigError::Unavailable { attempted: format!("{attempted} {key}"), why: error.to_string() }
}

/// One key, for one watch.
#[derive(Debug)]
struct Source {
    center: NacosConfig,
    key: ConfigKey,
    standing: watch::Receiver<Standing>,
    told: Option<watch::Receiver<()>>,
}

impl ConfigSource for Source {
    /// Asks to be told first, then reads.
    async fn read(&mut self) -> Result<Option<Config>, ConfigError> {
        self.told = None;
        let name = self.center.name(&self.key)?;
        let settled = |standing: &Standing| standing.session.is_some() || standing.trouble.is_some();
        // The follower does not wait for ever.
        let _ = self.standing.wait_for(settled).await;
        self.standing.mark_unchanged();
        let session = self.center.core.link.session().map_err(|error| unavailable("reading", &self.key, &error))?;
        let text = Text { center: &self.center, session, name, key: &self.key, attempted: "reading" };
        self.told = Some(text.session.listen(&text.name).await.map_err(text.failed())?);
        text.read().await
    }

    async fn disturbed(&mut self) {
        let told = async {
            match &mut self.told {
                Some(told) => drop(told.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = told => {}
            changed = self.standing.changed() => if changed.is_err() { std::future::pending().await },
        }
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.told = None;
        let session = self.standing.borrow().session.clone();
        if let (Some(session), Ok(name), Ok(runtime)) = (session, self.center.name(&self.key), Handle::try_current()) {
            runtime.spawn(async move { session.hear_no_more(&name).await });
        }
    }
}
