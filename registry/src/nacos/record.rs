//! One registration, as its controller handles it: written over the session, read back with the eyes of a stranger.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    Core, http,
    link::Standing,
    names,
    session::Session,
    wire::{Host, Service},
};
use crate::{
    controller::Seen,
    error::RegistryError,
    instance::{InstanceId, Registration},
    keep::Record,
};

/// How many services are read back at a time; the next ones have their turn the next time.
const AT_A_TIME: usize = 4;
/// A look that is younger than this serves for all registrations of this process.
const FRESH: Duration = Duration::from_secs(1);

/// One lease's record.
#[derive(Debug)]
pub(super) struct NacosRecord {
    core: Arc<Core>,
    id: InstanceId,
    /// What was ordered, whether or not it was done.
    ordered: BTreeMap<Service, Host>,
    /// Over which session all of it was done.
    written: Option<u64>,
    standing: watch::Receiver<Standing>,
    turn: usize,
}

impl NacosRecord {
    pub(super) fn new(core: Arc<Core>, id: InstanceId) -> Self {
        let standing = core.link.standing();
        Self { core, id, ordered: BTreeMap::new(), written: None, standing, turn: 0 }
    }

    fn wanted(&self, registration: &Registration) -> Result<BTreeMap<Service, Host>, RegistryError> {
        let place = &self.core.place;
        let one = |key| {
            let service = names::service(&place.namespace, &place.group, names::service_name(key));
            Ok((service, names::host(registration, key)?))
        };
        registration.keys.iter().map(one).collect()
    }

    /// Takes back what is ordered and not in `wanted`.
    async fn clear(&mut self, session: &Session, wanted: &BTreeMap<Service, Host>) -> Result<(), RegistryError> {
        let gone: Vec<Service> =
            self.ordered.keys().filter(|service| !wanted.contains_key(*service)).cloned().collect();
        for service in gone.into_iter().rev() {
            self.core.shelf.take(&service, &self.id);
            self.core.shelf.write(session, &service).await?;
            self.ordered.remove(&service);
        }
        Ok(())
    }

    async fn seen(&self, session: &Session, service: &Service, written: &Host) -> Result<Seen, RegistryError> {
        let listed = self.core.looks.at(session, &self.core, service).await?;
        let own = |host: &&serde_json::Value| host["metadata"]["mainstay.id"].as_str() == Some(self.id.as_str());
        Ok(match listed.iter().find(own) {
            None => Seen::Absent,
            Some(host) if names::same(host, written) => Seen::Same,
            Some(_) => Seen::Different,
        })
    }
}

impl Record for NacosRecord {
    async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let wanted = self.wanted(wanted)?;
        // Before there is a session: what waits is then written by whoever comes first.
        for (service, host) in &wanted {
            self.core.shelf.put(service, &self.id, host.clone());
        }
        self.ordered.extend(wanted.clone());
        self.written = None;
        let session = self.core.link.session()?;
        self.clear(&session, &wanted).await?;
        for service in wanted.keys() {
            self.core.shelf.write(&session, service).await?;
            self.core.looks.forget(service);
        }
        self.written = Some(session.number);
        Ok(())
    }

    async fn read_back(&mut self, _: &Arc<Registration>) -> Result<Seen, RegistryError> {
        let session = self.core.link.session()?;
        if self.written != Some(session.number) {
            return Ok(Seen::Absent);
        }
        let count = self.ordered.len();
        for at in (self.turn..self.turn + count.min(AT_A_TIME)).map(|at| at % count) {
            let Some((service, written)) = self.ordered.iter().nth(at) else { continue };
            let seen = self.seen(&session, service, written).await?;
            if seen != Seen::Same {
                self.core.shelf.lost(service);
                return Ok(seen);
            }
        }
        self.turn = (self.turn + AT_A_TIME) % count.max(1);
        Ok(Seen::Same)
    }

    async fn remove(&mut self) -> Result<(), RegistryError> {
        // First of all nobody is to write it again, also when the server is away.
        for service in self.ordered.keys() {
            self.core.shelf.take(service, &self.id);
        }
        let session = self.core.link.session()?;
        self.clear(&session, &BTreeMap::new()).await
    }

    async fn disturbed(&mut self) {
        let differs = |standing: &Standing| {
            standing
                .session
                .as_ref()
                .is_some_and(|session| self.written.is_some_and(|written| written != session.number))
        };
        if self.standing.wait_for(differs).await.is_err() {
            std::future::pending::<()>().await;
        }
        // The controller looks now; it is not to be told again before that.
        self.written = None;
    }
}

/// What strangers see of services, each looked at once a second at the most.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<BTreeMap<Service, Arc<tokio::sync::Mutex<Option<Look>>>>>);

#[derive(Debug)]
struct Look {
    at: Instant,
    hosts: Arc<Vec<serde_json::Value>>,
}

impl Looks {
    async fn at(
        &self,
        session: &Session,
        core: &Core,
        service: &Service,
    ) -> Result<Arc<Vec<serde_json::Value>>, RegistryError> {
        let look = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(service.clone()).or_default().clone();
        let mut look = look.lock().await;
        if let Some(look) = &*look
            && look.at.elapsed() < FRESH
        {
            return Ok(look.hosts.clone());
        }
        let token = core.link.auth().token();
        let listing = http::instances(session.server(), token.as_deref(), service).await?;
        let hosts = Arc::new(listing.hosts.unwrap_or_default());
        *look = Some(Look { at: Instant::now(), hosts: hosts.clone() });
        Ok(hosts)
    }

    /// What was seen is from before something was written.
    fn forget(&self, service: &Service) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
    }
}
