//! One service that is followed: subscribed to over whatever session there is, and looked at again now and then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    link::{Link, Standing},
    session::Session,
    wire::{Listing, Service, Subscribe},
};
use crate::{
    backoff::{Backoff, spread},
    instance::fresh,
};

/// How often a service is looked at besides what is pushed, with jitter down to a half.
const RECONCILE: Duration = Duration::from_secs(60);
const WAITS: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(5) };

/// What is known of a service.
#[derive(Clone, Debug, Default)]
pub(super) enum Sight {
    /// Nothing yet.
    #[default]
    Unseen,
    /// The registry does not answer, for this reason.
    Silent(String),
    /// It lists these.
    Listed(Arc<Listing>),
}

/// A service that is followed for as long as somebody holds this.
#[derive(Debug)]
pub(super) struct Topic {
    service: Service,
    sight: watch::Receiver<Sight>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Topic {
    /// What is known, now and from now on.
    pub(super) fn sight(&self) -> watch::Receiver<Sight> {
        self.sight.clone()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.task.abort();
        let session = self.standing.borrow().session.clone();
        if let (Some(session), Ok(runtime)) = (session, Handle::try_current()) {
            let service = self.service.clone();
            runtime.spawn(async move { session.leave(&service).await });
        }
    }
}

/// The services that are followed, each once, however many follow it.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<BTreeMap<Service, Weak<Topic>>>);

impl Topics {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Service, Weak<Topic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic of `service`. None without a runtime.
    pub(super) fn of(&self, link: &Link, service: &Service) -> Option<Arc<Topic>> {
        let mut topics = self.lock();
        if let Some(topic) = topics.get(service).and_then(Weak::upgrade) {
            return Some(topic);
        }
        topics.retain(|_, topic| topic.strong_count() > 0);
        let runtime = Handle::try_current().ok()?;
        let (told, sight) = watch::channel(Sight::default());
        let following = Following { service: service.clone(), standing: link.standing(), told };
        let topic = Arc::new(Topic {
            service: service.clone(),
            sight,
            standing: link.standing(),
            task: runtime.spawn(following.run()),
        });
        topics.insert(service.clone(), Arc::downgrade(&topic));
        Some(topic)
    }
}

/// The task.
#[derive(Debug)]
struct Following {
    service: Service,
    standing: watch::Receiver<Standing>,
    told: watch::Sender<Sight>,
}

impl Following {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let standing = self.standing.borrow_and_update().clone();
            let Some(session) = standing.session else {
                if let Some(why) = standing.trouble {
                    self.told.send_replace(Sight::Silent(why));
                }
                if self.standing.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match self.follow(&session).await {
                Ok(()) => failures = 0,
                Err(why) => {
                    failures += 1;
                    self.told.send_replace(Sight::Silent(why));
                    // Another session is reason to try at once.
                    let _ = timeout(WAITS.delay(failures, fresh()), self.standing.changed()).await;
                }
            }
        }
    }

    /// Follows the service over one session, for as long as that is the one. What is pushed counts from before the question,
    /// so that no answer that was on its way hides it.
    async fn follow(&mut self, session: &Session) -> Result<(), String> {
        let mut pushed = session.topic(&self.service);
        loop {
            pushed.borrow_and_update();
            let subscribe = Subscribe { service: &self.service, subscribe: true, clusters: "" };
            let answer = session.ask(&subscribe).await.map_err(|why| why.to_string())?;
            self.told.send_replace(Sight::Listed(Arc::new(answer.service_info)));
            let look_again = sleep(spread(RECONCILE, fresh()));
            tokio::pin!(look_again);
            loop {
                tokio::select! {
                    Ok(()) = pushed.changed() => {
                        if let Some(listing) = pushed.borrow_and_update().clone() {
                            self.told.send_replace(Sight::Listed(listing));
                        }
                    }
                    _ = self.standing.changed() => return Ok(()),
                    () = &mut look_again => break,
                }
            }
        }
    }
}
