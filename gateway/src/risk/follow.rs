//! Where the set of rules comes from: a file, or a key of the config centre. Both are followed; a text that is gone or empty is no
//! wish for no rules, and one that is wrong, or fails a test of its own, leaves what was in force.

use super::Risk;
use crate::flow::Source;
use std::time::Duration;
use tokio::time::sleep;

/// How often a file is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Follows the rules for as long as the future is polled.
pub(crate) async fn follow(source: Source, risk: Risk) {
    match source {
        Source::File(path) => {
            let mut read = String::new();
            loop {
                let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
                if text != read && !text.trim().is_empty() {
                    take(&risk, &text, &path.display().to_string());
                    read = text;
                }
                sleep(EVERY).await;
            }
        }
        Source::Center(center, key) => {
            let mut watch = center.watch(&key);
            while let Some(sight) = watch.next().await {
                match sight.config() {
                    Some(config) => take(&risk, &config.content, &format!("{key} in {}", center.describe())),
                    None => tracing::warn!(%key, "no risk rules are there; what was in force stays"),
                }
            }
        }
    }
}

fn take(risk: &Risk, text: &str, place: &str) {
    match risk.take(text) {
        Ok(version) => tracing::info!(place, version, "risk rules are in force"),
        Err(why) => tracing::error!(place, "risk rules are refused, what was in force stays:\n{why}"),
    }
}
