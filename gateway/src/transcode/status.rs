//! Failures of calls as answers of HTTP: `google.rpc.Status` as JSON, under the code of HTTP that goes with gRPC's.

use super::response::copy;
use crate::{handle::JSON, refusal::Refusal};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use mainstay::{
    call::{Code, Fault, Reason, Status},
    edge::Body,
};
use prost::Message as _;
use serde_json::{Value, json};
use std::borrow::Cow;

/// `google.rpc.Status`, of which the details are wanted.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// HTTP's code for one of gRPC's (`google/rpc/code.proto`; envoy, grpc-gateway and Connect agree).
pub(super) fn http_code(code: Code) -> StatusCode {
    let code = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The body of a failure.
pub(super) fn body(status: &Status) -> Value {
    let details = RpcStatus::decode(status.details().clone()).unwrap_or_default().details;
    let details: Vec<_> = details.iter().map(|any| detail(any, status)).collect();
    json!({ "code": status.code() as i32, "message": status.message(), "details": details })
}

/// One of the details. Of most nobody here knows the type: they are told as bytes.
fn detail(any: &prost_types::Any, status: &Status) -> Value {
    match status.info() {
        Some(info) if any.type_url.ends_with("/google.rpc.ErrorInfo") => {
            json!({ "@type": any.type_url, "reason": info.reason, "domain": info.domain, "metadata": info.metadata })
        }
        _ => json!({ "@type": any.type_url, "value": STANDARD.encode(&any.value) }),
    }
}

/// What a service answered when it failed.
pub(super) fn response(status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::from(body(status).to_string()));
    *response.status_mut() = http_code(status.code());
    let headers = response.headers_mut();
    copy(status.metadata().clone().into_headers(), headers);
    headers.insert(CONTENT_TYPE, JSON);
    if status.code() == Code::Unauthenticated && !headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(after) = status.retry_after().filter(|after| !after.is_zero()) {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1000) as u64));
    }
    response
}

/// What a caller hears of a failed call: of one that the service answered, its answer; else the gateway's own.
pub(super) async fn answer(status: &Status) -> Response<Body> {
    match status.reason() {
        Reason::Remote | Reason::RemoteUnavailable => response(status),
        _ => refusal(status).answer(&HeaderMap::new()).await,
    }
}

/// A call that failed on this side of the service.
pub(super) fn refusal(status: &Status) -> Refusal {
    // What is known of addresses is for the log.
    let message = match status.fault() {
        Fault::Network | Fault::Local => {
            tracing::warn!(error = %status, "a call of a service failed");
            Cow::Borrowed("the service could not be called")
        }
        Fault::Caller | Fault::Provider => Cow::Owned(status.message().to_owned()),
    };
    let refusal = Refusal::new(http_code(status.code()), status.reason().as_str(), message);
    Refusal { retry_after: status.retry_after().filter(|after| !after.is_zero()), ..refusal }
}
