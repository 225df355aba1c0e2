//! All that one version of the file makes, as one immutable value. Whoever answers a request loads it once, and sees no half
//! of a change.

use crate::{
    auth::Desk,
    config::{Config, Kind, PartConfig, RouteConfig, Services},
    filter,
    meters::Meters,
    route::Table,
    transcode::{Part, Transcoder},
    upstream::{Upstream, UpstreamError},
};
use http::{HeaderMap, HeaderValue};
use std::{collections::BTreeMap, error::Error, sync::Arc};

/// What is in force.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts from 1; each text that is taken into force has the next.
    pub(crate) version: u64,
    pub(crate) config: Config,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) table: Table<Arc<Route>>,
    /// Who is asked who asks.
    pub(crate) desk: Desk,
}

/// A route at work.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: RouteConfig,
    /// The main lane, then the canaries.
    pub(crate) lanes: Vec<Lane>,
    /// The calls of a route that makes several.
    pub(crate) parts: Vec<Part>,
    pub(crate) meters: Meters,
}

/// One way to who answers.
#[derive(Debug)]
pub(crate) struct Lane {
    /// `None` of the main one.
    pub(crate) name: Option<String>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Of a route for JSON; of one for gRPC, what describes its methods.
    pub(crate) transcoder: Option<Transcoder>,
    /// The colour that its requests carry on.
    pub(crate) tag: Option<HeaderValue>,
}

/// An upstream, or a way to know who asks, that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct BadUpstream {
    place: String,
    source: Box<dyn Error + Send + Sync>,
}

impl BadUpstream {
    fn new(place: String, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { place, source: source.into() }
    }
}

impl Snapshot {
    /// Makes what a file says. What `old` has and the file leaves as it was is taken over, with its connections and all that
    /// is known of it. Needs the tokio runtime.
    ///
    /// # Errors
    /// A registry that cannot be used on this machine, or certificates that cannot be read.
    pub(crate) fn new(config: Config, old: Option<&Self>) -> Result<Self, BadUpstream> {
        let mut upstreams = BTreeMap::new();
        for (name, wanted) in &config.upstreams {
            let kept = old.and_then(|old| old.upstreams.get(name)).filter(|one| one.config == *wanted);
            let upstream = match kept {
                Some(upstream) => upstream.clone(),
                None => {
                    let bad = |source: UpstreamError| BadUpstream::new(format!("upstreams.{name}"), source);
                    Arc::new(Upstream::new(wanted).map_err(bad)?)
                }
            };
            upstreams.insert(name.clone(), upstream);
        }
        let desk = Desk::new(&config.auth, &upstreams, old.map(|old| &old.desk));
        let desk = desk.map_err(|(name, why)| BadUpstream::new(format!("auth.{name}"), why))?;
        let routes: Vec<_> = config.routes.iter().map(|route| Route::new(route, &upstreams, old)).collect();
        let table = Table::new(routes.iter().map(|route| (route.config.matcher.clone(), route.clone())));
        let version = old.map_or(1, |old| old.version + 1);
        Ok(Self { version, config, upstreams, routes, table, desk })
    }
}

impl Route {
    fn new(config: &RouteConfig, upstreams: &BTreeMap<String, Arc<Upstream>>, old: Option<&Snapshot>) -> Arc<Self> {
        let own = config.kind.upstream();
        let named = |name: Option<&str>| name.and_then(|name| upstreams.get(name)).cloned();
        let wanted: Vec<_> = std::iter::once(named(own))
            .chain(config.canaries.iter().map(|canary| named(canary.upstream.as_deref().or(own))))
            .collect();
        let same = |route: &&Arc<Self>| {
            let mut lanes = route.lanes.iter().map(|lane| &lane.upstream).zip(&wanted);
            let kept = |(old, new): (&Option<Arc<Upstream>>, &Option<Arc<Upstream>>)| match (old, new) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                (old, new) => old.is_none() && new.is_none(),
            };
            let moved = RouteConfig { line: config.line, place: config.place.clone(), ..route.config.clone() };
            let parts = route.parts.iter().all(|part| {
                let upstream = upstreams.get(&part.config.upstream);
                upstream.is_some_and(|upstream| part.transcoder.is_over(&upstream.grpc))
            });
            moved == *config && parts && lanes.all(kept)
        };
        if let Some(route) = old.and_then(|old| old.routes.iter().find(same)) {
            return route.clone();
        }
        let lane = |(at, upstream): (usize, Option<Arc<Upstream>>)| {
            let canary = at.checked_sub(1).map(|at| &config.canaries[at]);
            let transcoder = match (&config.kind, &upstream) {
                (Kind::Json { services, auto_mapping, .. }, Some(upstream)) => {
                    Some(Transcoder::new(services.clone(), *auto_mapping, upstream.grpc.clone()))
                }
                (Kind::Grpc { services, .. }, Some(upstream)) => {
                    Some(Transcoder::new(services.clone(), false, upstream.grpc.clone()))
                }
                _ => None,
            };
            let tag = canary.and_then(|canary| canary.tag.as_deref()?.parse().ok());
            Lane { name: canary.map(|canary| canary.name.clone()), upstream, transcoder, tag }
        };
        let part = |one: &PartConfig| {
            let upstream = upstreams.get(&one.upstream)?;
            let services = vec![Services::One(one.service.clone())];
            Some(Part { config: one.clone(), transcoder: Transcoder::new(services, false, upstream.grpc.clone()) })
        };
        let parts = match &config.kind {
            Kind::Aggregate(parts) => parts.iter().filter_map(part).collect(),
            _ => Vec::new(),
        };
        let lanes = wanted.into_iter().enumerate().map(lane).collect();
        Arc::new(Self { config: config.clone(), lanes, parts, meters: Meters::default() })
    }

    /// The lane that a request takes; `random` draws among those with a weight.
    pub(crate) fn lane(&self, headers: &HeaderMap, query: &str, random: u64) -> &Lane {
        let at = filter::choose(&self.config.canaries, headers, query, random).map_or(0, |at| at + 1);
        &self.lanes[at]
    }
}
