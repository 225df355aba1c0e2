//! Where the rules come from: a file, or a key of the config centre. Both are followed; a text that is gone or empty is no wish
//! for no rules (that is `[]`), and one that is wrong leaves what was in force.

use super::Limits;
use crate::config::RuleKind;
use mainstay_registry::{ConfigCenter, ConfigKey};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often a file is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Where rules are kept.
#[derive(Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Center(Arc<dyn ConfigCenter>, ConfigKey),
}

impl Source {
    /// Follows a text for as long as the future is polled: `take` hears each new one, and where it is from. `what` is what it holds,
    /// for the log.
    pub(crate) async fn follow(self, what: &str, mut take: impl FnMut(&str, &str)) {
        match self {
            Self::File(path) => {
                let mut read = String::new();
                loop {
                    // A file that is away is told of when it was there, by what it said last.
                    let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
                    if text != read && !text.trim().is_empty() {
                        take(&text, &path.display().to_string());
                        read = text;
                    }
                    sleep(EVERY).await;
                }
            }
            Self::Center(center, key) => {
                let mut watch = center.watch(&key);
                while let Some(sight) = watch.next().await {
                    match sight.config() {
                        Some(config) => take(&config.content, &format!("{key} in {}", center.describe())),
                        None => tracing::warn!(%key, "no {what} are there; what was in force stays"),
                    }
                }
            }
        }
    }
}

/// Follows the rules for as long as the future is polled.
pub(crate) async fn follow(kind: RuleKind, source: Source, limits: Limits) {
    source.follow(kind.noun(), |text, place| take(kind, &limits, text, place)).await;
}

fn take(kind: RuleKind, limits: &Limits, text: &str, place: &str) {
    let rules = kind.noun();
    match limits.take(kind, text) {
        Ok(wrong) => {
            tracing::info!(place, "{rules} are in force");
            wrong.iter().for_each(|why| tracing::error!(place, why, "of the {rules} one is left out"));
        }
        Err(why) => tracing::error!(place, why, "{rules} are refused, what was in force stays"),
    }
}
