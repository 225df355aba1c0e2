//! Another service is asked whether a request may pass, and who asks.
//!
//! It sees what the file says of the headers, and of the rest `x-forwarded-method`, `x-forwarded-uri`, `x-forwarded-host` and
//! `x-real-ip`. An answer of 2xx lets the request pass; one of 3xx, 401 or 403 is the client's. Anything else, or none in
//! time, is no answer: `failure_mode` says what then.

use super::{Identity, unavailable};
use crate::{
    config::ForwardConfig,
    ingress::Target,
    refusal::Refusal,
    upstream::{Terms, Upstream},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use mainstay::edge::Body;
use metrics::counter;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// Requests that passed unasked, since who is asked gave no answer.
const UNASKED: &str = "mainstay_gateway_auth_unasked_total";

/// What of a refusal is the client's.
const TOLD: [HeaderName; 3] = [header::WWW_AUTHENTICATE, header::LOCATION, header::SET_COOKIE];

/// Asks one service.
#[derive(Debug)]
pub(super) struct ForwardAuth {
    config: ForwardConfig,
    upstream: Option<Arc<Upstream>>,
}

impl ForwardAuth {
    pub(super) fn new(config: ForwardConfig, upstream: Option<Arc<Upstream>>) -> Self {
        Self { config, upstream }
    }

    /// Asks. What the answer says in headers that are taken over stands in `headers` then.
    ///
    /// # Errors
    /// The request may not pass, or nobody says that it may.
    pub(super) async fn check(
        &self,
        method: &Method,
        target: &Target,
        headers: &mut HeaderMap,
    ) -> Result<Identity, Refusal> {
        let answer = timeout(self.config.timeout, self.ask(method, target, headers)).await;
        let why = match answer {
            Ok(Ok(response)) => match response.status().as_u16() {
                200..=299 => return Ok(self.takes(&response, headers)),
                300..=399 | 401 | 403 => return Err(refused(&response)),
                other => format!("it answered {other}"),
            },
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {:?}", self.config.timeout),
        };
        tracing::warn!(upstream = self.config.upstream, why, "who asks cannot be checked");
        if self.config.fails_open {
            counter!(UNASKED, "upstream" => self.config.upstream.clone()).increment(1);
            return Ok(Identity::default());
        }
        Err(unavailable())
    }

    async fn ask(&self, method: &Method, target: &Target, headers: &HeaderMap) -> Result<Response<Body>, String> {
        let http = self.upstream.as_ref().and_then(|upstream| upstream.http.as_ref());
        let http = http.ok_or("its upstream is not for plain HTTP")?;
        let mut request = Request::new(Body::from(String::new()));
        *request.uri_mut() = self.config.path.parse().map_err(|_| "its path is no path")?;
        let asked = request.headers_mut();
        for name in &self.config.request_headers {
            asked.extend(headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
        let query = target.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let real_ip = headers.get("x-real-ip").and_then(|value| value.to_str().ok()).unwrap_or_default();
        for (name, value) in [
            ("host", target.authority.as_str()),
            ("x-forwarded-method", method.as_str()),
            ("x-forwarded-uri", &format!("{}{query}", target.path)),
            ("x-forwarded-host", &target.authority),
            ("x-real-ip", real_ip),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                asked.insert(HeaderName::from_static(name), value);
            }
        }
        let terms = Terms { retries: 1, session: None, until: Instant::now() + self.config.timeout };
        http.send(request, terms).await.map_err(|error| error.to_string())
    }

    /// What the answer says of who asks.
    fn takes(&self, response: &Response<Body>, headers: &mut HeaderMap) -> Identity {
        let answered = response.headers();
        for name in &self.config.response_headers {
            headers.remove(name);
            headers.extend(answered.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
        let account = self.config.account.as_ref().and_then(|name| answered.get(name)?.to_str().ok());
        let account = account.filter(|account| !account.is_empty()).map(str::to_owned);
        Identity { account, how: "forward", ..Identity::default() }
    }
}

fn refused(response: &Response<Body>) -> Refusal {
    let mut refusal = Refusal::new(response.status(), "AUTH_REFUSED", "refused");
    for name in TOLD {
        let values = response.headers().get_all(&name).iter().cloned();
        refusal.headers.extend(values.map(|value| (name.clone(), value)));
    }
    refusal
}
