//! Which request is answered how: by path first, then by method, then by content type.

use super::{
    Body, Cors,
    cors::is_preflight,
    dialect::{ACCEPTED, Dialect},
    errors, grpc,
    schemas::Schemas,
    service::{Answer, HttpService},
    template::{Template, Templates},
    unary, web,
};
use crate::{
    call::{BoxFuture, Channel, Reason, Status},
    server::Dispatch,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ACCEPT_ENCODING, ALLOW},
    request::Parts,
};
use std::{sync::Arc, time::Duration};
use tonic::Code;

/// `Accept-Post`, which `http` has no constant for.
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Answers for the services of a server, and hands the rest to what is mounted.
pub(crate) struct Ours(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) dispatch: Dispatch,
    /// The server stack.
    pub(crate) service: Channel,
    pub(crate) schemas: Schemas,
    pub(crate) max_message: usize,
    /// How long a body may stop coming.
    pub(crate) patience: Duration,
    pub(crate) gzip: bool,
    gets: Templates<String>,
    cors: Option<Cors>,
    mounts: Arc<Mounts>,
}

impl Ours {
    pub(crate) fn new(
        dispatch: Dispatch,
        service: Channel,
        (max_message, patience, gzip): (usize, Duration, bool),
        cors: Option<Cors>,
        mounts: Arc<Mounts>,
    ) -> Self {
        let (schemas, gets) = (Schemas::new(&dispatch), templates(&dispatch));
        Self(Arc::new(Inner { dispatch, service, schemas, max_message, patience, gzip, gets, cors, mounts }))
    }
}

impl Answer for Ours {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        // What is mounted makes a future of its own: that of all our dialects is large, and would only be moved past it.
        if let Some(mounted) = self.0.mounted(&request) {
            return mounted.answer(request);
        }
        let ours = self.0.clone();
        Box::pin(async move { ours.answer(request).await })
    }
}

fn templates(dispatch: &Dispatch) -> Templates<String> {
    let methods =
        dispatch.services().iter().flat_map(|service| service.methods.iter().map(move |method| (service, method)));
    let templates = Templates::new(methods.filter_map(|(service, method)| {
        Some((Template::parse(method.get?), format!("/{}/{}", service.full_name, method.name)))
    }));
    for (hidden, reached) in templates.hidden() {
        tracing::warn!("a GET reaches {reached}, never {hidden}: their templates are the same");
    }
    templates
}

impl Inner {
    /// What is mounted where a request leads, unless a service of ours is meant: that one comes first.
    fn mounted<B>(&self, request: &Request<B>) -> Option<&HttpService> {
        let (path, method) = (request.uri().path(), request.method());
        let mounted = self.mounts.find(path)?;
        let asks = || reads(method) || is_preflight(method, request.headers());
        let ours = self.dispatch.knows(path) || (self.gets.find(path).is_some() && asks());
        (!ours).then_some(mounted)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let preflight = is_preflight(&parts.method, &parts.headers);
        let named = self.dispatch.knows(&path);
        let template = self.gets.find(&path);
        let allowed = self.cors.as_ref().and_then(|cors| cors.allowed(&parts.headers));
        let mut response = match (template, &allowed) {
            (template, Some(allowed)) if preflight && (named || template.is_some()) => {
                return allowed.preflight(&parts.headers);
            }
            (Some((method, bindings)), _) if reads(&parts.method) => {
                let answered = unary::get(self, parts, method, &bindings).await;
                answered.unwrap_or_else(|status| errors::response(&status))
            }
            _ if named && parts.method == Method::POST => self.post(parts, body).await,
            _ if named => not_allowed("POST", &format!("{path} is called by POST, not {}", parts.method)),
            (Some(_), _) => not_allowed("GET, HEAD", &format!("{path} is called by GET, not {}", parts.method)),
            _ => self.unknown(parts, body).await,
        };
        if let Some(allowed) = allowed {
            allowed.decorate(response.headers_mut());
        }
        response
    }

    async fn post(&self, parts: Parts, body: Body) -> Response<Body> {
        let Some(dialect) = Dialect::of(&parts.headers) else { return unsupported(&parts.headers) };
        match dialect {
            // The trailers of HTTP/1.1 get lost on the way, and with them the status.
            Dialect::Grpc if parts.version < Version::HTTP_2 => needs_http2(),
            Dialect::Grpc => grpc::answer(self, parts, body).await,
            Dialect::Web { text } => {
                let body = body.unless_stalled(self.patience);
                web::answer(parts, body, text, |parts, body| grpc::answer(self, parts, body)).await
            }
            Dialect::Json | Dialect::Proto if !unary::is_known_encoding(&parts.headers) => unknown_encoding(),
            Dialect::Json | Dialect::Proto => {
                let answered = unary::post(self, parts, body.unless_stalled(self.patience), dialect == Dialect::Json);
                answered.await.unwrap_or_else(|status| errors::response(&status))
            }
        }
    }

    /// Answers for a path that leads nowhere, in the caller's own dialect.
    async fn unknown(&self, parts: Parts, body: Body) -> Response<Body> {
        match Dialect::of(&parts.headers) {
            Some(Dialect::Grpc | Dialect::Web { .. }) if parts.method == Method::POST => self.post(parts, body).await,
            _ => self.not_found(parts.uri.path()),
        }
    }

    fn not_found(&self, path: &str) -> Response<Body> {
        /// What a message lists at most.
        const LISTED: usize = 30;
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let here = self.dispatch.services();
        let of_service = here.iter().find(|known| known.full_name == service);
        let mut served: Vec<String> = match of_service {
            Some(known) => known.methods.iter().map(|method| format!("/{}/{}", known.full_name, method.name)).collect(),
            None => here.iter().map(|known| format!("/{}/…", known.full_name)).collect(),
        };
        let gets = here.iter().flat_map(|known| known.methods).filter_map(|method| method.get);
        served.extend(gets.map(|get| format!("GET {get}")));
        served.dedup();
        let more = if served.len() > LISTED { " and more" } else { "" };
        served.truncate(LISTED);
        let served = if served.is_empty() { "nothing".to_owned() } else { served.join(", ") };
        let text = format!("nothing is at {path}; served here: {served}{more}");
        let reason = if of_service.is_some() { Reason::UnknownMethod } else { Reason::UnknownService };
        errors::response(&Status::because(reason, Code::Unimplemented, text))
    }
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn refuse(code: StatusCode, text: String, header: (HeaderName, &'static str)) -> Response<Body> {
    let status = Status::because(Reason::BadRequest, Code::Unimplemented, text);
    let mut response = errors::response_as(code, &status);
    response.headers_mut().insert(header.0, HeaderValue::from_static(header.1));
    response
}

fn not_allowed(allow: &'static str, text: &str) -> Response<Body> {
    refuse(StatusCode::METHOD_NOT_ALLOWED, text.to_owned(), (ALLOW, allow))
}

fn unsupported(headers: &HeaderMap) -> Response<Body> {
    let text = match headers.get(http::header::CONTENT_TYPE) {
        Some(other) => format!("the content type {other:?} is not understood; send one of {ACCEPTED}"),
        None => format!("there is no content type; send one of {ACCEPTED}"),
    };
    refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text, (ACCEPT_POST, ACCEPTED))
}

fn unknown_encoding() -> Response<Body> {
    let text = "the content encoding is not understood; send gzip or none".to_owned();
    refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text, (ACCEPT_ENCODING, "gzip, identity"))
}

fn needs_http2() -> Response<Body> {
    let text = "gRPC needs HTTP/2; over HTTP/1.1 send JSON or gRPC-Web".to_owned();
    refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, text, (ACCEPT_POST, ACCEPTED))
}

/// What was mounted beside the services, the longest path first.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Vec<(String, HttpService)>);

impl Mounts {
    /// Mounts at a path, or at the name of a service; of two at one place the first one is reached.
    pub(crate) fn add(&mut self, at: &str, service: HttpService) {
        let path = at.trim_end_matches('/');
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        self.0.push((format!("{slash}{path}"), service));
        self.0.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    }

    /// Something is mounted at the name of a service.
    pub(crate) fn is_at(&self, service: &str) -> bool {
        self.0.iter().any(|(at, _)| at.strip_prefix('/') == Some(service))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is mounted at a path, or above it.
    pub(crate) fn find(&self, path: &str) -> Option<&HttpService> {
        let under = |at: &str| path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.iter().find(|(at, _)| at.is_empty() || under(at)).map(|(_, service)| service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_above_a_path_is_found() {
        let ours = |name: &'static str| HttpService::new(Named(name));
        let mut mounts = Mounts::default();
        for at in ["/api", "/api/deep/", "old.Service"] {
            mounts.add(at, ours(at));
        }
        let found = |mounts: &Mounts, path: &str| {
            mounts
                .0
                .iter()
                .position(|(_, service)| mounts.find(path).is_some_and(|found| std::ptr::eq(found, service)))
                .map(|at| mounts.0[at].0.clone())
        };
        for (path, at) in [
            ("/api", Some("/api")),
            ("/api/", Some("/api")),
            ("/api/x", Some("/api")),
            ("/api/deep/x", Some("/api/deep")),
            ("/apis", None),
            ("/old.Service/Call", Some("/old.Service")),
            ("/old.ServiceB/Call", None),
        ] {
            assert_eq!(found(&mounts, path).as_deref(), at, "{path}");
        }
        mounts.add("/", ours("/"));
        assert_eq!(found(&mounts, "/apis").as_deref(), Some(""));
        assert_eq!(found(&mounts, "/api/x").as_deref(), Some("/api"));
    }

    #[derive(Clone)]
    struct Named(&'static str);

    impl tower_service::Service<Request<Body>> for Named {
        type Response = Response<Body>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Response<Body>, std::convert::Infallible>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Ok(Response::new(Body::from(self.0))))
        }
    }
}
