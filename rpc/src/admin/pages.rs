//! Which path shows or does what. One table: the list at `/`, and what another method is answered, come from it.

use super::{
    Inside,
    answer::{Answer, EXPOSITION, PLAIN, wants_text},
    door::{Door, Refused},
};
use crate::{call::BoxFuture, edge::Body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 4096;

/// One thing to see or to do.
struct Page {
    path: &'static str,
    about: &'static str,
    act: Act,
}

enum Act {
    /// Shows something: GET.
    Show(fn(&Inside) -> Answer),
    /// Takes what the body says: PUT.
    Put(fn(&Inside, &str) -> Answer),
    /// Does something: POST.
    Do(fn(&Inside) -> Answer),
}

const fn page(path: &'static str, about: &'static str, act: Act) -> Page {
    Page { path, about, act }
}

const PAGES: &[Page] = &[
    page("/livez", "whether the process answers", Act::Show(|_| said(StatusCode::OK, "live"))),
    page("/readyz", "whether calls should come here, and if not, why", Act::Show(ready)),
    page("/startupz", "whether it has begun to serve", Act::Show(|_| said(StatusCode::OK, "started"))),
    page("/metrics", "what is counted and measured, for Prometheus", Act::Show(metrics)),
    page("/standing", "where it stands, and how its registration does", Act::Show(|all| Answer::of(all.standing()))),
    page(
        "/instances",
        "whom each client knows, and why each is or is not picked",
        Act::Show(|all| Answer::of(all.instances())),
    ),
    page("/breakers", "where each breaker is", Act::Show(|all| Answer::of(all.breakers()))),
    page("/limits", "how each limit does", Act::Show(|all| Answer::of(all.limits()))),
    page(
        "/rules",
        "which rules of operators the application and each client go by, and why one is refused",
        Act::Show(|all| Answer::of(all.rules())),
    ),
    page("/settings", "what each setting is, and who set it", Act::Show(|all| Answer::of(all.settings()))),
    page("/log", "what is logged", Act::Show(log)),
    page("/log", "logs what the body says from now on, as `info,mainstay=debug`", Act::Put(change_log)),
    page("/offline", "takes the registration back until it is told otherwise", Act::Do(|all| stay(all, true))),
    page("/online", "registers again", Act::Do(|all| stay(all, false))),
];

impl Act {
    fn method(&self) -> Method {
        match self {
            Self::Show(_) => Method::GET,
            Self::Put(_) => Method::PUT,
            Self::Do(_) => Method::POST,
        }
    }
}

fn said(status: StatusCode, text: &str) -> Answer {
    Answer::Said(status, PLAIN, format!("{text}\n"))
}

fn ready(inside: &Inside) -> Answer {
    match inside.readiness.check() {
        Ok(()) => said(StatusCode::OK, "ready"),
        Err(why) => said(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {why}")),
    }
}

fn metrics(inside: &Inside) -> Answer {
    match &inside.metrics {
        Some(metrics) => Answer::Said(StatusCode::OK, EXPOSITION, metrics.text()),
        None => Answer::refusal(StatusCode::NOT_FOUND, "NO_RECORDER", "this program records its metrics elsewhere"),
    }
}

fn log(inside: &Inside) -> Answer {
    match &inside.log {
        Some(log) => Answer::of(json!({ "filter": log.show() })),
        None => Answer::refusal(StatusCode::NOT_FOUND, "NO_LOG_FILTER", "the program gave none: `App::log_filter`"),
    }
}

fn change_log(inside: &Inside, filter: &str) -> Answer {
    match inside.log.as_ref().map(|log| log.change(filter)) {
        Some(Err(why)) => Answer::refusal(StatusCode::BAD_REQUEST, "BAD_LOG_FILTER", why),
        _ => log(inside),
    }
}

fn stay(inside: &Inside, offline: bool) -> Answer {
    inside.readiness.set_offline(offline);
    Answer::of(inside.standing())
}

/// All pages, for people who do not know them.
fn list() -> Answer {
    let row = |page: &Page| json!({ "path": page.path, "method": page.act.method().as_str(), "about": page.about });
    Answer::of(Value::from(PAGES.iter().map(row).collect::<Vec<_>>()))
}

/// Answers everything on the port. A clone answers the same.
#[derive(Clone, Debug)]
pub(super) struct Pages(Arc<(Door, Inside)>);

impl Pages {
    pub(super) fn new(door: Door, inside: Inside) -> Self {
        Self(Arc::new((door, inside)))
    }

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let as_text = wants_text(head.uri.query(), &head.headers);
        let (door, inside) = &*self.0;
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = head.uri.authority().map(http::uri::Authority::as_str).or(host);
        let path = head.uri.path();
        if let Err(refused) = door.admits(&head.method, path, host, &head.headers) {
            return refuse(refused).into_response(as_text);
        }
        // What is asked for by HEAD is answered as by GET; hyper leaves the body out.
        let method = if head.method == Method::HEAD { Method::GET } else { head.method };
        let page = PAGES.iter().find(|page| page.path == path && page.act.method() == method);
        let answer = match page.map(|page| &page.act) {
            Some(Act::Show(show)) => show(inside),
            Some(Act::Do(act)) => {
                tracing::info!(path, "an operator asked for it");
                act(inside)
            }
            Some(Act::Put(put)) => match body.collect(MAX_BODY).await.map(|body| String::from_utf8(body.to_vec())) {
                Ok(Ok(text)) => put(inside, text.trim()),
                _ => Answer::refusal(StatusCode::BAD_REQUEST, "BAD_BODY", "it should be a text of at most 4096 bytes"),
            },
            None if path == "/" && method == Method::GET => list(),
            None => nowhere(path),
        };
        answer.into_response(as_text)
    }
}

fn refuse(refused: Refused) -> Answer {
    let (status, why) = match refused {
        Refused::Token => (StatusCode::UNAUTHORIZED, "say `authorization: Bearer TOKEN`"),
        Refused::ForeignHost => {
            (StatusCode::FORBIDDEN, "without a token it answers to `localhost` and its addresses alone")
        }
        Refused::Origin => (StatusCode::FORBIDDEN, "without a token nothing is changed for a page in a browser"),
    };
    Answer::refusal(status, refused.as_str(), why)
}

/// The methods of a path.
fn allowed(path: &str) -> String {
    let methods = PAGES.iter().filter(|page| page.path == path).map(|page| page.act.method().to_string());
    methods.collect::<Vec<_>>().join(", ")
}

fn nowhere(path: &str) -> Answer {
    match allowed(path) {
        methods if methods.is_empty() => Answer::refusal(StatusCode::NOT_FOUND, "NO_PAGE", "`/` lists what is here"),
        methods => Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "NO_METHOD", format!("{path} takes {methods}")),
    }
}

impl Service<Request<Body>> for Pages {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pages = self.clone();
        Box::pin(async move { Ok(pages.answer(request).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_page_is_there_once() {
        let all: BTreeSet<_> = PAGES.iter().map(|page| (page.path, page.act.method().to_string())).collect();
        assert_eq!(all.len(), PAGES.len());
        assert!(PAGES.iter().all(|page| page.path.starts_with('/') && !page.about.is_empty()));
        assert_eq!((allowed("/log"), allowed("/nothing")), ("GET, PUT".to_owned(), String::new()));
    }
}
