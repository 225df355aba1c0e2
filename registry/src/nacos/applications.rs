//! The application level of one interface: the mapping, the applications in it, each a service that is followed, and what
//! their instances offer.
//!
//! An application that was once in the mapping is followed on, as nobody is ever taken out of it: a server that comes back
//! without its data has an empty one until somebody writes it again.

use std::{collections::BTreeMap, future::ready, sync::Arc};

use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use super::{
    Core,
    mapping::Mapping,
    names,
    roster::{Kind, Roster},
    session::Session,
    topic::{Sight, Topic, any_changed},
};
use crate::dubbo::{
    Documents, Library, Listed, MAX_APPLICATIONS, MetadataInfo, MetadataSource, ServiceInstance, applications,
};

/// How many contents are learned at a time.
const AT_A_TIME: usize = 64;
/// How many instances of one revision are asked in turn, before what they offer counts as not known for now.
const ASKED: usize = 2;

/// All applications that offer one interface.
#[derive(Debug)]
pub(super) struct Applications {
    core: Arc<Core>,
    /// None for an interface that Nacos takes no mapping of.
    mapping: Option<(Mapping, watch::Receiver<Sight<String>>)>,
    followed: BTreeMap<String, (Arc<Topic>, watch::Receiver<Sight<Roster>>)>,
}

impl Applications {
    /// Those of `interface`.
    pub(super) fn of(core: &Arc<Core>, interface: &str) -> Self {
        let name = names::mapping(&core.place.namespace, interface);
        let mapping = name.and_then(|name| Mapping::follow(&core.link, name));
        Self { core: core.clone(), mapping, followed: BTreeMap::new() }
    }

    /// Follows whoever is new in the mapping. Answers whether the mapping is known.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn refresh(&mut self) -> Result<bool, String> {
        let Some((_, sight)) = &mut self.mapping else { return Ok(true) };
        let list = match &*sight.borrow_and_update() {
            Sight::Unseen => return Ok(false),
            Sight::Silent(why) => return Err(why.clone()),
            Sight::Said(list) => list.clone(),
        };
        for application in applications(&list).filter(|name| names::is_application(name)).take(MAX_APPLICATIONS) {
            if self.followed.contains_key(application) || self.followed.len() >= MAX_APPLICATIONS {
                continue;
            }
            let service = names::service(&self.core.place.namespace, &self.core.place.group, application.to_owned());
            let kind = Kind::Application(application.to_owned());
            if let Some(topic) = self.core.topics.of(&self.core.link, &service, kind) {
                let sight = topic.sight();
                self.followed.insert(application.to_owned(), (topic, sight));
            }
        }
        Ok(true)
    }

    /// What is known of each application.
    pub(super) fn sights(&mut self) -> impl Iterator<Item = Sight<Roster>> {
        self.followed.values_mut().map(|(_, sight)| sight.borrow_and_update().clone())
    }

    /// Ready when there is news of the mapping, or of an application. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let mapping = self.mapping.as_mut().map(|(_, sight)| sight);
        let applications = self.followed.values_mut().map(|(_, sight)| sight);
        tokio::select! {
            () = any_changed(mapping) => {}
            () = any_changed(applications) => {}
        }
    }

    /// Learns what `processes` offer, as far as that is not known yet: one says it for all of its revision. Answers whether
    /// all is known that may be.
    pub(super) async fn learn(&self, session: &Session, processes: impl Iterator<Item = &Listed>) -> bool {
        let library = &self.core.library;
        let unknown: Vec<&Listed> = processes.filter(|one| !library.teach(one)).collect();
        let mut by_revision: BTreeMap<(&str, &str), Vec<Arc<ServiceInstance>>> = BTreeMap::new();
        for instance in unknown.iter().map(|process| process.instance()) {
            let Some(revision) = instance.revision() else { continue };
            by_revision.entry((&instance.application, revision)).or_default().push(instance.clone());
        }
        let documents = Stored::of(&self.core, session);
        // Collected first, so that what is awaited borrows from none of the groups.
        let alike: Vec<Vec<Arc<ServiceInstance>>> = by_revision.into_values().collect();
        let learned = stream::iter(alike).map(|alike| learned(library, &documents, alike));
        let all = learned.buffer_unordered(AT_A_TIME).fold(true, |all, said| ready(all && said)).await;
        for process in unknown {
            library.teach(process);
        }
        all
    }
}

/// Learns it of one of those that offer the same. Answers whether nobody will say more.
async fn learned(library: &Library, documents: &Stored<'_>, alike: Vec<Arc<ServiceInstance>>) -> bool {
    let mut tried = 0;
    for instance in &alike {
        if tried == ASKED {
            break;
        }
        if library.was_silent(instance) {
            continue;
        }
        tried += 1;
        if library.content(documents, instance).await.is_some() {
            return true;
        }
    }
    let may_say =
        |instance: &Arc<ServiceInstance>| library.may_learn(instance) || instance.source() == MetadataSource::Stored;
    !alike.iter().any(may_say)
}

/// The documents beside the services, where either kind of peer puts them.
pub(super) struct Stored<'a> {
    namespace: &'a str,
    session: &'a Session,
}

impl<'a> Stored<'a> {
    /// Those that are read over `session`.
    pub(super) fn of(core: &'a Core, session: &'a Session) -> Self {
        Self { namespace: &core.place.namespace, session }
    }
}

impl Documents for Stored<'_> {
    async fn stored(&self, application: &str, revision: &str) -> Option<MetadataInfo> {
        for name in [names::document, names::old_document] {
            let Some(name) = name(self.namespace, application, revision) else { continue };
            let text = match self.session.text(&name).await {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(why) => {
                    tracing::debug!(document = %name, %why, "a document cannot be read");
                    continue;
                }
            };
            match MetadataInfo::of_revision(text.as_bytes(), revision) {
                Ok(info) => return Some(info),
                Err(why) => tracing::warn!(document = %name, %why, "the metadata there is not taken"),
            }
        }
        None
    }
}
