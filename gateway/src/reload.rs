//! A new version of the file: seen, read, and put into force or refused.
//!
//! The text is read now and again and compared, which works for every way in which files are replaced (written in place, renamed
//! over, a link that is swung round, as orchestrators do it) and on every file system. What is refused is told once, and what
//! was in force stays so.

use crate::{
    config::{Config, Refused},
    gateway::Gateway,
    snapshot::BadUpstream,
};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Why a text is not put into force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The text is no configuration.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// It changes what only a start can change.
    #[error("`{0}` changes only with a restart")]
    Fixed(&'static str),
    /// An earlier version is to come back, and is not kept.
    #[error("version {0} is not kept")]
    NoVersion(u64),
    /// An upstream cannot be.
    #[error(transparent)]
    Upstream(#[from] BadUpstream),
}

/// Follows the file for as long as the future is polled. `read` is the text that is in force.
pub(crate) async fn follow(gateway: Arc<Gateway>, path: PathBuf, mut read: String) {
    let mut trouble = None;
    loop {
        sleep(EVERY).await;
        let text = match tokio::fs::read_to_string(&path).await {
            Ok(text) => text,
            Err(error) => {
                tell_once(&mut trouble, &error);
                continue;
            }
        };
        trouble = None;
        // A file that is being written, or was emptied by mistake, is no wish for nothing.
        if text == read || text.trim().is_empty() {
            continue;
        }
        take(&gateway, &text);
        read = text;
    }
}

/// Puts a text into force, or tells why not; says whether it is.
pub(crate) fn take(gateway: &Gateway, text: &str) -> bool {
    match text.parse::<Config>().map_err(ReloadError::from).and_then(|config| gateway.reload(config)) {
        Ok(version) => {
            tracing::info!(version, "the file is in force");
            true
        }
        Err(error) => {
            tracing::error!(version = gateway.version(), "the file is refused, what was in force stays:\n{error}");
            false
        }
    }
}

fn tell_once(trouble: &mut Option<io::ErrorKind>, error: &io::Error) {
    if *trouble != Some(error.kind()) {
        tracing::warn!(%error, "the file cannot be read; what is in force stays");
        *trouble = Some(error.kind());
    }
}
