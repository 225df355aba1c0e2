//! What applications offer, by application and revision: read from the registry's documents, or asked of a provider.
//!
//! A revision names its content for ever, so what was learned is kept. What could not be learned is tried again, but not
//! at once: a provider that does not answer must not hold up those that do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use zookeeper_client::Client;

use super::nodes::{Nodes, is_name};
use crate::dubbo::{FetchMetadata, MetadataAddress, MetadataInfo, MetadataSource, ServiceInstance};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what could not be learned is not tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Most contents that are kept; then all are forgotten and learned anew.
const MAX_KEPT: usize = 10_000;

/// The application and the revision.
type Name = (String, String);

/// What was learned so far; one for all lookups of a registry.
#[derive(Debug)]
pub(super) struct Library {
    nodes: Nodes,
    fetch: Option<Arc<dyn FetchMetadata>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    known: BTreeMap<Name, Arc<MetadataInfo>>,
    /// Who could not say it, by address, and when.
    silent: BTreeMap<(Name, String), Instant>,
}

impl Library {
    pub(super) fn new(nodes: Nodes, fetch: Option<Arc<dyn FetchMetadata>>) -> Self {
        Self { nodes, fetch, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `instance` may say later what it did not say yet.
    pub(super) fn may_learn(&self, instance: &ServiceInstance) -> bool {
        self.fetch.is_some() && matches!(instance.source(), MetadataSource::Ask(_))
    }

    /// What `instance` offers, if that can be learned.
    pub(super) async fn content(&self, client: &Client, instance: &ServiceInstance) -> Option<Arc<MetadataInfo>> {
        let revision = instance.revision().filter(|revision| is_name(revision))?;
        let name = (instance.application.clone(), revision.to_owned());
        let place = (name.clone(), instance.id());
        {
            let kept = self.kept();
            if let Some(info) = kept.known.get(&name) {
                return Some(info.clone());
            }
            if kept.silent.get(&place).is_some_and(|at| at.elapsed() < AGAIN) {
                return None;
            }
        }
        let learned = match self.stored(client, &name).await {
            Some(info) => Some(info),
            None => self.asked(instance, &name).await,
        };
        let mut kept = self.kept();
        if kept.known.len() + kept.silent.len() >= MAX_KEPT {
            *kept = Kept::default();
        }
        match learned.map(Arc::new) {
            Some(info) => {
                kept.silent.remove(&place);
                kept.known.insert(name, info.clone());
                Some(info)
            }
            None => {
                kept.silent.insert(place, Instant::now());
                None
            }
        }
    }

    /// The document in the registry, where either kind of peer puts it.
    async fn stored(&self, client: &Client, (application, revision): &Name) -> Option<MetadataInfo> {
        for path in self.nodes.metadata(application, revision) {
            let Ok(Ok((data, _))) = timeout(PATIENCE, client.get_data(&path)).await else { continue };
            match MetadataInfo::from_json(&data) {
                Ok(info) if info.revision == *revision => return Some(info),
                Ok(_) => tracing::warn!(path, "the metadata there is of another revision"),
                Err(why) => tracing::warn!(path, %why, "the metadata there is not taken"),
            }
        }
        None
    }

    async fn asked(&self, instance: &ServiceInstance, (application, revision): &Name) -> Option<MetadataInfo> {
        let (Some(fetch), MetadataSource::Ask(port)) = (&self.fetch, instance.source()) else { return None };
        let address = MetadataAddress::new(application, &instance.host, port, revision);
        let why = match timeout(PATIENCE, fetch.fetch(&address)).await {
            Ok(Ok(info)) => return Some(info),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        tracing::warn!(application, host = instance.host, port, why, "a provider does not say what it offers");
        None
    }
}
