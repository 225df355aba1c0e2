//! The file, kept in a config centre: followed there, and its last good text written to disk, from which a gateway starts when the
//! centre is away.

use crate::{config::Config, gateway::Gateway, reload::take};
use mainstay_registry::{ConfigCenter, ConfigKey};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// How long a gateway that has no text on disk waits for the first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the text is kept.
#[derive(Clone, Debug)]
pub(crate) struct Center {
    center: Arc<dyn ConfigCenter>,
    key: ConfigKey,
    /// Where the last good text is written.
    file: PathBuf,
}

/// Why there is nothing to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoText {
    #[error("{key} was not seen in {center} for {PATIENCE:?}, and {file} is not there")]
    Unseen { key: ConfigKey, center: String, file: String },
    #[error("{0}")]
    Refused(crate::config::Refused),
}

impl Center {
    /// # Errors
    /// In words: a URL that is none, or of what has no config centre.
    pub(crate) fn open(url: &str, key: ConfigKey, file: &Path) -> Result<Self, String> {
        let hub = mainstay_registry::connect(url).map_err(|error| error.to_string())?;
        let center = hub.config_center().map_err(|error| error.to_string())?;
        Ok(Self { center, key, file: file.to_owned() })
    }

    /// What to start with: the last good text on disk, else what the centre has.
    ///
    /// # Errors
    /// There is neither, or it is refused.
    pub(crate) async fn begin(&self) -> Result<(String, Config), NoText> {
        if let Ok(text) = tokio::fs::read_to_string(&self.file).await {
            match text.parse() {
                Ok(config) => return Ok((text, config)),
                Err(refused) => tracing::error!("the last good text is refused: the centre is asked\n{refused}"),
            }
        }
        let mut watch = self.center.watch(&self.key);
        let first = async {
            while let Some(sight) = watch.next().await {
                if let Some(config) = sight.config().filter(|config| !config.content.trim().is_empty()) {
                    return Some(config.content.clone());
                }
            }
            None
        };
        let unseen = || NoText::Unseen {
            key: self.key.clone(),
            center: self.center.describe(),
            file: self.file.display().to_string(),
        };
        let text = timeout(PATIENCE, first).await.ok().flatten().ok_or_else(unseen)?;
        let config = text.parse().map_err(NoText::Refused)?;
        self.keep(&text).await;
        Ok((text, config))
    }

    /// Follows it for as long as the future is polled. A text that is gone is no wish for nothing.
    pub(crate) async fn follow(self, gateway: Arc<Gateway>, mut read: String) {
        let mut watch = self.center.watch(&self.key);
        while let Some(sight) = watch.next().await {
            let Some(config) = sight.config() else {
                tracing::warn!(key = %self.key, "nothing is there; what was in force stays");
                continue;
            };
            let text = config.content.as_str();
            if text == read || text.trim().is_empty() {
                continue;
            }
            if take(&gateway, text) {
                self.keep(text).await;
            }
            read = text.to_owned();
        }
    }

    /// Writes the text that is in force, whole or not at all.
    async fn keep(&self, text: &str) {
        let beside = self.file.with_extension("new");
        let written = async {
            tokio::fs::write(&beside, text).await?;
            tokio::fs::rename(&beside, &self.file).await
        };
        let written: io::Result<()> = written.await;
        if let Err(error) = written {
            tracing::error!(%error, file = %self.file.display(), "the last good text cannot be written");
        }
    }
}
