//! What each page shows, as JSON. Keys may be added; none is renamed or taken away.

use crate::{
    chaos::ChaosRule,
    config::{From, Kind, UpstreamConfig},
    route::Matcher,
    snapshot::{Lane, Route, Snapshot},
    upstream::{Health, Upstream},
};
use http::Method;
use mainstay::client::EndpointState;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) fn version(snapshot: &Snapshot, earlier: &[u64]) -> Value {
    json!({
        "version": snapshot.version, "earlier": earlier, "program": env!("CARGO_PKG_VERSION"),
        "routes": snapshot.routes.len(), "upstreams": snapshot.upstreams.len(),
    })
}

pub(super) fn routes(snapshot: &Snapshot) -> Value {
    snapshot.routes.iter().map(|route| one_route(route)).collect()
}

fn one_route(route: &Route) -> Value {
    let Matcher { hosts, path, methods, conditions } = &route.config.matcher;
    let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
    let kind = match &route.config.kind {
        Kind::Http { .. } => "http",
        Kind::Grpc { .. } => "grpc",
        Kind::Json { .. } => "json",
        Kind::Aggregate(_) => "aggregate",
        Kind::Respond(_) => "respond",
    };
    json!({
        "name": route.config.name, "hosts": hosts, "path": path.to_string(), "methods": methods,
        "conditions": conditions.len(), "kind": kind, "upstream": route.config.kind.upstream(),
        "timeout_ms": route.config.timeout.as_millis() as u64, "num_retries": route.config.num_retries,
        "lanes": route.lanes.iter().skip(1).map(|lane| lane.name.clone()).collect::<Vec<_>>(),
        "services": route.lanes.first().map(services).unwrap_or_default(),
    })
}

/// What is known of the services of a route for JSON: how many annotated bindings, or why nothing.
fn services(lane: &Lane) -> Map<String, Value> {
    let known = lane.transcoder.iter().flat_map(|transcoder| transcoder.known());
    known
        .map(|(name, known)| match known {
            Ok(bindings) => (name, json!({ "bindings": bindings })),
            Err(why) => (name, json!({ "unknown": why })),
        })
        .collect()
}

pub(super) fn upstreams(snapshot: &Snapshot) -> Value {
    let all: Map<_, _> =
        snapshot.upstreams.iter().map(|(name, upstream)| (name.clone(), one_upstream(upstream))).collect();
    all.into()
}

fn one_upstream(upstream: &Upstream) -> Value {
    let http: Vec<_> = upstream.http.iter().flat_map(|http| http.endpoints().to_vec()).collect();
    let http = http.iter().map(|endpoint| {
        let avoided = endpoint.is_ejected().then_some("EJECTED");
        json!({ "address": endpoint.target.to_string(), "requests": endpoint.active(), "avoided": avoided })
    });
    let grpc: Map<_, _> = upstream
        .grpc
        .known()
        .into_iter()
        .map(|(interface, channel)| {
            let instances: Vec<_> = channel.connectivity().iter().map(instance).collect();
            let seen = json!({ "instances": instances, "why_nobody": channel.why_nobody() });
            (if interface.is_empty() { "*".to_owned() } else { interface }, seen)
        })
        .collect();
    let checks: Vec<_> =
        upstream.checks.iter().flat_map(|checks| checks.known()).map(|health| one_check(&health)).collect();
    json!({ "from": place(&upstream.config), "http": http.collect::<Vec<_>>(), "grpc": grpc, "checks": checks })
}

/// What an endpoint answered when it was asked. One that is not well is not among those that are picked.
fn one_check(health: &Health) -> Value {
    json!({ "address": health.address, "is_well": health.is_well, "why": health.why })
}

/// One instance of a service: whether it is picked, and if not, why.
fn instance(state: &EndpointState) -> Value {
    json!({
        "address": state.address, "connections": state.connections, "calls": state.calls, "weight": state.weight,
        "avoided": state.avoided.map(|avoided| avoided.as_str()), "rule": state.rule, "last_error": state.last_error,
    })
}

/// Where instances are known from, without what may be secret in a URL.
fn place(config: &UpstreamConfig) -> String {
    match &config.from {
        From::Endpoints(all) => format!("{} endpoints", all.len()),
        From::Registry { url, .. } => url.split("://").next().unwrap_or_default().to_owned() + "://…",
    }
}

/// The page `/chaos`.
pub(super) fn chaos(snapshot: &Snapshot, armed: Option<Duration>) -> Value {
    let rule = |rule: &ChaosRule| {
        json!({
            "name": rule.name, "routes": rule.routes, "percentage": (rule.share as f64 / u64::MAX as f64 * 100.0).round(),
            "delay_ms": rule.delay.map(|delay| delay.as_millis() as u64), "end": rule.end.map(|end| format!("{end:?}")),
        })
    };
    let rules: Vec<_> = snapshot.config.chaos.iter().map(rule).collect();
    json!({ "armed_for_seconds": armed.map(|left| left.as_secs()), "rules": rules })
}
