//! Limits that several gateways share through Redis: one call of a script for each request, and what becomes of requests
//! while Redis is away.
//!
//! | file | what |
//! |---|---|
//! | `gcra.rs` | one limit of one key; pure |
//! | `script.rs` | the same as Redis does it, all limits of a request in one call |
//! | `store.rs` | the Redis: found by sentinels, and followed |

mod gcra;
mod script;
mod store;

use super::{
    asks::Asks,
    breaker::Breaker,
    limits::Clock,
    meters,
    refused::{Refused, Why},
    resource::lock,
    rule::{DegradeRule, Measure},
};
use crate::config::{OnFailure, SharedLimit, StoreConfig};
use gcra::{Answer, Rate};
use lru::LruCache;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, num::NonZero, sync::Mutex, time::Duration};
use store::{Away, Store};

/// Keys that a gateway counts by itself, at most; who was not seen for longest begins anew.
const LOCAL: usize = 100_000;

/// All that gateways share.
pub(crate) struct Shared {
    store: Store,
    /// A store that is there and does not answer costs a few requests its time, and the others nothing.
    circuit: Mutex<Breaker>,
    local: Mutex<LruCache<String, u64>>,
    gateways: u32,
    prefix: String,
    clock: Clock,
}

/// What is left of the tightest limit of a request that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: Duration,
}

/// A limit of a request, and the key that it is kept under.
struct Asked<'a> {
    limit: &'a SharedLimit,
    rate: Rate,
    key: String,
}

impl Shared {
    /// # Errors
    /// When a file with a password cannot be read.
    pub(crate) fn new(config: StoreConfig) -> Result<Self, String> {
        let rule = DegradeRule {
            resource: "limit_store".to_owned(),
            measure: Measure::ErrorRatio,
            threshold: 0.5,
            at_threshold: true,
            open: Duration::from_secs(1),
            least: 3,
            every: Duration::from_secs(10),
            parts: 1,
            probes: 1,
        };
        let local = LruCache::new(NonZero::new(LOCAL).unwrap_or(NonZero::<usize>::MIN));
        Ok(Self {
            gateways: config.gateways,
            prefix: config.prefix.clone(),
            store: Store::new(config)?,
            circuit: Mutex::new(Breaker::new(rule)),
            local: Mutex::new(local),
            clock: Clock::default(),
        })
    }

    /// How many gateways share what is kept there.
    pub(super) fn gateways(&self) -> u32 {
        self.gateways
    }

    /// Follows the store for as long as the future is polled.
    pub(crate) fn keep(&self) -> impl Future<Output = ()> + Send + use<> {
        self.store.clone().keep()
    }

    /// The master's address, and whether it is asked, for people.
    pub(super) fn seen(&self) -> (Option<String>, &'static str) {
        (self.store.master(), lock(&self.circuit).word(self.clock.now()))
    }

    /// Asks for one request.
    ///
    /// # Errors
    /// Why it does not pass.
    pub(super) async fn ask<'a>(
        &self,
        limits: impl Iterator<Item = &'a SharedLimit>,
        route: &str,
        asks: &Asks<'_>,
    ) -> Result<Option<Left>, Refused> {
        let mine = limits.filter(|limit| limit.routes.is_empty() || limit.routes.iter().any(|name| name == route));
        let all: Vec<_> = mine.map(|limit| self.asked(limit, asks)).collect();
        if all.is_empty() {
            return Ok(None);
        }
        match self.stored(&all).await {
            Ok(Ok(left)) => Ok(tightest(&all, &left)),
            Ok(Err((at, answer))) => Err(refuse(route, all[at].limit, answer)),
            Err(away) => self.alone(route, &all, away),
        }
    }

    fn asked<'a>(&self, limit: &'a SharedLimit, asks: &Asks<'_>) -> Asked<'a> {
        // Those that have no such thing are limited together: nobody escapes by leaving it out.
        let value = asks.pick(&limit.key).unwrap_or_default();
        let mut key = format!("{}:{}:", self.prefix, limit.name);
        // What it was is not written into the store, and is never longer than this.
        for byte in &Sha256::digest(value.as_bytes())[..16] {
            // Text takes whatever is written into it.
            let _ = write!(key, "{byte:02x}");
        }
        Asked { limit, rate: Rate::new(limit.count, limit.per, limit.burst), key }
    }

    /// What the store says.
    async fn stored(&self, all: &[Asked<'_>]) -> Result<Result<Vec<Answer>, (usize, Answer)>, Away> {
        if self.store.master().is_none() {
            return Err(Away::Nobody);
        }
        let mut asking = Asking { circuit: &self.circuit, passed: None };
        asking.passed = Some(lock(&self.circuit).ask(self.clock.now()).map_err(|_| Away::Circuit)?);
        let keys: Vec<_> = all.iter().map(|one| one.key.as_str()).collect();
        let arguments: Vec<_> = all.iter().flat_map(|one| script::arguments(one.rate)).collect();
        let answer = self.store.ask(&keys, &arguments).await;
        let answer = answer.and_then(|answer| script::read(&answer, all.len()).ok_or(Away::Failed));
        if let Some(passed) = asking.passed.take() {
            lock(&self.circuit).ended(passed, Duration::ZERO, answer.is_err(), self.clock.now());
        }
        answer
    }

    /// What becomes of a request while the store is away: each limit says it.
    fn alone(&self, route: &str, all: &[Asked<'_>], away: Away) -> Result<Option<Left>, Refused> {
        meters::store_away(away.word());
        if all.iter().any(|one| one.limit.on_failure == OnFailure::Closed) {
            let retry_after = Some(Duration::from_secs(1));
            return Err(Refused { resource: route.to_owned(), why: Why::Store, limit: None, retry_after, reset: None });
        }
        let now = u64::try_from(self.clock.now().as_micros()).unwrap_or(u64::MAX);
        let mut local = lock(&self.local);
        for one in all.iter().filter(|one| one.limit.on_failure == OnFailure::Local) {
            let empty = local.get_or_insert_mut(one.key.clone(), || 0);
            let answer = one.rate.share(self.gateways).ask(empty, now);
            if let Answer::Limited { .. } = answer {
                return Err(refuse(route, one.limit, answer));
            }
        }
        Ok(None)
    }
}

/// A question to the store. One that is given up, because its caller went away, says nothing of the store.
struct Asking<'a> {
    circuit: &'a Mutex<Breaker>,
    passed: Option<super::breaker::Let>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.passed.take().into_iter().for_each(|passed| lock(self.circuit).unheard(passed));
    }
}

fn tightest(all: &[Asked<'_>], left: &[Answer]) -> Option<Left> {
    let left = all.iter().zip(left).filter_map(|(one, answer)| match answer {
        Answer::Pass { remaining, reset } => {
            Some(Left { limit: one.limit.burst.into(), remaining: *remaining, reset: *reset })
        }
        Answer::Limited { .. } => None,
    });
    left.min_by_key(|left| left.remaining)
}

fn refuse(route: &str, limit: &SharedLimit, answer: Answer) -> Refused {
    let (retry_after, reset) = match answer {
        Answer::Limited { retry_after, reset } => (Some(retry_after), Some(reset)),
        Answer::Pass { .. } => (None, None),
    };
    Refused { resource: route.to_owned(), why: Why::Shared, limit: Some(f64::from(limit.burst)), retry_after, reset }
}
