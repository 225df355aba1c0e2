//! How it is known who asks, as the file says it. Pure.

use super::{
    Config, From,
    keys_auth::{API_KEYS, AUTH, FORWARD, JWT, SIGNED},
    problem::Problems,
    scope::{Fields, Scope},
};
use crate::auth::{AGES, ANYONE, Ages, ApiKey};
use http::{HeaderName, header};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// API keys of one way, at most: each is compared with what is shown.
const MAX_KEYS: usize = 1000;

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthConfig {
    ApiKeys { header: HeaderName, keys: Vec<ApiKey> },
    Jwt(JwtConfig),
    Forward(ForwardConfig),
    Signed(SignedConfig),
}

/// Signed tokens of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwtConfig {
    pub(crate) issuer: String,
    pub(crate) audience: Option<String>,
    pub(crate) jwks: JwksFrom,
    pub(crate) host: String,
    pub(crate) algorithms: Vec<String>,
    pub(crate) account: String,
    pub(crate) headers: Vec<(String, HeaderName)>,
    pub(crate) ages: Ages,
    pub(crate) timeout: Duration,
}

/// Where a set of keys is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JwksFrom {
    Upstream { name: String, path: String },
    File(PathBuf),
}

/// Another service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardConfig {
    pub(crate) upstream: String,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) request_headers: Vec<HeaderName>,
    pub(crate) response_headers: Vec<HeaderName>,
    pub(crate) account: Option<HeaderName>,
    pub(crate) fails_open: bool,
}

/// Signed requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedConfig {
    pub(crate) header: HeaderName,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) window: Duration,
    pub(crate) max_nonces: usize,
    pub(crate) max_body: u64,
}

impl AuthConfig {
    /// The upstream that is asked.
    pub(crate) fn upstream(&self) -> Option<&str> {
        match self {
            Self::Jwt(JwtConfig { jwks: JwksFrom::Upstream { name, .. }, .. }) => Some(name),
            Self::Forward(forward) => Some(&forward.upstream),
            _ => None,
        }
    }

    /// The headers in which upstreams are told of who asks: nobody else may say them.
    pub(crate) fn says(&self) -> impl Iterator<Item = &HeaderName> {
        let (claims, answers) = match self {
            Self::Jwt(jwt) => (&jwt.headers[..], &[][..]),
            Self::Forward(forward) => (&[][..], &forward.response_headers[..]),
            _ => (&[][..], &[][..]),
        };
        claims.iter().map(|(_, name)| name).chain(answers)
    }
}

/// Reads one.
pub(super) fn read(at: Scope<'_>) -> Option<AuthConfig> {
    let fields = at.fields(&AUTH);
    let kinds = ["api_keys", "jwt", "forward", "signed"];
    if kinds.into_iter().filter(|kind| fields.has(kind)).count() != 1 {
        at.wrong(format!("it has one of {}", kinds.join(", ")));
    }
    let found = fields.get("api_keys", api_keys).or_else(|| fields.get("jwt", jwt).map(AuthConfig::Jwt));
    let found = found.or_else(|| fields.get("forward", forward).map(AuthConfig::Forward));
    found.or_else(|| fields.get("signed", signed).map(AuthConfig::Signed))
}

fn name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no name of a header"))
}

fn header_name(fields: &Fields<'_>, key: &str) -> Option<HeaderName> {
    fields.get(key, |at| at.read(|node| name(node.text().map_err(|error| error.why)?)))
}

fn api_keys(at: Scope<'_>) -> Option<AuthConfig> {
    let fields = at.fields(&API_KEYS);
    let key = |name: &str, at: Scope<'_>| at.read(|node| ApiKey::parse(name, node.text().map_err(|error| error.why)?));
    let keys: Vec<_> = fields.must("keys", |at| Some(at.named(key)))?.into_iter().map(|(_, key)| key).collect();
    if keys.len() > MAX_KEYS {
        at.wrong(format!("there are {} keys, at most {MAX_KEYS} are taken", keys.len()));
    }
    let header = header_name(&fields, "header").unwrap_or(HeaderName::from_static("x-api-key"));
    Some(AuthConfig::ApiKeys { header, keys })
}

fn jwt(at: Scope<'_>) -> Option<JwtConfig> {
    let fields = at.fields(&JWT);
    let issuer = fields.must("issuer", |at| at.text().map(str::to_owned));
    let jwks = match (fields.text("upstream"), fields.text("file")) {
        (Some(name), None) => Some(JwksFrom::Upstream { name, path: path(&fields, "/.well-known/jwks.json") }),
        (None, Some(file)) => Some(JwksFrom::File(file.into())),
        _ => {
            at.wrong("the set of keys is in a `file`, or served by an `upstream`: one of them says where");
            None
        }
    };
    let algorithm = |text: &str| match text {
        "RS256" | "ES256" => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is none of RS256 and ES256")),
    };
    let algorithms = fields.each("algorithms", algorithm);
    let header = |claim: &str, at: Scope<'_>| {
        let header = at.read(|node| name(node.text().map_err(|error| error.why)?))?;
        Some((claim.to_owned(), header))
    };
    let headers = fields.get("headers", |at| Some(at.named(header))).unwrap_or_default();
    let ages = Ages {
        refresh: fields.duration("refresh").unwrap_or(AGES.refresh),
        cooldown: fields.duration("cooldown").unwrap_or(AGES.cooldown),
        max_stale: fields.ttl("max_stale").unwrap_or(AGES.max_stale),
    };
    let host = issuer.as_deref().and_then(|issuer| issuer.split_once("://")?.1.split('/').next());
    Some(JwtConfig {
        host: fields.text("host").or_else(|| host.map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned()),
        issuer: issuer?,
        audience: fields.text("audience"),
        jwks: jwks?,
        algorithms: if algorithms.is_empty() { vec!["RS256".to_owned(), "ES256".to_owned()] } else { algorithms },
        account: fields.text("account").unwrap_or_else(|| "sub".to_owned()),
        headers: headers.into_iter().map(|(_, pair)| pair).collect(),
        ages,
        timeout: fields.duration("timeout").unwrap_or(Duration::from_secs(2)),
    })
}

/// A path that is asked for.
fn path(fields: &Fields<'_>, default: &str) -> String {
    let path = fields.get("path", |at| {
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            let is_path = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
            is_path.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is no path"))
        })
    });
    path.unwrap_or_else(|| default.to_owned())
}

fn forward(at: Scope<'_>) -> Option<ForwardConfig> {
    let fields = at.fields(&FORWARD);
    let request_headers = match fields.has("request_headers") {
        true => fields.each("request_headers", name),
        false => vec![header::AUTHORIZATION, header::COOKIE],
    };
    Some(ForwardConfig {
        upstream: fields.must("upstream", |at| at.text().map(str::to_owned))?,
        path: path(&fields, "/"),
        timeout: fields.duration("timeout").unwrap_or(Duration::from_secs(1)),
        request_headers,
        response_headers: fields.each("response_headers", name),
        account: header_name(&fields, "account"),
        fails_open: fields.word("failure_mode") == Some("allow"),
    })
}

fn signed(at: Scope<'_>) -> Option<SignedConfig> {
    let fields = at.fields(&SIGNED);
    let keys = fields.must("keys", |at| Some(at.named(|_, at| super::listener::place(at))))?;
    Some(SignedConfig {
        header: header_name(&fields, "header").unwrap_or(HeaderName::from_static("x-signature")),
        keys: keys.into_iter().collect(),
        window: fields.duration("window").unwrap_or(Duration::from_secs(300)),
        max_nonces: fields.number("max_nonces", 1, 10_000_000).unwrap_or(100_000) as usize,
        max_body: fields.size("max_body").unwrap_or(1024 * 1024),
    })
}

/// Notes what routes want that is not there, and what is there and cannot be asked. `ways` are all names with their lines, readable
/// or not.
pub(super) fn fits_together(
    config: &Config,
    problems: &Problems,
    ways: &[(String, usize)],
    is_upstream: &dyn Fn(&str) -> bool,
) {
    for (name, line) in ways {
        let wrong = |why: String| problems.add(*line, &format!("auth.{name}"), why);
        if name == ANYONE {
            wrong(format!("`{ANYONE}` is the name of who asks for nothing"));
        }
        let Some(upstream) = config.auth.get(name).and_then(AuthConfig::upstream) else { continue };
        match config.upstreams.get(upstream).map(|upstream| &upstream.from) {
            None if !is_upstream(upstream) => wrong(format!("there is no upstream `{upstream}`")),
            Some(From::Registry { service: None, .. }) => {
                wrong("its upstream is a registry without a `service`: nobody knows what to look up".to_owned());
            }
            _ => {}
        }
    }
    for route in &config.routes {
        let wrong = |key: &str, why: String| problems.add(route.line, &format!("{}.{key}", route.place), why);
        let known = |name: &str| ways.iter().any(|(known, _)| known == name);
        let is_signed = |name: &str| matches!(config.auth.get(name), Some(AuthConfig::Signed(_)));
        for name in route.auth.iter().chain(&route.signature).filter(|name| *name != ANYONE && !known(name)) {
            let meant = mainstay_registry::nearest(name, ways.iter().map(|(name, _)| name.as_str()));
            let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
            wrong("auth", format!("there is no `{name}` under `auth`{hint}"));
        }
        if let Some(name) = route.auth.iter().find(|name| is_signed(name)) {
            wrong("auth", format!("`{name}` signs requests: a route names it under `signature`"));
        }
        if let Some(name) = route.signature.as_ref().filter(|name| known(name) && !is_signed(name)) {
            wrong("signature", format!("`{name}` does not sign requests: a route names it under `auth`"));
        }
    }
}
