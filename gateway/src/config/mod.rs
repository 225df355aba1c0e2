//! The file: read into what it means, or refused with all that is wrong in it. Pure.
//!
//! Unknown keys are refused: in a gateway a misspelt one switches a guard off without a word.
//!
//! | file | what |
//! |---|---|
//! | `keys.rs`, `keys_auth.rs`, `keys_risk.rs`, `keys_rules.rs` | which keys there are, and what each means |
//! | `scope.rs` | a value and its place |
//! | `problem.rs` | what is wrong |
//! | `rules.rs`, `rules_test.rs` | a set of rules of risk, and its own tests |
//! | `listener.rs`, `upstream.rs`, `route.rs`, `filter.rs`, `flow.rs`, `shared.rs`, `aggregate.rs`, `auth.rs`, `chaos.rs`, `risk.rs`, `tls.rs`, `tracing.rs`, `check.rs` | the parts |

mod aggregate;
mod auth;
mod chaos;
mod check;
mod filter;
mod flow;
mod keys;
mod keys_auth;
mod keys_risk;
mod keys_rules;
mod listener;
mod problem;
mod risk;
mod route;
mod rules;
mod rules_test;
mod scope;
mod shared;
#[cfg(test)]
mod tests;
mod tls;
mod tracing;
mod upstream;

pub(crate) use aggregate::PartConfig;
pub(crate) use auth::{AuthConfig, ForwardConfig, JwksFrom, JwtConfig, SignedConfig};
pub(crate) use check::{Ask, CheckConfig};
pub(crate) use flow::{FlowConfig, RuleKind};
pub use keys::schema;
pub(crate) use listener::{AccessLogConfig, AdminConfig, ListenerConfig};
pub use problem::{Problem, Refused};
pub(crate) use risk::{DecisionLog, RiskConfig};
pub(crate) use route::{Kind, Respond, RouteConfig, Services};
pub(crate) use shared::{Login, OnFailure, SharedLimit, StoreConfig};
pub(crate) use tls::{TlsConfig, UpstreamTls};
pub(crate) use tracing::TracingConfig;
pub(crate) use upstream::{Address, From, LbPolicy, UpstreamConfig};

use crate::chaos::ChaosRule;
use http::HeaderName;
use keys::FILE;
use mainstay::yaml;
use problem::Problems;
pub(crate) use rules::{RulesFrom, SharedSet};
use scope::Scope;
pub(crate) use scope::ttl;
use std::{collections::BTreeMap, str::FromStr};

/// Values of one file, at most: some for each of ten thousand routes.
const MAX_VALUES: usize = 400_000;

/// What a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(crate) listeners: Vec<ListenerConfig>,
    pub(crate) upstreams: BTreeMap<String, UpstreamConfig>,
    pub(crate) routes: Vec<RouteConfig>,
    pub(crate) access_log: Option<AccessLogConfig>,
    pub(crate) tracing: Option<TracingConfig>,
    /// Where rules are kept, by their kind.
    pub(crate) rules: BTreeMap<RuleKind, FlowConfig>,
    /// Where limits are kept that several gateways share, and those limits.
    pub(crate) limit_store: Option<StoreConfig>,
    pub(crate) shared_limits: Vec<SharedLimit>,
    /// The header that says who calls.
    pub(crate) origin_header: Option<HeaderName>,
    pub(crate) admin: Option<AdminConfig>,
    pub(crate) auth: BTreeMap<String, AuthConfig>,
    pub(crate) risk: RiskConfig,
    /// Faults on purpose.
    pub(crate) chaos: Vec<ChaosRule>,
}

impl FromStr for Config {
    type Err = Refused;

    /// Reads the text of a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn from_str(text: &str) -> Result<Self, Refused> {
        let problems = Problems::default();
        let node = match yaml::read_up_to(text, MAX_VALUES) {
            Ok(node) => node,
            Err(error) => {
                problems.add(error.line, "", error.why);
                return problems.or(Self::empty());
            }
        };
        let fields = Scope::new(&node, "", &problems).fields(&FILE);
        let config = Self {
            listeners: fields.get("listeners", |at| Some(at.list(listener::read))).unwrap_or_default(),
            upstreams: fields
                .get("upstreams", |at| Some(at.named(|_, at| upstream::read(at)).into_iter().collect()))
                .unwrap_or_default(),
            routes: fields.get("routes", |at| Some(at.list(route::read))).unwrap_or_default(),
            access_log: fields.get("access_log", listener::access_log),
            tracing: fields.get("tracing", tracing::read),
            rules: RuleKind::ALL
                .into_iter()
                .filter_map(|kind| Some((kind, fields.get(kind.key(), flow::read)?)))
                .collect(),
            limit_store: fields.get("limit_store", shared::store),
            shared_limits: fields.get("shared_limits", |at| Some(at.list(shared::limit))).unwrap_or_default(),
            origin_header: fields.get("origin_header", |at| {
                at.read(|node| {
                    let name = node.text().map_err(|error| error.why)?;
                    name.parse().map_err(|_| format!("`{name}` is no name of a header"))
                })
            }),
            admin: fields.get("admin", listener::admin),
            auth: fields
                .get("auth", |at| Some(at.named(|_, at| auth::read(at)).into_iter().collect()))
                .unwrap_or_default(),
            risk: RiskConfig {
                rules: fields.get("risk_rules", rules::read),
                ..fields.get("risk", risk::read).unwrap_or_default()
            },
            chaos: fields.get("chaos", |at| Some(at.list(chaos::read))).unwrap_or_default(),
        };
        let line = fields.get("chaos", |at| Some(at.line())).unwrap_or_default();
        chaos::fit(&config.chaos, line, &config.routes, &problems);
        if !fields.has("listeners") {
            problems.add(node.line(), "", "`listeners` is missing: nothing would come in");
        }
        let upstreams = fields.get("upstreams", |at| Some(at.named(|_, _| Some(())))).unwrap_or_default();
        let is_named = |name: &str| upstreams.iter().any(|(known, ())| known == name);
        config.fits_together(&problems, &is_named);
        let ways = fields.get("auth", |at| Some(at.named(|_, at| Some(at.line())))).unwrap_or_default();
        auth::fits_together(&config, &problems, &ways, &is_named);
        shared::fit(config.limit_store.as_ref(), &config.shared_limits, &config.routes, &problems);
        problems.or(config)
    }
}

impl Config {
    /// The first part that differs in another text and that only a start can change.
    pub(crate) fn fixed(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            ("listeners", self.listeners != other.listeners),
            ("access_log", self.access_log != other.access_log),
            ("tracing", self.tracing != other.tracing),
            ("admin", self.admin != other.admin),
            ("limit_store", self.limit_store != other.limit_store),
        ];
        let rules = RuleKind::ALL.iter().map(|kind| (kind.key(), self.rules.get(kind) != other.rules.get(kind)));
        let found = differs.into_iter().chain(rules).find_map(|(part, differs)| differs.then_some(part));
        found.or_else(|| other.risk.is_fixed(&self.risk))
    }

    /// It has a port for operators, who want metrics there.
    pub fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    fn empty() -> Self {
        Self {
            listeners: Vec::new(),
            upstreams: BTreeMap::new(),
            routes: Vec::new(),
            access_log: None,
            tracing: None,
            rules: BTreeMap::new(),
            limit_store: None,
            shared_limits: Vec::new(),
            origin_header: None,
            admin: None,
            auth: BTreeMap::new(),
            risk: RiskConfig::default(),
            chaos: Vec::new(),
        }
    }

    /// Notes what each part alone does not show. `is_named` says of an upstream that it is in the file, readable or not.
    fn fits_together(&self, problems: &Problems, is_named: &dyn Fn(&str) -> bool) {
        for (at, route) in self.routes.iter().enumerate() {
            let wrong = |key: &str, why: String| problems.add(route.line, &format!("{}{key}", route.place), why);
            let earlier = &self.routes[..at];
            if let Some(other) = earlier.iter().find(|other| other.name == route.name) {
                wrong(".name", format!("`{}` is the name of the route in line {} too", route.name, other.line));
            }
            if let Some(other) = earlier.iter().find(|other| other.matcher.hides(&route.matcher)) {
                let why =
                    format!("`{}` in line {} takes the same requests: one is never reached", other.name, other.line);
                wrong(".match", why);
            }
            let own = route.kind.upstream();
            let parts = match &route.kind {
                Kind::Aggregate(parts) => parts.as_slice(),
                _ => &[],
            };
            let canaries = route.canaries.iter().filter_map(|canary| canary.upstream.as_deref());
            for name in own.into_iter().chain(canaries).chain(parts.iter().map(|part| part.upstream.as_str())) {
                match self.upstreams.get(name) {
                    Some(upstream) => self.suits(route, upstream, &wrong),
                    None if is_named(name) => {}
                    None => {
                        let near = mainstay_registry::nearest(name, self.upstreams.keys().map(String::as_str));
                        let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
                        wrong("", format!("there is no upstream `{name}`{hint}"));
                    }
                }
            }
            if own.is_none() && !route.canaries.is_empty() {
                wrong(".canaries", "who answers itself has no other lane".to_owned());
            }
            if let Some(rewrite) = &route.rewrite {
                if !matches!(route.kind, Kind::Http { .. }) {
                    wrong(".rewrite", "only what is handed on as plain HTTP has another path there".to_owned());
                }
                if let Some(name) = rewrite.unknown(&route.matcher.path) {
                    wrong(".rewrite", format!("the path of the route has no `{{{name}}}`"));
                }
            }
        }
    }

    /// Notes what a route wants of its upstream that this cannot do.
    fn suits(&self, route: &RouteConfig, upstream: &UpstreamConfig, wrong: &dyn Fn(&str, String)) {
        let From::Registry { service, .. } = &upstream.from else { return };
        if !route.kind.is_grpc() && service.is_none() {
            wrong("", "its upstream is a registry without a `service`: nobody knows what to look up".to_owned());
        }
        if let Kind::Json { services, .. } = &route.kind
            && let Some(Services::Below(package)) = services.iter().find(|one| matches!(one, Services::Below(_)))
        {
            let why = format!("{package}* cannot be looked up in a registry for JSON: name each service");
            wrong(".json.services", why);
        }
    }
}
