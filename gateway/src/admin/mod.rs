//! What operators see of a running gateway, and what they may change: on a port of its own.
//!
//! | path | what |
//! |---|---|
//! | `/routes` | every route, in the order of the file |
//! | `/upstreams` | every upstream, who is known of it, and why each is or is not picked |
//! | `/limits` | rules in force, what was left out of them, what they count, and breakers |
//! | `/lists` | who is refused, let pass and looked at |
//! | `/risk` | the rules: modes, hits, counters, and why the last set was refused |
//! | `/chaos` | whether faults are injected, and which |
//! | `/version` | which text is in force, and of which program |
//! | `/metrics` | Prometheus' text |
//! | `/livez`, `/readyz` | probes |
//!
//! Without tokens the port is of loopback and nothing can be changed. With them whoever shows one may change what `change.rs`
//! names; what is personal is shown to nobody else, and on an address that other machines reach, nothing is but the probes.
//!
//! | file | what |
//! |---|---|
//! | `pages.rs` | what each page shows |
//! | `operators.rs` | whose token is shown |
//! | `change.rs` | what is changed |

mod change;
mod operators;
mod pages;

pub(crate) use operators::Operators;

use crate::{chaos::Chaos, flow::Limits, risk::Risk, versions::Versions};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use mainstay::{
    call::BoxFuture,
    edge::Body,
    prometheus::Prometheus,
    server::{Running, Server},
    transport::TcpAccept,
};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::Notify;
use tower_service::Service;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;

/// Answers operators. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    versions: Arc<Versions>,
    limits: Limits,
    metrics: Option<Prometheus>,
    operators: Operators,
    risk: Risk,
    chaos: Chaos,
    /// Hears when an operator ends the gateway.
    ending: Arc<Notify>,
    /// This machine alone reaches it.
    local: bool,
}

impl Admin {
    pub(crate) fn new(
        versions: Arc<Versions>,
        limits: Limits,
        metrics: Option<Prometheus>,
        operators: Operators,
        (risk, chaos): (Risk, Chaos),
        ending: Arc<Notify>,
    ) -> Self {
        Self { versions, limits, metrics, operators, risk, chaos, ending, local: true }
    }

    /// Listens. Without operators the address is one of loopback, which the file's reader sees to.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(crate) async fn start(self, at: SocketAddr) -> io::Result<Running> {
        let accept = TcpAccept::bind(at).await?;
        let admin = Self { local: at.ip().is_loopback(), ..self };
        Ok(Server::bare().mount("/", admin).max_connections(CONNECTIONS).start(accept))
    }
}

impl Service<Request<Body>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let admin = self.clone();
        Box::pin(async move { Ok(admin.answer(request).await) })
    }
}

impl Admin {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        // A page that a browser on this machine shows must not get in by a name of its own.
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        if self.local && !host.or(request.uri().host()).is_some_and(is_local) {
            return text(StatusCode::FORBIDDEN, "text/plain", "ask by a name of this machine\n".to_owned());
        }
        let shown = request.headers().get(header::AUTHORIZATION);
        let who = shown.and_then(|shown| self.operators.who(shown.as_bytes())).map(str::to_owned);
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.page(request.uri().path(), who.is_some());
        }
        match who {
            Some(who) => self.change(&who, request).await,
            None if self.operators.is_empty() => {
                text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "nothing can be changed here\n".to_owned())
            }
            None => unknown(),
        }
    }

    fn page(&self, path: &str, is_operator: bool) -> Response<Body> {
        let personal = path == "/lists" && !self.operators.is_empty();
        let is_probe = matches!(path, "/livez" | "/readyz");
        if !is_operator && !is_probe && (personal || !self.local) {
            return unknown();
        }
        let snapshot = self.versions.current.load();
        let page = match path {
            "/livez" | "/readyz" => return text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/metrics" => {
                let all = self.metrics.as_ref().map(Prometheus::text).unwrap_or_default();
                return text(StatusCode::OK, "text/plain; version=0.0.4", all);
            }
            "/routes" => pages::routes(&snapshot),
            "/upstreams" => pages::upstreams(&snapshot),
            "/limits" => self.limits.page(),
            "/lists" => self.risk.lists(),
            "/risk" => self.risk.page(),
            "/chaos" => pages::chaos(&snapshot, self.chaos.armed()),
            "/version" => pages::version(&snapshot, &self.versions.earlier()),
            _ => {
                let all = "/routes\n/upstreams\n/limits\n/lists\n/risk\n/chaos\n/version\n/metrics\n/livez\n/readyz\n";
                let code = if path == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
                return text(code, "text/plain", all.to_owned());
            }
        };
        text(StatusCode::OK, "application/json", format!("{page:#}\n"))
    }
}

/// Nobody's token is shown.
fn unknown() -> Response<Body> {
    let mut response = text(StatusCode::UNAUTHORIZED, "text/plain", "show the token of an operator\n".to_owned());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn text(code: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A host by which this machine alone is meant, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for host in ["localhost", "localhost:1", "127.0.0.1:9901", "[::1]:9901", "127.1.1.1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:1", "10.0.0.1", "[fe80::1]:1", "0.0.0.0:1"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
