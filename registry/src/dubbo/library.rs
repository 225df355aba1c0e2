//! What applications offer, by application and revision: read from the registry's documents, or asked of a provider.
//!
//! A revision names its content for ever, so what was learned is kept. What could not be learned is tried again, but not
//! at once: a provider that does not answer must not hold up those that do.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

#[cfg(feature = "nacos")]
use super::levels::Listed;
use super::{
    fetch::{FetchMetadata, MetadataAddress},
    instance::{MetadataSource, ServiceInstance},
    metadata::MetadataInfo,
};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what could not be learned is not tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Most contents that are kept; then all are forgotten and learned anew.
const MAX_KEPT: usize = 10_000;

/// The documents in a registry.
pub(crate) trait Documents: Sync {
    /// What `application` offers under `revision`, if there is such a document, it can be read and it is what it says. It
    /// is bounded in time, and says in the log what is there and is not taken.
    fn stored(&self, application: &str, revision: &str) -> impl Future<Output = Option<MetadataInfo>> + Send;
}

/// The application and the revision.
type Name = (String, String);

/// What was learned so far; one for all lookups of a registry.
#[derive(Debug)]
pub(crate) struct Library {
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
    /// An empty one, which asks providers by `fetch`, where there is such a way.
    pub(crate) fn new(fetch: Option<Arc<dyn FetchMetadata>>) -> Self {
        Self { fetch, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `instance` may say later what it did not say yet.
    pub(crate) fn may_learn(&self, instance: &ServiceInstance) -> bool {
        self.fetch.is_some() && matches!(instance.source(), MetadataSource::Ask(_))
    }

    /// Whether it is known what `one` offers; it is from now on, if that was learned of another.
    #[cfg(feature = "nacos")]
    pub(crate) fn teach(&self, one: &Listed) -> bool {
        if one.content().is_some() {
            return true;
        }
        let Some(revision) = one.instance().revision() else { return false };
        let known = self.kept().known.get(&(one.instance().application.clone(), revision.to_owned())).cloned();
        known.map(|content| one.learn(content)).is_some()
    }

    /// Whether `instance` could not say it a moment ago.
    #[cfg(feature = "nacos")]
    pub(crate) fn was_silent(&self, instance: &ServiceInstance) -> bool {
        let Some(revision) = instance.revision() else { return true };
        let place = ((instance.application.clone(), revision.to_owned()), instance.id());
        self.kept().silent.get(&place).is_some_and(|at| at.elapsed() < AGAIN)
    }

    /// What `instance` offers, if that can be learned from `documents` or from itself. Cancel-safe: what was not learned
    /// by then is tried the next time.
    pub(crate) async fn content(
        &self,
        documents: &impl Documents,
        instance: &ServiceInstance,
    ) -> Option<Arc<MetadataInfo>> {
        let name = (instance.application.clone(), instance.revision()?.to_owned());
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
        let learned = match documents.stored(&name.0, &name.1).await {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::dubbo::Fetched;

    /// Documents of some revisions, and how often they were looked for.
    #[derive(Debug, Default)]
    struct Stored(&'static [&'static str], AtomicU32);

    impl Documents for Stored {
        async fn stored(&self, application: &str, revision: &str) -> Option<MetadataInfo> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.contains(&revision).then(|| MetadataInfo::new(application, revision, BTreeMap::new()))
        }
    }

    /// A provider that never answers.
    #[derive(Debug)]
    struct Deaf;

    impl FetchMetadata for Deaf {
        fn fetch<'a>(&'a self, _: &'a MetadataAddress) -> Fetched<'a> {
            Box::pin(std::future::pending())
        }
    }

    fn instance(revision: &str) -> ServiceInstance {
        let metadata = [
            ("dubbo.metadata.revision", revision),
            ("dubbo.metadata-service.url-params", r#"{"port":"7","protocol":"tri"}"#),
            ("meta-v", "2.0.0"),
        ];
        ServiceInstance::new("a", "h", 7, metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[tokio::test]
    async fn what_was_learned_is_kept_by_its_revision() {
        let (library, documents) = (Library::new(None), Stored(&["1"], AtomicU32::new(0)));
        for _ in 0..3 {
            let info = library.content(&documents, &instance("1")).await.unwrap();
            assert_eq!((info.application.as_str(), info.revision.as_str()), ("a", "1"));
        }
        assert_eq!(documents.1.load(Ordering::Relaxed), 1);
        assert_eq!(library.content(&documents, &instance("0")).await, None, "it offers nothing yet");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_given_up_and_not_asked_again_at_once() {
        let (library, documents) = (Library::new(Some(Arc::new(Deaf))), Stored::default());
        let (since, instance) = (Instant::now(), instance("1"));
        assert!(library.may_learn(&instance) && !Library::new(None).may_learn(&instance));
        for _ in 0..3 {
            assert_eq!(library.content(&documents, &instance).await, None);
        }
        assert_eq!((documents.1.load(Ordering::Relaxed), since.elapsed()), (1, PATIENCE));
        tokio::time::advance(AGAIN).await;
        assert_eq!(library.content(&documents, &instance).await, None);
        assert_eq!(documents.1.load(Ordering::Relaxed), 2);
    }
}
