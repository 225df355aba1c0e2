//! All that a route wants to know of who asks, one after the other.
//!
//! Of the ways that it names under `auth` the first that finds something shown decides: a wrong token is not made good by a
//! key beside it. A signature is wanted besides. Who is asked what is kept while the file leaves it as it was: sets of keys,
//! nonces.

use super::{Identity, api_key, forward::ForwardAuth, jwt::JwtAuth, signer::Signer, unauthenticated};
use crate::{
    config::{AuthConfig, RouteConfig},
    deadline::Deadline,
    ingress::Target,
    refusal::Refusal,
    upstream::Upstream,
};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use mainstay::edge::Body;
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::timeout_at;

/// The way that asks for nothing.
pub(crate) const ANYONE: &str = "anyone";

/// Every way by name.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    ways: BTreeMap<String, Arc<Way>>,
    /// What only those who are asked may say of who asks.
    reserved: Vec<HeaderName>,
}

#[derive(Debug)]
struct Way {
    config: AuthConfig,
    upstream: Option<Arc<Upstream>>,
    check: Check,
}

#[derive(Debug)]
enum Check {
    /// All that it takes is in the file.
    ApiKeys,
    Jwt(Arc<JwtAuth>),
    Forward(ForwardAuth),
    Signed(Signer),
}

impl Desk {
    /// Makes what the file says; what it leaves as it was is taken over.
    ///
    /// # Errors
    /// The name of one that cannot be, and why.
    pub(crate) fn new(
        config: &BTreeMap<String, AuthConfig>,
        upstreams: &BTreeMap<String, Arc<Upstream>>,
        old: Option<&Self>,
    ) -> Result<Self, (String, String)> {
        let mut ways = BTreeMap::new();
        for (name, wanted) in config {
            let upstream = wanted.upstream().and_then(|name| upstreams.get(name)).cloned();
            let same = |way: &&Arc<Way>| {
                let as_before = match (&way.upstream, &upstream) {
                    (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                    (old, new) => old.is_none() && new.is_none(),
                };
                way.config == *wanted && as_before
            };
            let way = match old.and_then(|old| old.ways.get(name)).filter(same) {
                Some(way) => way.clone(),
                None => {
                    let check = Check::new(wanted, upstream.clone()).map_err(|why| (name.clone(), why))?;
                    Arc::new(Way { config: wanted.clone(), upstream, check })
                }
            };
            ways.insert(name.clone(), way);
        }
        let reserved = config.values().flat_map(AuthConfig::says).cloned().collect();
        Ok(Self { ways, reserved })
    }

    /// Takes out of a request what only those who are asked may say.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        self.reserved.iter().for_each(|name| drop(headers.remove(name)));
    }

    /// A route wants to know who asks.
    pub(crate) fn is_asked(route: &RouteConfig) -> bool {
        !route.auth.is_empty() || route.signature.is_some()
    }

    /// Who asks for a route that wants to know.
    ///
    /// # Errors
    /// Nobody whom the route wants.
    pub(crate) async fn admit(
        &self,
        route: &RouteConfig,
        (target, deadline): (&Target, Deadline),
        mut request: Request<Body>,
    ) -> Result<(Identity, Request<Body>), Refusal> {
        let asked = async {
            let method = request.method().clone();
            let identity = self.any(&route.auth, &method, target, request.headers_mut()).await?;
            let signer = route.signature.as_ref().and_then(|name| self.ways.get(name));
            let Some(Check::Signed(signer)) = signer.map(|way| &way.check) else { return Ok((identity, request)) };
            let (signed, request) = signer.check(target, request, route.max_body).await?;
            Ok((identity.and(signed), request))
        };
        timeout_at(deadline.at, asked).await.unwrap_or_else(|_| {
            let text = "who asks was not known in time";
            Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "AUTH_TIMEOUT", text))
        })
    }

    async fn any(
        &self,
        names: &[String],
        method: &Method,
        target: &Target,
        headers: &mut HeaderMap,
    ) -> Result<Identity, Refusal> {
        let ways = names.iter().filter_map(|name| self.ways.get(name));
        for way in ways {
            let found = match &way.check {
                Check::ApiKeys => way.key(headers)?,
                Check::Jwt(jwt) => jwt.check(headers).await?.inspect(|identity| way.tell(identity, headers)),
                Check::Forward(forward) => Some(forward.check(method, target, headers).await?),
                Check::Signed(_) => None,
            };
            if let Some(identity) = found {
                return Ok(identity);
            }
        }
        if names.is_empty() || names.iter().any(|name| name == ANYONE) {
            return Ok(Identity::default());
        }
        Err(unauthenticated("UNAUTHENTICATED", "the route wants to know who asks")
            .with(header::WWW_AUTHENTICATE, "Bearer"))
    }
}

impl Way {
    /// Whose key is shown, if one is. No upstream sees it.
    fn key(&self, headers: &mut HeaderMap) -> Result<Option<Identity>, Refusal> {
        let AuthConfig::ApiKeys { header, keys } = &self.config else { return Ok(None) };
        let Some(shown) = headers.remove(header) else { return Ok(None) };
        let name = api_key::whose(keys, shown.as_bytes());
        let name = name.ok_or_else(|| unauthenticated("KEY_REFUSED", "nobody has this key"))?.to_owned();
        Ok(Some(Identity { account: Some(name.clone()), key: Some(name), how: "api_key", token: None }))
    }

    /// Tells the upstream what the file wants told of a token.
    fn tell(&self, identity: &Identity, headers: &mut HeaderMap) {
        let AuthConfig::Jwt(config) = &self.config else { return };
        for (claim, name) in &config.headers {
            if let Some(value) = identity.claim(claim).and_then(|value| value.parse().ok()) {
                headers.insert(name, value);
            }
        }
    }
}

impl Check {
    fn new(config: &AuthConfig, upstream: Option<Arc<Upstream>>) -> Result<Self, String> {
        Ok(match config {
            AuthConfig::ApiKeys { .. } => Self::ApiKeys,
            AuthConfig::Jwt(jwt) => Self::Jwt(Arc::new(JwtAuth::new(jwt.clone(), upstream))),
            AuthConfig::Forward(forward) => Self::Forward(ForwardAuth::new(forward.clone(), upstream)),
            AuthConfig::Signed(signed) => Self::Signed(Signer::read(signed.clone())?),
        })
    }
}
