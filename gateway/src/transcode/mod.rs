//! JSON in, gRPC out: which method a request means, its message, and the answer as JSON.
//!
//! Nobody hands descriptors in: each service that the route names is asked for them by reflection, once and then now and
//! again. What its methods say by `google.api.http` is reachable at those paths; with `auto_mapping`, every method of them is,
//! at `POST …/{interface}/{method}`.
//!
//! | file | what |
//! |---|---|
//! | `reflection.rs` | descriptors, asked for by reflection |
//! | `catalog.rs` | what is known of each service, kept and made new |
//! | `http_rule.rs` | `google.api.http` |
//! | `binding.rs` | a path and a method, and where the fields of its message come from |
//! | `request.rs` | the message of a request |
//! | `response.rs`, `stream.rs` | an answer, or a stream of them, as JSON |
//! | `status.rs` | failures |
//! | `aggregate.rs` | several calls in one answer |

mod aggregate;
mod binding;
mod catalog;
mod http_rule;
mod reflection;
mod request;
mod response;
mod status;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use aggregate::{Part, answer as answer_parts};

use crate::{
    config::Services,
    filter::Session,
    handle::{Matched, too_large},
    ingress::Target,
    refusal::Refusal,
    snapshot::{Lane, Route},
    upstream::GrpcUpstream,
};
use binding::{Binding, Bindings};
use catalog::Catalog;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use mainstay::{
    call::{self, Code, Invocation, Payload, Peer, Reason, Status},
    edge::{self, Body},
};
use std::sync::Arc;
use tokio::time::timeout_at;

/// The body of a request, where the route says nothing.
const MAX_BODY: u64 = 1024 * 1024;

/// What a route for JSON has at work.
#[derive(Debug)]
pub(crate) struct Transcoder {
    services: Vec<Services>,
    auto_mapping: bool,
    upstream: Arc<GrpcUpstream>,
    catalog: Catalog,
}

/// A method that was found, with what its path says.
struct Found {
    binding: Arc<Binding>,
    captures: Vec<(String, String, bool)>,
}

impl Transcoder {
    pub(crate) fn new(services: Vec<Services>, auto_mapping: bool, upstream: Arc<GrpcUpstream>) -> Self {
        Self { services, auto_mapping, catalog: Catalog::new(upstream.clone()), upstream }
    }

    /// It calls this upstream.
    pub(crate) fn is_over(&self, upstream: &Arc<GrpcUpstream>) -> bool {
        Arc::ptr_eq(&self.upstream, upstream)
    }

    /// A method as its service describes it: who streams, and whether it may be sent again. `None` as long as it has not said so.
    pub(crate) fn described(&self, interface: &str, method: &str) -> Option<call::Method> {
        Some(self.catalog.peek(interface)?.by_name.get(method)?.call.clone())
    }

    /// What is known of each service of the route, by name: how many bindings, or why nothing is known.
    pub(crate) fn known(&self) -> Vec<(String, Result<usize, String>)> {
        self.catalog.known()
    }

    /// The method that a request means.
    async fn find(&self, method: &Method, path: &str) -> Result<Found, Refusal> {
        let mut away = None;
        for service in &self.services {
            let described = match service {
                Services::One(name) => self.catalog.of(name).await.map(|bindings| vec![bindings]),
                Services::Below(package) => self.catalog.below(package).await,
            };
            match described {
                Ok(all) => {
                    if let Some(found) = all.iter().find_map(|bindings| found(bindings, method, path)) {
                        return Ok(found);
                    }
                }
                Err(status) => away = Some(status),
            }
        }
        if self.auto_mapping
            && *method == Method::POST
            && let Some(binding) = self.by_name(path).await?
        {
            return Ok(Found { binding, captures: Vec::new() });
        }
        // A service that cannot be asked may be the one that is meant: that is no 404.
        Err(match away {
            Some(status) => status::refusal(&status),
            None => Refusal::new(StatusCode::NOT_FOUND, "NO_BINDING", format!("no method is at {method} {path}")),
        })
    }

    /// The method that the last two segments of a path name, if the route names its service.
    async fn by_name(&self, path: &str) -> Result<Option<Arc<Binding>>, Refusal> {
        let mut segments = path.rsplit('/');
        let (Some(method), Some(interface)) = (segments.next(), segments.next()) else { return Ok(None) };
        if !self.services.iter().any(|one| one.holds(interface)) {
            return Ok(None);
        }
        let bindings = self.catalog.of(interface).await.map_err(|status| status::refusal(&status))?;
        Ok(bindings.by_name.get(method).cloned())
    }
}

fn found(bindings: &Bindings, method: &Method, path: &str) -> Option<Found> {
    let (binding, captures) = bindings.paths.find(path, |binding| binding.takes(method))?;
    let captures = captures.into_iter().map(|one| (one.name.to_owned(), one.value.to_owned(), one.several)).collect();
    Some(Found { binding: binding.clone(), captures })
}

/// Answers a request of a route for JSON.
///
/// # Errors
/// Why there is no answer of the upstream; what it answered itself, failures too, is an answer.
pub(crate) async fn answer(
    (route, lane): (&Route, &Lane),
    (target, matched): (&Target, &Matched),
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let nobody = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "NO_UPSTREAM", "the route has no upstream");
    let transcoder = lane.transcoder.as_ref().ok_or_else(nobody)?;
    let late = |_| status::refusal(&Status::deadline_exceeded());
    let answer = transcoder.answer(route, (target, matched), request);
    timeout_at(matched.deadline.at, answer).await.unwrap_or_else(|e| Err(late(e)))
}

impl Transcoder {
    async fn answer(
        &self,
        route: &Route,
        (target, matched): (&Target, &Matched),
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let Found { binding, captures } = self.find(request.method(), &target.path).await?;
        if binding.kind.client_streams() {
            let text = "the method takes a stream, which JSON over HTTP does not bring: call it by gRPC";
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "STREAMS", text));
        }
        let (parts, body) = request.into_parts();
        let limit = route.config.max_body.unwrap_or(MAX_BODY);
        let body = match binding.has_body() {
            true => read_body(&parts.headers, body, limit).await?,
            false => bytes::Bytes::new(),
        };
        let query = target.query.as_deref().unwrap_or_default();
        let frame = request::message(&binding, &captures, query, &body).map_err(|status| status::refusal(&status))?;
        let form = stream::Form::of(&parts.headers);
        let (mut call, deadline) = (Invocation::new(binding.call.clone(), Payload::One(frame)), matched.deadline);
        (call.began, call.deadline) = (deadline.began, (!binding.kind.server_streams()).then_some(deadline.at));
        (call.retries, call.affinity) = (Some(route.config.num_retries), matched.session.map(Session::key));
        call.peer = parts.extensions.get::<Peer>().cloned();
        call.metadata = edge::metadata(parts.headers);
        let channel = self.upstream.channel(binding.call.service()).map_err(|status| status::refusal(&status))?;
        match channel.invoke(call).await {
            Ok(reply) => Ok(response::answer(&binding, reply, form)),
            Err(status) => Ok(status::answer(&status).await),
        }
    }
}

async fn read_body(headers: &http::HeaderMap, body: Body, limit: u64) -> Result<bytes::Bytes, Refusal> {
    if crate::handle::announces_more(headers, limit) {
        return Err(too_large(limit));
    }
    let unsupported = |what: &str| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "NOT_JSON", what.to_owned());
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(unsupported("a body that is compressed is not understood here"));
    }
    let is_json = |value: &http::HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"application/json");
    let json = headers.get(header::CONTENT_TYPE).is_none_or(is_json);
    let body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX)).collect().await;
    let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
        true => too_large(limit),
        false => Refusal::new(StatusCode::BAD_REQUEST, "BODY_BROKE_OFF", "the body broke off"),
    })?;
    let body = body.to_bytes();
    if !json && !body.is_empty() {
        return Err(unsupported("the content type is not application/json"));
    }
    Ok(body)
}

/// Nothing can be called for want of a description.
fn undescribed(text: String) -> Status {
    Status::because(Reason::UnknownService, Code::Unavailable, text)
}
