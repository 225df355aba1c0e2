//! What operators see of limits, as JSON. Keys may be added; none is renamed or taken away.

use super::{
    limits::Limits,
    resource::{Resource, lock},
    rule::{FlowRule, Measure},
};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Limits {
    /// The page `/limits`.
    pub(crate) fn page(&self) -> Value {
        let (force, texts, whole, machine, now) = self.seen();
        let rules: Map<_, _> = texts
            .told
            .iter()
            .map(|(kind, (many, wrong, refused))| {
                let told = json!({ "in_force": many, "left_out": wrong, "last_text_refused": refused });
                (kind.key().to_owned(), told)
            })
            .collect();
        let resources: Map<_, _> =
            force.resources.iter().map(|(name, resource)| (name.clone(), one(resource, now))).collect();
        let bounds = force.system.iter().flat_map(|rule| &rule.0);
        let bounds: Vec<_> =
            bounds.map(|(metric, above)| json!({ "metric": format!("{metric:?}"), "above": above })).collect();
        let (passed, running, mean) = whole.seen(now);
        let store = self.shared().map(|shared| {
            let (master, circuit) = shared.seen();
            json!({ "master": master, "circuit": circuit })
        });
        json!({
            "rules": rules, "resources": resources, "store": store,
            "groups": force.groups.iter().map(|(group, _)| &group.name).collect::<Vec<_>>(),
            "system": {
                "bounds": bounds, "passed": passed, "running": running, "mean_ms": mean,
                "load": machine.load, "cpu": machine.cpu,
            },
        })
    }
}

fn flow(rule: &FlowRule) -> Value {
    json!({
        "grade": format!("{:?}", rule.grade), "count": rule.count, "behaviour": format!("{:?}", rule.behaviour),
        "of": format!("{:?}", rule.app), "by": format!("{:?}", rule.relation),
    })
}

fn one(resource: &Resource, now: Duration) -> Value {
    let flow = resource.gate.as_ref().map(|gate| {
        let gate = lock(gate);
        let (passed, running) = gate.seen(now);
        let rules: Vec<_> = gate.rules().map(flow).collect();
        json!({ "rules": rules, "passed": passed, "running": running })
    });
    let params: Vec<_> = resource
        .hot
        .iter()
        .map(|hot| {
            let hot = lock(hot);
            json!({
                "of": format!("{:?}", hot.rule.pick), "count": hot.rule.count, "seconds": hot.rule.every.as_secs(),
                "values_known": hot.known(), "values_at_most": hot.rule.most,
            })
        })
        .collect();
    let breakers: Vec<_> = resource
        .breakers
        .iter()
        .map(|breaker| {
            let breaker = lock(breaker);
            let (ended, bad) = breaker.counts(now);
            let measure = match breaker.rule.measure {
                Measure::Slow { above } => format!("slower than {above:?}"),
                Measure::ErrorRatio => "error ratio".to_owned(),
                Measure::ErrorCount => "error count".to_owned(),
            };
            json!({
                "state": breaker.word(now), "measure": measure, "threshold": breaker.rule.threshold,
                "ended": ended, "bad": bad,
            })
        })
        .collect();
    let authority = resource.authority.as_ref().map(|rule| json!({ "white": rule.white, "origins": rule.origins }));
    json!({ "flow": flow, "params": params, "breakers": breakers, "authority": authority })
}
