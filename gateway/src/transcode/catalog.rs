//! What is known of each service: asked for when a request first wants it, and then now and again behind the requests, so that
//! a new version of a service is seen without a restart. What was good stays, when asking fails.

use super::{binding::Bindings, reflection, undescribed};
use crate::upstream::GrpcUpstream;
use arc_swap::ArcSwapOption;
use mainstay::call::Status;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

/// How long what is known counts as new.
const FRESH: Duration = Duration::from_secs(30);
/// How long a failure to ask is answered with itself.
const FAILED: Duration = Duration::from_secs(1);
/// Services that are known, at most: callers name what is below a package.
const MAX_SERVICES: usize = 256;

/// The services of one route.
#[derive(Debug)]
pub(super) struct Catalog {
    upstream: Arc<GrpcUpstream>,
    services: Mutex<BTreeMap<String, Arc<Known>>>,
    listed: AsyncMutex<Option<(Instant, Vec<String>)>>,
}

/// One service.
#[derive(Debug, Default)]
struct Known {
    said: ArcSwapOption<Said>,
    /// Somebody is asking in the background.
    asking: AtomicBool,
    first: AsyncMutex<()>,
}

/// What it said, and when.
#[derive(Debug)]
struct Said {
    at: Instant,
    what: Result<Arc<Bindings>, Status>,
}

impl Catalog {
    pub(super) fn new(upstream: Arc<GrpcUpstream>) -> Self {
        Self { upstream, services: Mutex::default(), listed: AsyncMutex::default() }
    }

    /// What a service is reachable by.
    ///
    /// # Errors
    /// Why it is not known. Cancel safe.
    pub(super) async fn of(&self, service: &str) -> Result<Arc<Bindings>, Status> {
        let known = self.entry(service)?;
        if let Some(said) = known.said() {
            if said.at.elapsed() > FRESH {
                self.ask_behind(&known, service);
            }
            return said.what.clone();
        }
        let _one_asks = known.first.lock().await;
        if let Some(said) = known.said() {
            return said.what.clone();
        }
        let what = ask(&self.upstream, service).await;
        known.hear(service, what.clone());
        what
    }

    /// What is known of a service without waiting. Where nothing is, or it is old, somebody is asked behind the requests.
    pub(super) fn peek(&self, service: &str) -> Option<Arc<Bindings>> {
        let known = self.entry(service).ok()?;
        let said = known.said.load_full();
        if said.as_ref().is_none_or(|said| said.at.elapsed() > FRESH) {
            self.ask_behind(&known, service);
        }
        said?.what.as_ref().ok().cloned()
    }

    /// The same of all services below a package.
    ///
    /// # Errors
    /// When none of them can be known.
    pub(super) async fn below(&self, package: &str) -> Result<Vec<Arc<Bindings>>, Status> {
        let names = {
            let mut listed = self.listed.lock().await;
            if listed.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH) {
                let names = reflection::list(&self.upstream.channel(package)?).await?;
                *listed = Some((Instant::now(), names));
            }
            listed.as_ref().map(|(_, names)| names.clone()).unwrap_or_default()
        };
        let mut all = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(package)) {
            all.extend(self.of(name).await.ok());
        }
        Ok(all)
    }

    /// What is known, without asking.
    pub(super) fn known(&self) -> Vec<(String, Result<usize, String>)> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(name, known): (&String, &Arc<Known>)| {
            let said = known.said.load_full()?;
            let count = said.what.as_ref().map(|bindings| bindings.paths.len());
            Some((name.clone(), count.map_err(|status| status.message().to_owned())))
        };
        services.iter().filter_map(one).collect()
    }

    fn ask_behind(&self, known: &Arc<Known>, service: &str) {
        if known.asking.swap(true, Relaxed) {
            return;
        }
        let (known, upstream, service) = (known.clone(), self.upstream.clone(), service.to_owned());
        tokio::spawn(async move {
            let what = ask(&upstream, &service).await;
            known.hear(&service, what);
            known.asking.store(false, Relaxed);
        });
    }

    fn entry(&self, service: &str) -> Result<Arc<Known>, Status> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = services.get(service) {
            return Ok(known.clone());
        }
        if services.len() >= MAX_SERVICES {
            return Err(undescribed(format!("more than {MAX_SERVICES} services of one route are asked for")));
        }
        Ok(services.entry(service.to_owned()).or_default().clone())
    }
}

impl Known {
    /// What counts now; a failure not for long.
    fn said(&self) -> Option<Arc<Said>> {
        self.said.load_full().filter(|said| said.what.is_ok() || said.at.elapsed() <= FAILED)
    }

    fn hear(&self, service: &str, what: Result<Arc<Bindings>, Status>) {
        if let Err(error) = &what {
            tracing::warn!(service, %error, "a service cannot be described");
            // What was good stays: whoever cannot say what it is may well be there.
            if let Some(old) = self.said.load_full().filter(|old| old.what.is_ok()) {
                self.said.store(Some(Arc::new(Said { at: Instant::now(), what: old.what.clone() })));
                return;
            }
        }
        self.said.store(Some(Arc::new(Said { at: Instant::now(), what })));
    }
}

async fn ask(upstream: &GrpcUpstream, service: &str) -> Result<Arc<Bindings>, Status> {
    let pool = reflection::describe(&upstream.channel(service)?, service).await?;
    let descriptor = pool.get_service_by_name(service);
    let descriptor = descriptor.ok_or_else(|| undescribed(format!("{service} does not describe itself")))?;
    let (bindings, wrong) = Bindings::of(&descriptor);
    wrong.iter().for_each(|why| tracing::warn!(service, why, "a binding is left out"));
    Ok(Arc::new(bindings))
}
