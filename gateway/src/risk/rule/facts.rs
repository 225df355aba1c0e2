//! What rules may ask of a request: the fields, and their values. Pure.
//!
//! Values are made when a rule first asks for them, and maps once for all rules of a request.

use crate::{
    ingress::Cidr,
    risk::Who,
    route::{cookies, parameters},
};
use cel::{
    common::{
        types::{CelBool, CelDouble, CelInt, CelMap, CelMapKey, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use http::{HeaderMap, header::CONTENT_LENGTH};
use std::{collections::HashMap, fmt, net::IpAddr, sync::OnceLock, time::Duration};

/// What a value is, as far as it is known before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Double,
    Text,
    /// Names and texts.
    Map,
    /// Anything.
    Any,
}

/// Every field that does not depend on the set of rules, in two parts, and what it is.
pub(super) const FIELDS: [(&str, Type); 19] = [
    ("request.method", Type::Text),
    ("request.host", Type::Text),
    ("request.path", Type::Text),
    ("request.query", Type::Map),
    ("request.headers", Type::Map),
    ("request.cookies", Type::Map),
    ("request.size", Type::Int),
    ("client.ip", Type::Text),
    ("client.prefix", Type::Text),
    ("account.id", Type::Text),
    ("account.auth", Type::Text),
    ("account.claims", Type::Map),
    ("device.id", Type::Text),
    ("key.id", Type::Text),
    ("route.name", Type::Text),
    ("lists.gray", Type::Bool),
    ("lists.allow", Type::Bool),
    ("time.hour", Type::Int),
    ("time.weekday", Type::Int),
];

/// Those that counters of answers may ask for too.
pub(super) const OF_ANSWERS: [(&str, Type); 2] = [("response.status", Type::Int), ("response.grpc_status", Type::Int)];

/// Entries of one map, at most: what loops over one is bounded by it.
const MAX_ENTRIES: usize = 256;

/// What is known of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) who: Who,
    /// How the account is known.
    pub(crate) auth: &'static str,
    pub(crate) claims: Vec<(String, String)>,
    pub(crate) route: String,
    pub(crate) gray: bool,
    pub(crate) allow: bool,
    /// Since the epoch.
    pub(crate) at: Duration,
    pub(crate) answer: Option<Answer>,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// gRPC's code, where the head of the answer says it.
    pub(crate) grpc_status: Option<i64>,
}

/// The values of one request's fields, as expressions ask for them.
pub(crate) struct View<'a> {
    facts: &'a Facts,
    /// By the names of counters.
    totals: &'a [(String, Total)],
    query: OnceLock<CelMap<'a>>,
    headers: OnceLock<CelMap<'a>>,
    cookies: OnceLock<CelMap<'a>>,
    claims: OnceLock<CelMap<'a>>,
}

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Total {
    Times(i64),
    Amount(f64),
}

impl<'a> View<'a> {
    pub(crate) fn new(facts: &'a Facts, totals: &'a [(String, Total)]) -> Self {
        let [query, headers, cookies, claims] = [const { OnceLock::new() }; 4];
        Self { facts, totals, query, headers, cookies, claims }
    }
}

/// A map of texts. What comes first under a name counts.
fn map<'a>(pairs: impl Iterator<Item = (CelString<'a>, CelString<'a>)>) -> CelMap<'a> {
    let mut all: HashMap<_, Box<dyn Val + 'a>> = HashMap::new();
    for (name, value) in pairs.take(MAX_ENTRIES) {
        all.entry(CelMapKey::String(name)).or_insert_with(|| Box::new(value));
    }
    CelMap::from(all)
}

impl VariableResolver for View<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let facts = self.facts;
        let text = |text: &'b str| Some(CowVal::owned(CelString::from(text)));
        let or_empty =
            |text: &'b Option<String>| Some(CowVal::owned(CelString::from(text.as_deref().unwrap_or_default())));
        let number = |number: i64| Some(CowVal::owned(CelInt::from(number)));
        let (of, field) = name.split_once('.')?;
        match (of, field) {
            ("request", "method") => text(&facts.method),
            ("request", "host") => text(&facts.host),
            ("request", "path") => text(&facts.path),
            ("request", "query") => Some(CowVal::Borrowed(self.query.get_or_init(|| {
                map(parameters(&facts.query).map(|(name, value)| (CelString::from(name), CelString::from(value))))
            }))),
            ("request", "headers") => Some(CowVal::Borrowed(self.headers.get_or_init(|| {
                let texts =
                    facts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
                map(texts.map(|(name, value)| (CelString::from(name), CelString::from(value))))
            }))),
            ("request", "cookies") => Some(CowVal::Borrowed(self.cookies.get_or_init(|| {
                map(cookies(&facts.headers).map(|(name, value)| (CelString::from(name), CelString::from(value))))
            }))),
            ("request", "size") => number(facts.size()),
            ("client", "ip") => Some(CowVal::owned(CelString::from(facts.ip()))),
            ("client", "prefix") => Some(CowVal::owned(CelString::from(facts.prefix()))),
            ("account", "id") => or_empty(&facts.who.account),
            ("account", "auth") => text(facts.auth),
            ("account", "claims") => Some(CowVal::Borrowed(self.claims.get_or_init(|| {
                map(facts.claims.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())))
            }))),
            ("device", "id") => or_empty(&facts.who.device),
            ("key", "id") => or_empty(&facts.who.key),
            ("route", "name") => text(&facts.route),
            ("lists", "gray") => Some(CowVal::owned(CelBool::from(facts.gray))),
            ("lists", "allow") => Some(CowVal::owned(CelBool::from(facts.allow))),
            ("time", "hour") => number((facts.at.as_secs() / 3600 % 24) as i64),
            // The epoch began on a Thursday; Monday is 0.
            ("time", "weekday") => number(((facts.at.as_secs() / 86_400 + 3) % 7) as i64),
            ("response", "status") => number(facts.answer.map_or(0, |answer| i64::from(answer.status))),
            ("response", "grpc_status") => number(facts.answer.and_then(|answer| answer.grpc_status).unwrap_or(-1)),
            ("velocity", counter) => {
                let (_, total) = self.totals.iter().find(|(name, _)| name == counter)?;
                Some(match total {
                    Total::Times(times) => CowVal::owned(CelInt::from(*times)),
                    Total::Amount(amount) => CowVal::owned(CelDouble::from(*amount)),
                })
            }
            _ => None,
        }
    }
}

impl Facts {
    /// The length that the request says, or -1.
    fn size(&self) -> i64 {
        let length = self.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.unwrap_or(-1)
    }

    fn ip(&self) -> String {
        self.who.ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default()
    }

    /// Whom an address is of, mostly: 24 bits of IPv4, 64 of IPv6.
    fn prefix(&self) -> String {
        let Some(ip) = self.who.ip.map(|ip| ip.to_canonical()) else { return String::new() };
        Cidr::around(ip, if matches!(ip, IpAddr::V4(_)) { 24 } else { 64 }).to_string()
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("totals", &self.totals).finish_non_exhaustive()
    }
}
