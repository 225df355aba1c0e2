//! A session for ever: when one ends the next is opened, at another server if there is one, with jittered waits that
//! never grow long. The one that ended is closed before: two of ours would be two owners of one registration.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    http::Auth,
    session::{End, Session},
    url::Place,
};
use crate::{backoff::Backoff, error::RegistryError, instance::fresh};

/// How long opening a session may take.
const OPENING: Duration = Duration::from_millis(4500);
/// How long a session is kept that the server wants gone, until everything is said again over the next one.
const HANDOVER: Duration = Duration::from_secs(3);
/// A server that comes back is to be found within seconds.
const WAITS: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(3) };

/// Keeps a session open.
#[derive(Debug)]
pub(super) struct Link {
    place: Arc<Place>,
    auth: Arc<Auth>,
    state: watch::Sender<Standing>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How the link stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// The session, while there is one.
    pub(super) session: Option<Arc<Session>>,
    /// Why there is none.
    pub(super) trouble: Option<String>,
}

impl Link {
    pub(super) fn new(place: Arc<Place>) -> Self {
        let auth = Arc::new(Auth::new(place.login.clone()));
        Self { place, auth, state: watch::Sender::default(), task: Mutex::default() }
    }

    /// Sees to it that it is kept up, on the current runtime. False without one.
    pub(super) fn keep(&self) -> bool {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let Ok(runtime) = Handle::try_current() else { return false };
            let keeping = Keeping {
                place: self.place.clone(),
                auth: self.auth.clone(),
                state: self.state.clone(),
                opened: 0,
                // Clients of one list do not all go to its first server.
                turn: usize::try_from(fresh() % 64).unwrap_or(0),
            };
            *task = Some(runtime.spawn(keeping.run()));
        }
        true
    }

    /// How it stands, now and from now on.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.state.subscribe()
    }

    /// Who asks.
    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The session, or why there is none.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`].
    pub(super) fn session(&self) -> Result<Arc<Session>, RegistryError> {
        let standing = self.state.borrow();
        standing.session.clone().ok_or_else(|| RegistryError::Unavailable {
            attempted: format!("no connection to {}", self.place.describe()),
            why: standing.trouble.clone().unwrap_or_else(|| "it is being opened".to_owned()),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// The task.
#[derive(Debug)]
struct Keeping {
    place: Arc<Place>,
    auth: Arc<Auth>,
    state: watch::Sender<Standing>,
    opened: u64,
    turn: usize,
}

impl Keeping {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            match self.open().await {
                Ok(session) => {
                    failures = 0;
                    tracing::info!(server = %session.server(), "connected to the registry");
                    self.state.send_replace(Standing { session: Some(session.clone()), trouble: None });
                    match session.ended().await {
                        End::GoAway => drop(tokio::spawn(async move {
                            sleep(HANDOVER).await;
                            drop(session);
                        })),
                        End::Gone(why) => {
                            let server = session.server().clone();
                            drop(session);
                            self.trouble(format!("the connection to {server} ended: {why}"));
                            sleep(WAITS.delay(1, fresh())).await;
                        }
                    }
                }
                Err(why) => {
                    failures += 1;
                    self.trouble(why);
                    sleep(WAITS.delay(failures, fresh())).await;
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Arc<Session>, String> {
        let server = self.place.servers[self.turn % self.place.servers.len()].clone();
        self.turn += 1;
        self.opened += 1;
        let opening = Session::open(self.opened, server.clone(), &self.place.namespace, self.auth.clone());
        match timeout(OPENING, opening).await {
            Ok(opened) => opened.map_err(|why| why.to_string()),
            Err(_) => Err(format!("connecting to {server}: not done within {OPENING:?}")),
        }
    }

    fn trouble(&self, why: impl Display) {
        let why = why.to_string();
        let news = self.state.send_if_modified(|standing| {
            let news = standing.session.is_some() || standing.trouble.as_ref() != Some(&why);
            *standing = Standing { session: None, trouble: Some(why.clone()) };
            news
        });
        if news {
            tracing::warn!(registry = %self.place.describe(), why, "no connection to the registry, trying on");
        }
    }
}
