//! What the gateway answers itself when a request gets no answer of an upstream, in the caller's own dialect.
//!
//! Over plain HTTP it is a `google.rpc.Status` as JSON, with the stable reason in its `ErrorInfo`; a caller of gRPC or gRPC-Web
//! gets a status of gRPC. `x-mainstay-origin: gateway` tells it from an answer of an upstream, `x-mainstay-reason` says why.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use mainstay::{
    call::{Code, ErrorInfo, Reason, Status},
    edge::{self, Body},
};
use serde_json::json;
use std::{borrow::Cow, time::Duration};

const ORIGIN: HeaderName = HeaderName::from_static("x-mainstay-origin");
const REASON: HeaderName = HeaderName::from_static("x-mainstay-reason");
/// Whose reasons the gateway's own are.
const DOMAIN: &str = "gateway.mainstay";

/// Why a request is not answered by an upstream.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A stable word.
    pub(crate) reason: Cow<'static, str>,
    /// For people; nothing of who answers behind.
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// What callers of plain HTTP are told, in the place of a status as JSON.
    pub(crate) body: Option<String>,
    /// Further headers of the answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        let (reason, message) = (Cow::Borrowed(reason), message.into());
        Self { status, reason, message, retry_after: None, body: None, headers: Vec::new() }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.headers.extend(value.try_into().ok().map(|value| (name, value)));
        self
    }

    /// The answer to a request with these headers.
    pub(crate) async fn answer(self, asked: &HeaderMap) -> Response<Body> {
        let mut response = if speaks_grpc(asked) { edge::refuse(asked, self.grpc()).await } else { self.json() };
        let headers = response.headers_mut();
        headers.insert(ORIGIN, HeaderValue::from_static("gateway"));
        headers.extend(HeaderValue::from_str(&self.reason).ok().map(|reason| (REASON, reason)));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1000).max(1) as u64));
        }
        if self.headers.iter().any(|(name, _)| *name == header::CONTENT_TYPE) {
            headers.remove(header::CONTENT_TYPE);
        }
        headers.extend(self.headers);
        response
    }

    fn grpc(&self) -> Status {
        let status = Status::because(Reason::Handler, code(self.status), self.message.clone());
        let status = status.with_info(ErrorInfo::new(&*self.reason, DOMAIN));
        match self.retry_after {
            Some(after) => status.with_retry_after(after),
            None => status,
        }
    }

    fn json(&self) -> Response<Body> {
        if let Some(body) = &self.body {
            let mut response = Response::new(Body::from(body.clone()));
            *response.status_mut() = self.status;
            let kind = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            return response;
        }
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason, "domain": DOMAIN,
        });
        let body = json!({ "code": code(self.status) as i32, "message": self.message, "details": [info] });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// A request of gRPC or gRPC-Web.
pub(crate) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// gRPC's code for one of HTTP's.
fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 | 414 | 417 | 431 => Code::InvalidArgument,
        // Also a redirect to where one logs in.
        300..=399 | 401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 405 | 501 => Code::Unimplemented,
        413 | 429 => Code::ResourceExhausted,
        428 => Code::FailedPrecondition,
        499 => Code::Cancelled,
        502 | 503 => Code::Unavailable,
        408 | 504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_refusal_is_told_in_the_callers_dialect() {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "too many");
        let refusal = Refusal { retry_after: Some(Duration::from_millis(1200)), ..refusal };
        let response = refusal.clone().answer(&HeaderMap::new()).await;
        let (head, body) = response.into_parts();
        assert_eq!((head.status.as_u16(), &head.headers["retry-after"]), (429, &"2".parse().unwrap()));
        assert_eq!(
            (&head.headers[ORIGIN], &head.headers[REASON]),
            (&"gateway".parse().unwrap(), &"RATE_LIMITED".parse().unwrap())
        );
        let body: serde_json::Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!((&body["code"], &body["details"][0]["reason"]), (&json!(8), &json!("RATE_LIMITED")));
        let grpc = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/grpc".parse().unwrap())]);
        let response = refusal.answer(&grpc).await;
        assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &"8".parse().unwrap()));
    }
}
