//! `/livez`, `/readyz` and `/startupz`, on the port that everything else is on.
//!
//! Live says only that the process answers: a probe that looks at dependencies makes an orchestrator restart everyone
//! when one of them is away. So does started, since the port opens only then. Ready says whether calls should come here, and if not, why.

use super::Readiness;
use crate::edge::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};
use tower_service::Service;

/// Answers one probe.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    Live,
    Ready(Readiness),
    Started,
}

/// The paths, and what answers there.
pub(crate) fn all(readiness: &Readiness) -> [(&'static str, Probe); 3] {
    [("/livez", Probe::Live), ("/readyz", Probe::Ready(readiness.clone())), ("/startupz", Probe::Started)]
}

impl Service<Request<Body>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let (status, text) = match self {
            Self::Live => (StatusCode::OK, "live\n".to_owned()),
            Self::Started => (StatusCode::OK, "started\n".to_owned()),
            Self::Ready(readiness) => match readiness.check() {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            },
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Stage;
    use http_body_util::BodyExt;
    use mainstay_registry::LeaseState;
    use std::sync::Arc;

    async fn answer(mut probe: Probe) -> (u16, String) {
        let response = probe.call(Request::new(Body::empty())).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn live_looks_at_nothing_and_ready_says_why_not() {
        let readiness = Readiness::new(Arc::from([]));
        let [(_, live), (_, ready), (_, started)] = all(&readiness);
        assert_eq!(answer(ready.clone()).await, (503, "not ready: the registration is pending\n".to_owned()));
        readiness.stands(LeaseState::Registered);
        assert_eq!(answer(ready.clone()).await, (200, "ready\n".to_owned()));
        readiness.enter(Stage::Unready);
        assert_eq!(answer(ready).await, (503, "not ready: draining\n".to_owned()));
        assert_eq!(answer(live).await, (200, "live\n".to_owned()));
        assert_eq!(answer(started).await, (200, "started\n".to_owned()));
    }
}
