//! Plain HTTP, handed on: bodies stream both ways, the path is the one that was matched.

use super::{Matched, announces_more, is_too_large, no_upstream, too_large};
use crate::{
    ingress::{Target, hop_by_hop},
    refusal::Refusal,
    snapshot::{Lane, Route},
    upstream::{Failed, Terms},
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::Limited;
use mainstay::edge::Body;

/// The body of a request, where the route says nothing.
const MAX_BODY: u64 = 1024 * 1024;
/// What upstreams may not say in the gateway's name.
const ORIGIN: HeaderName = HeaderName::from_static("x-mainstay-origin");

pub(super) async fn answer(
    (route, lane): (&Route, &Lane),
    target: &Target,
    matched: &Matched,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let upstream = lane.upstream.as_ref().and_then(|upstream| upstream.http.as_ref()).ok_or_else(no_upstream)?;
    let limit = route.config.max_body.unwrap_or(MAX_BODY);
    if announces_more(request.headers(), limit) {
        return Err(too_large(limit));
    }
    let path = matched.path.as_deref().unwrap_or(&target.path);
    *request.uri_mut() = uri(request.uri(), path, target.query.as_deref())?;
    *request.version_mut() = Version::HTTP_11;
    let named = request.headers().get(header::HOST);
    if named.is_none_or(|host| host.as_bytes() != target.authority.as_bytes())
        && let Ok(host) = HeaderValue::from_str(&target.authority)
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let request = request.map(|body| match body.is_end_stream() {
        true => body,
        false => Body::new(Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX))),
    });
    let until = matched.deadline.at;
    let terms = Terms { retries: route.config.num_retries, session: matched.session, until };
    match upstream.send(request, terms).await {
        Ok(mut response) => {
            hop_by_hop(response.headers_mut());
            response.headers_mut().remove(ORIGIN);
            Ok(response)
        }
        Err(Failed::Lost(error)) if is_too_large(&error) => Err(too_large(limit)),
        Err(failed) => {
            // What it says of addresses is for the log.
            let text = match failed {
                Failed::Late => format!("no answer began within {:?}", route.config.timeout),
                _ => {
                    tracing::warn!(route = route.config.name, error = %failed, "no answer of an upstream");
                    "no upstream answered".to_owned()
                }
            };
            Err(Refusal::new(failed.status(), failed.reason(), text))
        }
    }
}

/// The target as an upstream sees it; mostly what was asked for, as it stands.
fn uri(asked: &Uri, path: &str, query: Option<&str>) -> Result<Uri, Refusal> {
    let as_asked = asked.path_and_query().filter(|asked| asked.path() == path && asked.query() == query);
    let uri = match (as_asked, query) {
        (Some(same), _) => return Ok(Uri::from(same.clone())),
        (None, Some(query)) => Uri::try_from(format!("{path}?{query}")),
        (None, None) => Uri::try_from(path),
    };
    uri.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "the target is no path"))
}
