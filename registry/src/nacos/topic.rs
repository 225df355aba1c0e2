//! What is followed over whatever session there is, and looked at again now and then: here a service, which is subscribed
//! to.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::select_all;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    link::{Link, Standing},
    roster::{Kind, Roster},
    session::Session,
    wire::{Listing, Service, Subscribe},
};
use crate::{
    backoff::{Backoff, spread},
    instance::fresh,
};

/// How often what is followed is looked at besides what is pushed, with jitter down to a half.
const RECONCILE: Duration = Duration::from_secs(60);
const WAITS: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(5) };

/// What is known of something that is followed.
#[derive(Clone, Debug, Default)]
pub(super) enum Sight<T> {
    /// Nothing yet.
    #[default]
    Unseen,
    /// The registry does not answer, for this reason.
    Silent(String),
    /// It says this.
    Said(Arc<T>),
}

/// Something that is followed.
pub(super) trait Subject: Send {
    /// What is known of it.
    type Said;

    /// Follows it over one session; ready when there is another one.
    fn follow(
        &mut self,
        session: &Session,
        standing: &mut watch::Receiver<Standing>,
        told: &watch::Sender<Sight<Self::Said>>,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Follows it over whatever session there is, for as long as there are any.
pub(super) async fn for_ever<S: Subject>(
    mut subject: S,
    mut standing: watch::Receiver<Standing>,
    told: watch::Sender<Sight<S::Said>>,
) {
    let mut failures = 0;
    loop {
        let now = standing.borrow_and_update().clone();
        let Some(session) = now.session else {
            if let Some(why) = now.trouble {
                told.send_replace(Sight::Silent(why));
            }
            if standing.changed().await.is_err() {
                return;
            }
            continue;
        };
        match subject.follow(&session, &mut standing, &told).await {
            Ok(()) => failures = 0,
            Err(why) => {
                failures += 1;
                told.send_replace(Sight::Silent(why));
                // Another session is reason to try at once.
                let _ = timeout(WAITS.delay(failures, fresh()), standing.changed()).await;
            }
        }
    }
}

/// Ready when there is news of any of these; never, of none. Cancel-safe.
pub(super) async fn any_changed<'a, T: 'a>(sights: impl IntoIterator<Item = &'a mut watch::Receiver<Sight<T>>>) {
    let news: Vec<_> = sights.into_iter().map(|sight| Box::pin(sight.changed())).collect();
    if news.is_empty() {
        std::future::pending::<()>().await;
    }
    drop(select_all(news).await);
}

/// How long until what is followed is looked at again, whatever is pushed.
pub(super) fn again() -> Duration {
    spread(RECONCILE, fresh())
}

/// A service that is followed for as long as somebody holds this.
#[derive(Debug)]
pub(super) struct Topic {
    service: Service,
    sight: watch::Receiver<Sight<Roster>>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

impl Topic {
    /// What is known, now and from now on.
    pub(super) fn sight(&self) -> watch::Receiver<Sight<Roster>> {
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
pub(super) struct Topics(Mutex<BTreeMap<(Service, Kind), Weak<Topic>>>);

impl Topics {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Service, Kind), Weak<Topic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic of `service`, read as `kind`. None without a runtime.
    pub(super) fn of(&self, link: &Link, service: &Service, kind: Kind) -> Option<Arc<Topic>> {
        let (mut topics, which) = (self.lock(), (service.clone(), kind));
        if let Some(topic) = topics.get(&which).and_then(Weak::upgrade) {
            return Some(topic);
        }
        topics.retain(|_, topic| topic.strong_count() > 0);
        let runtime = Handle::try_current().ok()?;
        let (told, sight) = watch::channel(Sight::<Roster>::default());
        let (service, kind) = which.clone();
        let subject = Following { service: service.clone(), kind, last: Arc::default() };
        let following = for_ever(subject, link.standing(), told);
        let topic = Arc::new(Topic { service, sight, standing: link.standing(), task: runtime.spawn(following) });
        topics.insert(which, Arc::downgrade(&topic));
        Some(topic)
    }
}

/// The task.
#[derive(Debug)]
struct Following {
    service: Service,
    kind: Kind,
    /// What was told last.
    last: Arc<Roster>,
}

impl Following {
    /// Tells it, unless that is what is known.
    fn tell(&mut self, listing: &Listing, told: &watch::Sender<Sight<Roster>>) {
        let roster = Roster::read(listing, &self.kind, &self.last);
        told.send_if_modified(|sight| {
            let known = matches!(sight, Sight::Said(known) if known.is(&roster));
            if !known {
                self.last = Arc::new(roster);
                *sight = Sight::Said(self.last.clone());
            }
            !known
        });
    }
}

impl Subject for Following {
    type Said = Roster;

    /// What is pushed counts from before the question, so that no answer that was on its way hides it.
    async fn follow(
        &mut self,
        session: &Session,
        standing: &mut watch::Receiver<Standing>,
        told: &watch::Sender<Sight<Roster>>,
    ) -> Result<(), String> {
        let mut pushed = session.topic(&self.service);
        loop {
            pushed.borrow_and_update();
            let subscribe = Subscribe { service: &self.service, subscribe: true, clusters: "" };
            let answer = session.ask(&subscribe).await.map_err(|why| why.to_string())?;
            self.tell(&answer.service_info, told);
            let look_again = sleep(again());
            tokio::pin!(look_again);
            loop {
                tokio::select! {
                    Ok(()) = pushed.changed() => {
                        let listing = pushed.borrow_and_update().clone();
                        if let Some(listing) = listing {
                            self.tell(&listing, told);
                        }
                    }
                    _ = standing.changed() => return Ok(()),
                    () = &mut look_again => break,
                }
            }
        }
    }
}
