//! What becomes of a request that a route has taken, by the route's kind.
//!
//! | file | what |
//! |---|---|
//! | `http.rs` | hands it on as it is |
//! | `grpc.rs` | hands gRPC and gRPC-Web on |
//! | `respond.rs` | answers what the file says |
//!
//! JSON for services of gRPC is larger: it has a folder of its own (`transcode/`).

mod grpc;
mod http;
mod respond;

use crate::{
    config::Kind,
    deadline::Deadline,
    filter::Session,
    ingress::Target,
    refusal::Refusal,
    snapshot::{Lane, Route},
};
use ::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_LENGTH};
use mainstay::edge::Body;
use std::error::Error;

/// What a route makes of the path that it matched.
#[derive(Debug)]
pub(crate) struct Matched {
    /// The one that an upstream of plain HTTP sees, where that is another.
    pub(crate) path: Option<String>,
    /// What stands for its variables, decoded; for routes that ask for them.
    pub(crate) variables: Vec<(String, String)>,
    /// Who comes again, where the route remembers it.
    pub(crate) session: Option<Session>,
    pub(crate) deadline: Deadline,
}

/// Lets the route answer.
///
/// # Errors
/// Why no upstream did.
pub(crate) async fn answer(
    (route, lane): (&Route, &Lane),
    target: &Target,
    matched: &Matched,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    match &route.config.kind {
        Kind::Http { .. } => http::answer((route, lane), target, matched, request).await,
        // The others are put away, so that their size is not carried along by what is handed on as it is.
        Kind::Grpc { services, .. } => {
            Box::pin(grpc::answer((route, lane), services, (target, matched), request)).await
        }
        Kind::Json { .. } => Box::pin(crate::transcode::answer((route, lane), (target, matched), request)).await,
        Kind::Aggregate(_) => {
            let query = target.query.as_deref().unwrap_or_default();
            Box::pin(crate::transcode::answer_parts(route, (matched, query), request)).await
        }
        Kind::Respond(said) => Ok(respond::answer(said)),
    }
}

/// The length that a request says it has, when that is above the limit.
pub(crate) fn announces_more(headers: &HeaderMap, limit: u64) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > limit)
}

pub(crate) fn too_large(limit: u64) -> Refusal {
    let text = format!("the body is larger than the limit of {limit} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", text)
}

/// The body went over its limit: somewhere among the causes of an error.
pub(crate) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// No upstream can be asked, which the check of the file rules out.
fn no_upstream() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "NO_UPSTREAM", "the route has no upstream for such requests")
}

/// `application/json`.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
