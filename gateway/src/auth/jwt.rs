//! Signed tokens, by sets of keys that are fetched: from an upstream, or from a file.
//!
//! While a known set serves, a request costs the check alone. A set is fetched by one request for all others; those whose key is
//! not known wait for it, a bounded time. An issuer that is away leaves what is known in force, for a bounded time too.

use super::{
    Identity,
    jwks::{Freshness, Step, usable},
    unauthenticated, unavailable,
};
use crate::{
    config::{JwksFrom, JwtConfig},
    refusal::Refusal,
    upstream::{Terms, Upstream},
};
use arc_swap::ArcSwapOption;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use mainstay::{
    auth::{Jwt, JwtKey, Tokens},
    edge::Body,
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, timeout};

/// A set, in bytes.
const MAX_SET: usize = 1024 * 1024;

/// Takes tokens of one issuer.
#[derive(Debug)]
pub(super) struct JwtAuth {
    config: JwtConfig,
    upstream: Option<Arc<Upstream>>,
    known: ArcSwapOption<Known>,
    freshness: Mutex<Freshness>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
    began: Instant,
}

#[derive(Debug)]
struct Known {
    jwt: Jwt,
    ids: HashSet<String>,
    /// A key without a name may be for any token.
    any: bool,
}

impl JwtAuth {
    pub(super) fn new(config: JwtConfig, upstream: Option<Arc<Upstream>>) -> Self {
        let (known, freshness, fetching) = (ArcSwapOption::empty(), Mutex::default(), tokio::sync::Mutex::default());
        Self { config, upstream, known, freshness, fetching, began: Instant::now() }
    }

    /// Who the token of a request is for; `None` where it has none.
    ///
    /// # Errors
    /// It is not taken, or cannot be checked.
    pub(super) async fn check(self: &Arc<Self>, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
        let Some(token) = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
            return Ok(None);
        };
        let id = key_id(token);
        let mut known = self.known.load_full();
        let step = |known: Option<&Arc<Known>>| {
            let knows = known.is_some_and(|known| known.knows(id.as_deref()));
            self.freshness().step(knows, self.config.ages, self.began.elapsed())
        };
        match step(known.as_ref()) {
            Step::Use => {}
            Step::UseAndFetch => {
                let this = self.clone();
                tokio::spawn(async move { this.fetch().await });
            }
            Step::Fetch => {
                // Whoever is first fetches for those who wait here.
                let _one = self.fetching.lock().await;
                known = self.known.load_full();
                if step(known.as_ref()) == Step::Fetch {
                    self.fetch().await;
                    known = self.known.load_full();
                }
            }
            Step::Nothing => return Err(unavailable()),
        }
        let fresh = step(known.as_ref()) != Step::Nothing;
        let known = known.filter(|_| fresh).ok_or_else(unavailable)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let caller = known.jwt.caller(token, now).map_err(|bad| {
            let reason = if bad.expired { "TOKEN_EXPIRED" } else { "TOKEN_REFUSED" };
            let shown = "Bearer error=\"invalid_token\"";
            unauthenticated(reason, bad.to_string()).with(header::WWW_AUTHENTICATE, shown)
        })?;
        let identity = Identity { how: "jwt", token: Some(caller.clone()), ..Identity::default() };
        let account = identity.claim(&self.config.account).or_else(|| Some(caller.name().to_owned()));
        Ok(Some(Identity { account, ..identity }))
    }

    fn freshness(&self) -> std::sync::MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the set; one that cannot be had, or is none, changes nothing.
    async fn fetch(&self) {
        self.freshness().tried = Some(self.began.elapsed());
        let fetched = match timeout(self.config.timeout, self.text()).await {
            Ok(text) => text.and_then(|text| usable(&text, &self.config.algorithms)),
            Err(_) => Err(format!("it did not come within {:?}", self.config.timeout)),
        };
        match fetched {
            Ok(keys) => {
                self.known.store(Some(Arc::new(Known::new(&self.config, keys))));
                self.freshness().fetched = Some(self.began.elapsed());
            }
            Err(why) => tracing::warn!(issuer = self.config.issuer, why, "no set of keys; what was known stays"),
        }
    }

    async fn text(&self) -> Result<Vec<u8>, String> {
        let path = match &self.config.jwks {
            JwksFrom::File(path) => return tokio::fs::read(path).await.map_err(|error| error.to_string()),
            JwksFrom::Upstream { path, .. } => path,
        };
        let http = self.upstream.as_ref().and_then(|upstream| upstream.http.as_ref());
        let http = http.ok_or("its upstream is not for plain HTTP")?;
        let request = Request::get(path.as_str()).header(header::HOST, self.config.host.as_str());
        let request = request.body(Body::from(String::new())).map_err(|error| error.to_string())?;
        let terms = Terms { retries: 1, session: None, until: Instant::now() + self.config.timeout };
        let response = http.send(request, terms).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("the issuer answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_SET).collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes().to_vec())
    }
}

impl Known {
    fn new(config: &JwtConfig, keys: Vec<JwtKey>) -> Self {
        let ids = keys.iter().filter_map(|key| key.id().map(str::to_owned)).collect();
        let any = keys.iter().any(|key| key.id().is_none());
        let jwt = Jwt::new().issuer(config.issuer.as_str());
        let jwt = config.audience.iter().fold(jwt, |jwt, audience| jwt.audience(audience.as_str()));
        Self { jwt: keys.into_iter().fold(jwt, Jwt::key), ids, any }
    }

    /// Whether a token that names this key can be checked by what is known.
    fn knows(&self, id: Option<&str>) -> bool {
        self.any || id.is_none_or(|id| self.ids.contains(id))
    }
}

/// The key that a token names, before anything of it is believed: it says which keys are asked for, and no more.
fn key_id(token: &str) -> Option<String> {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let head: serde_json::Value = serde_json::from_slice(&head).ok()?;
    Some(head.get("kid")?.as_str()?.to_owned())
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &[u8]) -> Option<&str> {
    let (word, token) = value.split_at_checked(7)?;
    let token = word.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())?;
    std::str::from_utf8(token).ok().filter(|token| !token.is_empty())
}

/// How long a set of keys serves where the file says nothing.
pub(crate) const AGES: super::jwks::Ages = super::jwks::Ages {
    refresh: Duration::from_secs(300),
    cooldown: Duration::from_secs(60),
    max_stale: Duration::from_secs(24 * 3600),
};
