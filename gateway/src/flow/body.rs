//! The body of an answer: the request is under way until it has been taken, or is dropped. Of gRPC it also says how the call went.

use super::{places::Places, refused::rate_headers};
use crate::refusal::Refusal;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as _, Frame, SizeHint};
use mainstay::edge::{Body, BoxError};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The body, and what its request has taken.
struct Held {
    body: Body,
    places: Places,
    /// What the trailers say is how it went.
    is_open: bool,
}

/// An answer that holds what its request has taken, until it ends; or why there is none.
pub(crate) fn hold(places: Option<Places>, answer: Result<Response<Body>, Refusal>) -> Result<Response<Body>, Refusal> {
    let Some(mut places) = places else { return answer };
    match answer {
        Ok(response) => Ok(held(places, response)),
        Err(refusal) => {
            // What the caller did wrong says nothing of who answers.
            if refusal.status.is_server_error() && refusal.status != StatusCode::NOT_IMPLEMENTED {
                places.answered();
                places.went(true);
            }
            Err(refusal)
        }
    }
}

fn held(mut places: Places, mut response: Response<Body>) -> Response<Body> {
    places.answered();
    if let Some(left) = places.left {
        let headers = rate_headers(left.limit, left.remaining, left.reset);
        response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from(value))));
    }
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let said = if is_grpc && status.is_success() { grpc_failed(response.headers()) } else { None };
    let is_open = is_grpc && status.is_success() && said.is_none() && !response.body().is_end_stream();
    if !is_open {
        // Of a server that lacks a method nobody says that it does badly.
        places.went(said.unwrap_or(status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED));
    }
    response.map(|body| Body::new(Held { body, places, is_open }))
}

/// Whether a status of gRPC says that who answers, or the way there, failed; `None` when there is none.
fn grpc_failed(headers: &HeaderMap) -> Option<bool> {
    let code = headers.get("grpc-status")?.to_str().ok()?;
    // Unknown, deadline exceeded, internal, unavailable, data loss.
    Some(matches!(code, "2" | "4" | "13" | "14" | "15"))
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.is_open {
            let failed = match &frame {
                Some(Ok(frame)) => match frame.trailers_ref() {
                    Some(trailers) => grpc_failed(trailers).unwrap_or(true),
                    // A message came: a stream is not waited for to its end.
                    None => false,
                },
                Some(Err(_)) | None => true,
            };
            self.is_open = false;
            self.places.went(failed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_grpc() {
        for (code, failed) in [("0", false), ("5", false), ("12", false), ("14", true), ("13", true), ("4", true)] {
            let headers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
            assert_eq!(grpc_failed(&headers), Some(failed), "{code}");
        }
        assert_eq!(grpc_failed(&HeaderMap::new()), None);
    }
}
