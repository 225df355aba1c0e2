//! What a session does with texts: reads, writes, removes, and hears of changes.
//!
//! A server gives texts out of a cache that follows its database: after a write it may say for some 100 ms what was there
//! before, and other servers of a cluster some time more. It tells of a change when its cache has it.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    session::{NoAnswer, PATIENCE, Session},
    text::{Additions, BUSY, Heard, Listen, NOT_FOUND, Publish, Query, Remove, TextName},
};

/// How long a text may be in the making.
const MAKING: Duration = Duration::from_secs(1);
/// How often is looked whether a text is what it is to be.
const LOOK: Duration = Duration::from_millis(20);

impl Session {
    /// What this server gives out under `name`.
    pub(super) async fn text(&self, name: &TextName) -> Result<Option<String>, NoAnswer> {
        let read = async {
            loop {
                match self.answer(&Query { name }).await {
                    Ok(queried) => return Ok(queried.content.filter(|content| !content.is_empty())),
                    Err(NoAnswer::Refused(refused)) if refused.code == NOT_FOUND => return Ok(None),
                    Err(NoAnswer::Refused(refused)) if refused.code == BUSY => sleep(LOOK).await,
                    Err(why) => return Err(why),
                }
            }
        };
        let busy = || NoAnswer::Silent(format!("it is being written for more than {MAKING:?}"));
        timeout(MAKING + PATIENCE, read).await.unwrap_or_else(|_| Err(busy()))
    }

    /// Puts a text there: in the place of whatever is there, or only of what has the MD5 `replaces`. The server takes it
    /// also when nothing is there; and of several that put one where nothing is at the same moment, a server that keeps its
    /// own database tells each that its text is there. `writer` says whose it is: see [`Stored`](super::http::Stored).
    pub(super) async fn put_text(
        &self,
        name: &TextName,
        content: &str,
        replaces: Option<&str>,
        writer: Option<&str>,
    ) -> Result<(), NoAnswer> {
        let publish = Publish { name, content, cas_md5: replaces, addition_map: Additions { writer } };
        self.answer(&publish).await.map(drop)
    }

    /// Takes away whatever is there.
    pub(super) async fn remove_text(&self, name: &TextName) -> Result<(), NoAnswer> {
        self.answer(&Remove { name }).await.map(drop)
    }

    /// Looks until what is there fits, for a bounded time; answers what was seen last.
    pub(super) async fn text_when(
        &self,
        name: &TextName,
        fits: impl Fn(Option<&str>) -> bool,
        patience: Duration,
    ) -> Result<Option<String>, NoAnswer> {
        let mut seen = self.text(name).await?;
        let look = async {
            while !fits(seen.as_deref()) {
                sleep(LOOK).await;
                seen = self.text(name).await?;
            }
            Ok(())
        };
        match timeout(patience, look).await {
            Ok(Err(why)) => Err(why),
            Ok(Ok(())) | Err(_) => Ok(seen),
        }
    }

    /// Has the server tell of every change of a text, there or not. What changes after this shows in the answer.
    pub(super) async fn listen(&self, name: &TextName) -> Result<watch::Receiver<()>, NoAnswer> {
        let told = self.told_of(name);
        self.answer(&Listen { listen: true, config_listen_contexts: [Heard { name, md5: "" }] }).await?;
        Ok(told)
    }

    /// Follows a text no more, unless somebody still does.
    pub(super) async fn hear_no_more(&self, name: &TextName) {
        if self.forget(name) {
            // If it does not hear of it, it pushes what nobody listens to.
            let _ = self.answer(&Listen { listen: false, config_listen_contexts: [Heard { name, md5: "" }] }).await;
        }
    }
}
