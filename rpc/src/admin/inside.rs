//! What can be seen of an application: documents made at the moment they are asked for.

use super::{Console, LogFilter};
use crate::{
    app::Readiness,
    call::Insight,
    cluster::EndpointState,
    policy::{BreakerState, LimitLayers, LimitState},
    prometheus::Prometheus,
    route::{RuleBoard, RuleState},
};
use serde_json::{Value, json};

/// Where everything that is shown comes from.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) readiness: Readiness,
    pub(crate) console: Console,
    /// The limits of the application's server.
    pub(crate) limits: LimitLayers,
    /// The rules about what it registers.
    pub(crate) rules: RuleBoard,
    pub(crate) metrics: Option<Prometheus>,
    pub(crate) log: Option<LogFilter>,
    /// What was decided at the start: where it listens, what it registers where.
    pub(crate) facts: Value,
    /// Each setting with its value, without secrets, and who set it.
    pub(crate) settings: Vec<[String; 3]>,
}

impl Inside {
    /// Where the application stands, and how its registration does.
    pub(super) fn standing(&self) -> Value {
        let readiness = &self.readiness;
        let mut standing = json!({
            "stage": readiness.stage().as_str(),
            "ready": readiness.check().is_ok(),
            "why_not_ready": readiness.check().err(),
            "offline": readiness.is_offline(),
            "registration": readiness.registration().to_string(),
        });
        if let (Value::Object(all), Value::Object(facts)) = (&mut standing, &self.facts) {
            all.extend(facts.clone());
        }
        standing
    }

    /// Whom each client knows, and why each is or is not picked.
    pub(super) fn instances(&self) -> Value {
        let client = |client: &dyn Insight| {
            let (service, registry) = client.sought_where();
            let instances: Vec<_> = client.endpoints().iter().map(instance).collect();
            json!({
                "service": service, "registry": registry, "nobody": client.why_nobody(), "instances": instances,
            })
        };
        json!({ "clients": self.console.shown().iter().map(|one| client(&**one)).collect::<Vec<_>>() })
    }

    /// Where each breaker is: of each instance, and of the methods that have one of their own.
    pub(super) fn breakers(&self) -> Value {
        let mut rows = Vec::new();
        for client in self.console.shown() {
            let (service, _) = client.sought_where();
            for one in client.endpoints() {
                let mut row = |method: Option<&str>, state: BreakerState| {
                    rows.push(json!({
                        "service": service, "address": one.address, "instance": one.instance.as_str(),
                        "method": method, "state": turned(state),
                    }));
                };
                row(None, one.breaker);
                one.method_breakers.iter().for_each(|(method, state)| row(Some(method), *state));
            }
        }
        json!({ "breakers": rows })
    }

    /// How each limit does, of the server and of each client.
    pub(super) fn limits(&self) -> Value {
        let rows = |of: &str, states: Vec<LimitState>| -> Vec<Value> {
            let row = |state: LimitState| {
                json!({
                    "of": of, "policy": state.policy, "rule": state.rule, "limit": state.limit,
                    "under_way": state.under_way, "line": state.line,
                })
            };
            states.into_iter().map(row).collect()
        };
        let clients = self.console.shown();
        let of_clients = clients.iter().flat_map(|client| rows(&client.sought_where().0, client.limits()));
        json!({ "limits": rows("server", self.limits.states()).into_iter().chain(of_clients).collect::<Vec<_>>() })
    }

    /// Which rules the application and each of its clients follow, and how it stands with each.
    pub(super) fn rules(&self) -> Value {
        let client = |client: &dyn Insight| {
            let rules: Vec<_> = client.rules().iter().map(rule).collect();
            json!({ "service": client.sought_where().0, "rules": rules })
        };
        let own: Vec<_> = self.rules.states().iter().map(rule).collect();
        json!({ "provider": own, "clients": self.console.shown().iter().map(|one| client(&**one)).collect::<Vec<_>>() })
    }

    /// What each setting is, and who set it.
    pub(super) fn settings(&self) -> Value {
        let row = |[name, value, origin]: &[String; 3]| json!({ "name": name, "value": value, "set_by": origin });
        json!({ "settings": self.settings.iter().map(row).collect::<Vec<_>>() })
    }
}

fn instance(one: &EndpointState) -> Value {
    json!({
        "address": one.address,
        "instance": one.instance.as_str(),
        "zone": one.zone,
        "weight": one.weight,
        "connectivity": one.connectivity.to_string(),
        "connections": one.connections,
        "calls": one.calls,
        "limit": one.limit,
        "picked": one.avoided.is_none(),
        "avoided": one.avoided.map(|avoided| avoided.as_str()),
        "rule": one.rule,
        "last_error": one.last_error,
    })
}

fn rule(state: &RuleState) -> Value {
    let notes = state.notes.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "key": state.key,
        "in_force": state.in_force.as_ref().map(ToString::to_string),
        "refused": state.refused.as_ref().map(ToString::to_string),
        "notes": (!notes.is_empty()).then(|| notes.join("; ")),
        "unsure": state.unsure,
    })
}

fn turned(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "CLOSED",
        BreakerState::Open => "OPEN",
        BreakerState::HalfOpen => "HALF_OPEN",
    }
}
