//! When the answer to a request must have begun: the moment at which it came is an argument.
//!
//! One moment for all that is done of a request: finding out who asks, waiting in a queue of flow control, asking upstreams, again
//! where need be. It is the route's `timeout` after the request came, or earlier where the caller waits for less: callers of
//! gRPC and of Dubbo say so (`grpc-timeout`, `triple-timeout-ms`, `tri-service-timeout`).

use crate::{
    config::{Kind, RouteConfig},
    refusal::Refusal,
};
use http::{HeaderMap, StatusCode};
use mainstay::edge;
use std::time::Duration;
use tokio::time::Instant;

/// From when until when a request is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) began: Instant,
    pub(crate) at: Instant,
}

impl Deadline {
    /// That of a request of a route, with these headers, which came at `began`.
    ///
    /// # Errors
    /// Nobody waits for the answer any more, or what is said of it is no time.
    pub(crate) fn of(route: &RouteConfig, headers: &HeaderMap, began: Instant) -> Result<Self, Refusal> {
        let asked = match route.kind {
            Kind::Grpc { .. } | Kind::Json { .. } | Kind::Aggregate(_) => edge::timeout(headers).map_err(|status| {
                let text = status.message().to_owned();
                Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", text)
            })?,
            // Of plain HTTP nobody says it.
            Kind::Http { .. } | Kind::Respond(_) => None,
        };
        if asked.is_some_and(|time| time.is_zero()) {
            return Err(late("the time of the request was over before it came"));
        }
        Ok(Self { began, at: began + asked.map_or(route.timeout, |asked| asked.min(route.timeout)) })
    }

    /// The time that is left.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }
}

/// It is too late.
pub(crate) fn late(text: &str) -> Refusal {
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use http::HeaderName;

    const FILE: &str = "
listeners: [{address: '127.0.0.1:0'}]
upstreams: {up: {endpoints: ['127.0.0.1:1']}}
routes:
  - {name: grpc, match: {path: /a.B/*}, grpc: {upstream: up, services: [a.B]}, timeout: 3s}
  - {name: pages, match: {}, http: {upstream: up}, timeout: 3s}
";

    #[test]
    fn it_is_the_routes_or_the_callers_whichever_is_earlier() {
        let config: Config = FILE.parse().unwrap();
        let began = Instant::now();
        for (route, name, value, millis) in [
            ("grpc", "grpc-timeout", "2S", Ok(2000)),
            ("grpc", "grpc-timeout", "9S", Ok(3000)),
            ("grpc", "triple-timeout-ms", "70", Ok(70)),
            ("grpc", "x-other", "1", Ok(3000)),
            ("grpc", "grpc-timeout", "0m", Err("DEADLINE_EXCEEDED")),
            ("grpc", "grpc-timeout", "soon", Err("BAD_REQUEST")),
            ("pages", "grpc-timeout", "0m", Ok(3000)),
        ] {
            let route = config.routes.iter().find(|one| one.name == route).unwrap();
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
            let found = Deadline::of(route, &headers, began);
            let found = found.map(|found| found.left(began).as_millis()).map_err(|refusal| refusal.reason);
            assert_eq!(found, millis.map_err(Into::into), "{name}: {value}");
        }
    }
}
