//! What operators see of a running gateway: on a port of its own, on loopback, and nothing can be changed there.
//!
//! | path | what |
//! |---|---|
//! | `/routes` | every route, in the order of the file |
//! | `/upstreams` | every upstream, who is known of it, and why each is or is not picked |
//! | `/limits` | rules in force, what was left out of them, what they count, and breakers |
//! | `/version` | which text is in force, and of which program |
//! | `/metrics` | Prometheus' text |
//! | `/livez`, `/readyz` | probes |

mod pages;

use crate::{flow::Limits, versions::Versions};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use mainstay::{
    edge::Body,
    prometheus::Prometheus,
    server::{Running, Server},
    transport::TcpAccept,
};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;

/// Answers operators. A clone is the same.
#[derive(Clone, Debug)]
struct Admin {
    versions: Arc<Versions>,
    limits: Limits,
    metrics: Option<Prometheus>,
}

/// Listens. The address is one of loopback, which the file's reader sees to.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn start(
    at: SocketAddr,
    versions: Arc<Versions>,
    limits: Limits,
    metrics: Option<Prometheus>,
) -> io::Result<Running> {
    let accept = TcpAccept::bind(at).await?;
    let server = Server::bare().mount("/", Admin { versions, limits, metrics }).max_connections(CONNECTIONS);
    Ok(server.start(accept))
}

impl Service<Request<Body>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl Admin {
    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        // A page that a browser on this machine shows must not get in by a name of its own.
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.or(request.uri().host()).is_some_and(is_local) {
            return text(StatusCode::FORBIDDEN, "text/plain", "ask by a name of this machine\n".to_owned());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "nothing can be changed here\n".to_owned());
        }
        let snapshot = self.versions.current.load();
        let page = match request.uri().path() {
            "/livez" | "/readyz" => return text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/metrics" => {
                let all = self.metrics.as_ref().map(Prometheus::text).unwrap_or_default();
                return text(StatusCode::OK, "text/plain; version=0.0.4", all);
            }
            "/routes" => pages::routes(&snapshot),
            "/upstreams" => pages::upstreams(&snapshot),
            "/limits" => self.limits.page(),
            "/version" => pages::version(&snapshot, &self.versions.earlier()),
            _ => {
                let all = "/routes\n/upstreams\n/limits\n/version\n/metrics\n/livez\n/readyz\n";
                let code = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
                return text(code, "text/plain", all.to_owned());
            }
        };
        text(StatusCode::OK, "application/json", format!("{page:#}\n"))
    }
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
