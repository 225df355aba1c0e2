//! One registration, as its controller handles it: written over the session, at both levels, and read back with the eyes of a
//! stranger.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    Core, http,
    link::Standing,
    names,
    papers::failed,
    plan::{Mark, Plan},
    session::Session,
    text::TextName,
    wire::{Host, Service},
};
use crate::{
    controller::Seen,
    dubbo::applications,
    error::RegistryError,
    instance::{InstanceId, Registration},
    keep::Record,
};

/// How much is read back at a time; the rest has its turn the next times.
const AT_A_TIME: usize = 4;
/// A look that is younger than this serves for all registrations of this process.
const FRESH: Duration = Duration::from_secs(1);

/// One lease's record.
#[derive(Debug)]
pub(super) struct NacosRecord {
    core: Arc<Core>,
    id: InstanceId,
    /// What was ordered, whether or not it was done, in the order in which it was.
    ordered: Vec<(Service, Host)>,
    /// What was written, once all of it was, and over which session.
    written: Option<(u64, Plan)>,
    /// What was to be written last, and how often that was something else than before.
    said: Option<Plan>,
    changes: u64,
    standing: watch::Receiver<Standing>,
    turn: usize,
}

impl NacosRecord {
    pub(super) fn new(core: Arc<Core>, id: InstanceId) -> Self {
        let standing = core.link.standing();
        Self { core, id, ordered: Vec::new(), written: None, said: None, changes: 0, standing, turn: 0 }
    }

    /// What is to be written, so that strangers can tell it from what was before it.
    fn numbered(&mut self, plan: Plan) -> Result<Plan, RegistryError> {
        if self.said.as_ref().is_some_and(|said| *said != plan) {
            self.changes += 1;
        }
        self.said = Some(plan.clone());
        plan.numbered(self.changes)
    }

    fn order(&mut self, plan: &Plan) {
        let wanted: Vec<_> = plan.instances().map(|(service, host)| (service.clone(), host.clone())).collect();
        self.ordered.retain(|(service, _)| wanted.iter().all(|(other, _)| other != service));
        self.ordered.extend(wanted);
    }

    /// Takes back what was ordered and stands under no service that `keeps`, the last first.
    async fn clear(&mut self, session: &Session, keeps: impl Fn(&Service) -> bool) -> Result<(), RegistryError> {
        let gone = self.ordered.iter().map(|(service, _)| service).filter(|service| !keeps(service));
        for service in gone.cloned().collect::<Vec<_>>().into_iter().rev() {
            self.core.shelf.take(&service, &self.id);
            self.core.shelf.write(session, &service).await?;
            self.ordered.retain(|(ordered, _)| *ordered != service);
        }
        Ok(())
    }

    /// Announces what is on the shelf under `service`.
    async fn announce(&self, session: &Session, service: &Service) -> Result<(), RegistryError> {
        self.core.shelf.write(session, service).await?;
        self.core.looks.services.forget(service);
        Ok(())
    }

    /// What a stranger sees of a mark. What is not as it should be counts as not written.
    async fn seen(&self, session: &Session, mark: Mark<'_>) -> Result<Seen, RegistryError> {
        let Core { papers, shelf, .. } = &*self.core;
        let seen = match mark {
            Mark::Instance(service, written) => {
                let listed = self.core.looks.services.at(service, || self.listed(session, service)).await?;
                let own = |host: &&serde_json::Value| names::own_id(host) == Some(self.id.as_str());
                let found = match listed.iter().filter(own).max_by_key(|host| names::newness(host)) {
                    Some(host) => Some(host.clone()),
                    // Whom an operator switched off is in no list, and there all the same.
                    None => self.alone(session, service, written).await?.filter(|host| own(&host)),
                };
                match found {
                    None => Seen::Absent,
                    Some(host) if names::same(&host, written) => Seen::Same,
                    Some(_) => Seen::Different,
                }
            }
            Mark::Mapped(name, application) => {
                let list = self.core.looks.mappings.at(name, || self.text(session, name)).await?;
                let mapped = list.as_deref().is_some_and(|list| applications(list).any(|one| one == application));
                if mapped { Seen::Same } else { Seen::Absent }
            }
            Mark::Stored(name, content) => match self.text(session, name).await?.as_deref() {
                Some(there) if there == content => Seen::Same,
                Some(_) => Seen::Different,
                None => Seen::Absent,
            },
        };
        match mark {
            _ if seen == Seen::Same => {}
            Mark::Instance(service, _) => shelf.lost(service),
            Mark::Mapped(name, _) | Mark::Stored(name, _) => papers.lost(name),
        }
        Ok(seen)
    }

    async fn listed(&self, session: &Session, service: &Service) -> Result<Vec<serde_json::Value>, RegistryError> {
        let token = self.core.link.auth().token();
        let listing = http::instances(session.server(), token.as_deref(), service).await?;
        Ok(listing.values().collect())
    }

    async fn alone(
        &self,
        session: &Session,
        service: &Service,
        written: &Host,
    ) -> Result<Option<serde_json::Value>, RegistryError> {
        let token = self.core.link.auth().token();
        http::instance(session.server(), token.as_deref(), service, (&written.ip, written.port)).await
    }

    async fn text(&self, session: &Session, name: &TextName) -> Result<Option<String>, RegistryError> {
        session.text(name).await.map_err(|why| failed("reading", name, session, why))
    }
}

impl Record for NacosRecord {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let plan = Plan::of(wanted, &self.core.place)?;
        let plan = self.numbered(plan)?;
        self.order(&plan);
        // Before there is a session: what waits is then written by whoever comes first.
        for (service, host) in &plan.providers {
            self.core.shelf.put(service, &self.id, host.clone());
        }
        self.written = None;
        let session = self.core.link.session()?;
        self.clear(&session, |service| plan.instances().any(|(wanted, _)| wanted == service)).await?;
        for service in plan.providers.keys() {
            self.announce(&session, service).await?;
        }
        if let Some(plan) = &plan.application {
            let papers = &self.core.papers;
            for mapping in &plan.mappings {
                papers.map(&session, mapping, &plan.name).await?;
                self.core.looks.mappings.forget(mapping);
            }
            papers.store(&session, &plan.document, &plan.name, &plan.content).await?;
            // Not before: whoever offers the same application from this process writes this one too.
            self.core.shelf.put(&plan.service, &self.id, plan.host.clone());
            self.announce(&session, &plan.service).await?;
        }
        self.written = Some((session.number, plan));
        Ok(())
    }

    async fn read_back(&mut self, _: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let session = self.core.link.session()?;
        let Some((_, plan)) = self.written.as_ref().filter(|(number, _)| *number == session.number) else {
            return Ok(Seen::Absent);
        };
        let marks = plan.marks();
        let count = marks.len();
        for at in (self.turn..self.turn + count.min(AT_A_TIME)).map(|at| at % count) {
            let seen = self.seen(&session, marks[at]).await?;
            if seen != Seen::Same {
                return Ok(seen);
            }
        }
        self.turn = (self.turn + AT_A_TIME) % count.max(1);
        Ok(Seen::Same)
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        // First of all nobody is to write it again, also when the server is away.
        for (service, _) in &self.ordered {
            self.core.shelf.take(service, &self.id);
        }
        let session = self.core.link.session()?;
        self.clear(&session, |_| false).await
    }

    async fn disturbed(&mut self) {
        let differs = |standing: &Standing| {
            standing
                .session
                .as_ref()
                .is_some_and(|session| self.written.as_ref().is_some_and(|(written, _)| *written != session.number))
        };
        if self.standing.wait_for(differs).await.is_err() {
            std::future::pending::<()>().await;
        }
        // The controller looks now; it is not to be told again before that.
        self.written = None;
    }
}

/// What strangers see, each looked at once a second at the most.
#[derive(Debug, Default)]
pub(super) struct Looks {
    services: Each<Service, Vec<serde_json::Value>>,
    mappings: Each<TextName, Option<String>>,
}

/// What is known of each of many.
#[derive(Debug)]
struct Each<K, V>(Mutex<BTreeMap<K, Place<V>>>);

/// Whoever looks, looks for all who wait for it.
type Place<V> = Arc<tokio::sync::Mutex<Option<Look<V>>>>;

#[derive(Debug)]
struct Look<V> {
    at: Instant,
    seen: Arc<V>,
}

impl<K, V> Default for Each<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, V> Each<K, V> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Place<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is seen of `one`, by `look` unless somebody just has.
    async fn at<F: Future<Output = Result<V, RegistryError>>>(
        &self,
        one: &K,
        look: impl FnOnce() -> F,
    ) -> Result<Arc<V>, RegistryError> {
        let place = self.lock().entry(one.clone()).or_default().clone();
        let mut last = place.lock().await;
        if let Some(last) = &*last
            && last.at.elapsed() < FRESH
        {
            return Ok(last.seen.clone());
        }
        let seen = Arc::new(look().await?);
        *last = Some(Look { at: Instant::now(), seen: seen.clone() });
        Ok(seen)
    }

    /// What was seen is from before something was written.
    fn forget(&self, one: &K) {
        self.lock().remove(one);
    }
}
