//! A route, as the file says it. Pure.

use super::{
    aggregate::{self, PartConfig},
    filter,
    keys::{GRPC, HTTP, JSON, MATCH, RESPOND, ROUTE, TESTS},
    scope::{Fields, Scope},
};
use crate::{
    filter::{Canary, Cors, HeaderMutations, Rewrite, Sticky},
    route::{Condition, Matcher, Place, Template, Test},
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::time::Duration;

/// A route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RouteConfig {
    pub(crate) name: String,
    /// Where it stands in the file: its line, and as `routes[2]`.
    pub(crate) line: usize,
    pub(crate) place: String,
    pub(crate) matcher: Matcher,
    pub(crate) kind: Kind,
    pub(crate) timeout: Duration,
    pub(crate) num_retries: u32,
    pub(crate) max_body: Option<u64>,
    pub(crate) rewrite: Option<Rewrite>,
    pub(crate) request_headers: HeaderMutations,
    pub(crate) response_headers: HeaderMutations,
    pub(crate) cors: Option<Cors>,
    pub(crate) canaries: Vec<Canary>,
    pub(crate) sticky: Option<Sticky>,
    pub(crate) gzip: bool,
    /// How it is known who asks, any of these.
    pub(crate) auth: Vec<String>,
    pub(crate) signature: Option<String>,
}

/// What becomes of the requests that a route takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Http { upstream: String },
    Grpc { upstream: String, services: Vec<Services> },
    Json { upstream: String, services: Vec<Services>, auto_mapping: bool },
    Aggregate(Vec<PartConfig>),
    Respond(Respond),
}

/// An answer that is written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Respond {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Services by their names: one, or all below a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Services {
    One(String),
    /// With the dot at its end.
    Below(String),
}

impl Services {
    pub(crate) fn holds(&self, interface: &str) -> bool {
        match self {
            Self::One(name) => name == interface,
            Self::Below(package) => interface.starts_with(package.as_str()),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = text.strip_suffix(".*").map_or((text, false), |package| (package, true));
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
        };
        match name.split('.').all(part) {
            true if below => Ok(Self::Below(format!("{name}."))),
            true => Ok(Self::One(name.to_owned())),
            false => Err(format!("`{text}` is no full name of a service, and no package with .* at its end")),
        }
    }
}

impl Kind {
    /// The upstream that it is for.
    pub(crate) fn upstream(&self) -> Option<&str> {
        match self {
            Self::Http { upstream } | Self::Grpc { upstream, .. } | Self::Json { upstream, .. } => Some(upstream),
            Self::Aggregate(_) | Self::Respond(_) => None,
        }
    }

    /// It speaks gRPC to its upstream.
    pub(crate) fn is_grpc(&self) -> bool {
        matches!(self, Self::Grpc { .. } | Self::Json { .. } | Self::Aggregate(_))
    }
}

/// Reads one.
pub(super) fn read(at: Scope<'_>) -> Option<RouteConfig> {
    let fields = at.fields(&ROUTE);
    let kinds = ["http", "grpc", "json", "aggregate", "respond"];
    let named = kinds.into_iter().filter(|kind| fields.has(kind)).collect::<Vec<_>>();
    if named.len() != 1 {
        let found = if named.is_empty() { "none is there".to_owned() } else { format!("{} are", named.join(" and ")) };
        at.wrong(format!("a route has one of http, grpc, json, aggregate and respond: {found}"));
    }
    let kind = fields.get("http", http).or_else(|| fields.get("grpc", grpc)).or_else(|| fields.get("json", json));
    let kind = kind.or_else(|| fields.get("aggregate", |at| aggregate::read(at).map(Kind::Aggregate)));
    let kind = kind.or_else(|| fields.get("respond", respond));
    let matcher = fields.must("match", matcher);
    let name = fields.must("name", |at| at.text().map(str::to_owned));
    let timeout = fields.duration("timeout").unwrap_or(Duration::from_secs(15));
    let num_retries = fields.number("num_retries", 0, 10).unwrap_or(2);
    let max_body = fields.size("max_body");
    let (line, place) = (at.line(), at.key().to_owned());
    let filters = filter::read(&fields);
    Some(RouteConfig {
        name: name?,
        line,
        place,
        matcher: matcher?,
        kind: kind?,
        timeout,
        num_retries,
        max_body,
        rewrite: filters.rewrite,
        request_headers: filters.request_headers,
        response_headers: filters.response_headers,
        cors: filters.cors,
        canaries: filters.canaries,
        sticky: filters.sticky,
        gzip: filters.gzip,
        auth: fields.texts("auth"),
        signature: fields.text("signature"),
    })
}

fn upstream(fields: &Fields<'_>) -> Option<String> {
    fields.must("upstream", |at| at.text().map(str::to_owned))
}

fn http(at: Scope<'_>) -> Option<Kind> {
    Some(Kind::Http { upstream: upstream(&at.fields(&HTTP))? })
}

fn services(fields: &Fields<'_>) -> Vec<Services> {
    if !fields.has("services") {
        fields.at().wrong("`services` is missing: what no route names is not reachable");
    }
    fields.each("services", Services::parse)
}

fn grpc(at: Scope<'_>) -> Option<Kind> {
    let fields = at.fields(&GRPC);
    let services = services(&fields);
    Some(Kind::Grpc { upstream: upstream(&fields)?, services })
}

fn json(at: Scope<'_>) -> Option<Kind> {
    let fields = at.fields(&JSON);
    let (services, auto_mapping) = (services(&fields), fields.boolean("auto_mapping"));
    Some(Kind::Json { upstream: upstream(&fields)?, services, auto_mapping })
}

fn respond(at: Scope<'_>) -> Option<Kind> {
    let fields = at.fields(&RESPOND);
    let status = fields.number("status", 200, 599).unwrap_or(200);
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let headers = fields.get("headers", |at| Some(at.named(header))).unwrap_or_default();
    let headers = headers.into_iter().map(|(_, pair)| pair).collect();
    Some(Kind::Respond(Respond { status, body: fields.text("body").unwrap_or_default(), headers }))
}

pub(super) fn header(name: &str, at: Scope<'_>) -> Option<(HeaderName, HeaderValue)> {
    let value = at.text()?;
    let read = || Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?));
    at.read(|_| read().ok_or_else(|| format!("`{name}: {value}` is no header")))
}

fn matcher(at: Scope<'_>) -> Option<Matcher> {
    let fields = at.fields(&MATCH);
    let hosts = fields.each("hosts", host);
    let path = match fields.has("path") {
        true => fields.get("path", |at| at.read(|node| Template::parse(node.text().map_err(|error| error.why)?))),
        false => Template::parse("/**").ok(),
    };
    let methods = fields.each("methods", method);
    let conditions = conditions(&fields);
    Some(Matcher { hosts, path: path?, methods, conditions })
}

/// What a part asks of headers, query and cookies, sorted.
pub(super) fn conditions(fields: &Fields<'_>) -> Vec<Condition> {
    let tests = |name: &str, place: fn(String) -> Place| {
        let all = fields.get(name, |at| Some(at.named(|_, at| test(at)))).unwrap_or_default();
        all.into_iter().map(move |(name, test)| Condition { place: place(name), test }).collect::<Vec<_>>()
    };
    let headers = tests("headers", |name| Place::Header(name.to_ascii_lowercase()));
    let (query, cookies) = (tests("query", Place::Query), tests("cookies", Place::Cookie));
    let mut conditions: Vec<_> = headers.into_iter().chain(query).chain(cookies).collect();
    conditions.sort();
    conditions
}

fn test(at: Scope<'_>) -> Option<Test> {
    if at.read(|node| Ok(node.text().is_ok()))? {
        return at.text().map(|text| Test::Exact(text.to_owned()));
    }
    let fields = at.fields(&TESTS);
    let text = |name: &str, test: fn(String) -> Test| fields.text(name).map(test);
    let mut found = [
        text("exact", Test::Exact),
        text("prefix", Test::Prefix),
        text("suffix", Test::Suffix),
        text("contains", Test::Contains),
        fields.has("present").then(|| Test::Present(fields.boolean("present"))),
    ]
    .into_iter()
    .flatten();
    match (found.next(), found.next()) {
        (Some(test), None) => Some(test),
        (None, _) => {
            at.wrong("a text, or one of exact, prefix, suffix, contains and present, should stand here");
            None
        }
        (Some(_), Some(_)) => {
            at.wrong("one test of a value is enough: say the name twice in two routes, or use another");
            None
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|v6| v6.contains(':'));
    if name.is_empty() || !(is_v6 || name.chars().all(plain)) {
        return Err(format!("`{text}` is no host: a name without a port, or *.name"));
    }
    Ok(text.trim_end_matches('.').to_ascii_lowercase())
}

fn method(text: &str) -> Result<Method, String> {
    let upper = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| upper);
    method.ok_or_else(|| format!("`{text}` is no method: they are written in capitals"))
}
