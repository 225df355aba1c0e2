//! What a provider writes beside its instances: itself into the mapping of each interface, and its application's document.
//!
//! All registrations of a process that want the same are one request. A mapping is a list that others write too: it is
//! replaced only as it was read, and read again when somebody was faster.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    session::{NoAnswer, Session},
    text::{NOTHING, TextName, md5},
};
use crate::{
    dubbo::{applications, mapped},
    error::RegistryError,
};

/// How often a list that others write too is tried at once.
const TRIES: usize = 10;
/// How long until a server gives out what was written, at the most.
const SHOWS: Duration = Duration::from_secs(1);
/// How many texts are written at a time: they go into the server's database, and whoever waits there for 3 s waits in vain.
const AT_A_TIME: usize = 16;
/// Most texts whose state is kept; then all are looked at again.
const MAX_KEPT: usize = 10_000;
/// The server's code for what it refuses to those who have no right to it.
const FORBIDDEN: i64 = 403;

/// What this process has written.
#[derive(Debug)]
pub(super) struct Papers {
    gates: Mutex<BTreeMap<TextName, Gate>>,
    turns: Semaphore,
}

/// Whoever writes a text writes it for all who wait for it.
type Gate = Arc<tokio::sync::Mutex<Seen>>;

/// For which applications a text is as it should be, as far as was seen over one session.
#[derive(Debug, Default)]
struct Seen {
    session: u64,
    applications: BTreeSet<String>,
}

impl Default for Papers {
    fn default() -> Self {
        Self { gates: Mutex::default(), turns: Semaphore::new(AT_A_TIME) }
    }
}

impl Papers {
    /// Sees to it that `application` is in the list `mapping`, and that the server says so.
    ///
    /// # Errors
    /// The server's own code and text. A write that failed may have been done.
    pub(super) async fn map(
        &self,
        session: &Session,
        mapping: &TextName,
        application: &str,
    ) -> Result<(), RegistryError> {
        self.once(session, mapping, application, put_mapping(session, mapping, application)).await
    }

    /// Sees to it that `content` is what `application` offers under the name `document`.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub(super) async fn store(
        &self,
        session: &Session,
        document: &TextName,
        application: &str,
        content: &str,
    ) -> Result<(), RegistryError> {
        self.once(session, document, application, put_document(session, document, content)).await
    }

    /// It is not as it should be any more, whatever was written: the next write looks.
    pub(super) fn lost(&self, text: &TextName) {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).remove(text);
    }

    /// Does `work`, unless somebody has over this session.
    async fn once(
        &self,
        session: &Session,
        text: &TextName,
        application: &str,
        work: impl Future<Output = Result<(), RegistryError>>,
    ) -> Result<(), RegistryError> {
        let gate = self.gate(text);
        let mut seen = gate.lock().await;
        if seen.session != session.number {
            *seen = Seen { session: session.number, ..Seen::default() };
        }
        if !seen.applications.contains(application) {
            // It is never closed.
            let _turn = self.turns.acquire().await;
            work.await?;
            seen.applications.insert(application.to_owned());
        }
        Ok(())
    }

    fn gate(&self, text: &TextName) -> Gate {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MAX_KEPT {
            gates.clear();
        }
        gates.entry(text.clone()).or_default().clone()
    }
}

async fn put_mapping(session: &Session, mapping: &TextName, application: &str) -> Result<(), RegistryError> {
    let failed = |why| failed("writing", mapping, session, why);
    let in_it = |list: Option<&str>| list.is_some_and(|list| applications(list).any(|one| one == application));
    let mut there = session.text(mapping).await.map_err(failed)?;
    for _ in 0..TRIES {
        let Some(list) = mapped(there.as_deref().unwrap_or_default(), application) else { return Ok(()) };
        let replaces = there.as_deref().map_or_else(|| NOTHING.to_owned(), md5);
        match session.put_text(mapping, &list, Some(&replaces), None).await {
            // Of several that make it at the same moment each is told that it did: what shows counts.
            Ok(()) => {
                there = session.text_when(mapping, in_it, SHOWS).await.map_err(failed)?;
                if in_it(there.as_deref()) {
                    return Ok(());
                }
            }
            Err(NoAnswer::Refused(refused)) if refused.code != FORBIDDEN => {
                let before = there.take();
                let news = |list: Option<&str>| list != before.as_deref();
                there = session.text_when(mapping, news, SHOWS).await.map_err(failed)?;
                // Somebody else was faster, if what he wrote shows.
                if there == before {
                    return Err(failed(refused.into()));
                }
            }
            Err(why) => return Err(failed(why)),
        }
    }
    let why = format!("others wrote it {TRIES} times meanwhile");
    Err(RegistryError::Unavailable { attempted: format!("writing {mapping}"), why })
}

/// It is the same for whoever writes it: its name holds a hash of its content.
async fn put_document(session: &Session, document: &TextName, content: &str) -> Result<(), RegistryError> {
    let failed = |why| failed("writing", document, session, why);
    if session.text(document).await.map_err(failed)?.as_deref() == Some(content) {
        return Ok(());
    }
    session.put_text(document, content, None, None).await.map_err(failed)
}

/// The failure of a request about a text.
pub(super) fn failed(attempted: &str, text: &TextName, session: &Session, why: NoAnswer) -> RegistryError {
    let attempted = format!("{attempted} {text} in {}", session.server());
    RegistryError::Unavailable { attempted, why: why.to_string() }
}
