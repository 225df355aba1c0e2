//! A status as an answer of HTTP: its code, and the body that says what went wrong.
//!
//! Of the three bodies that Dubbo's implementations write, this is dubbo-go's, which is also Connect's:
//! `{"code":"not_found","message":"…","details":[{"type":"google.rpc.ErrorInfo","value":"…","debug":{…}}]}`, where a
//! value is the encoded message in base64 without padding, and `debug` the same for people to read.

use super::Body;
use crate::call::{Status, wire};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::Code;

pub(crate) const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// HTTP's code for a status.
pub(crate) fn http_code(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::Unimplemented => StatusCode::NOT_FOUND,
        Code::Cancelled | Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The name of a code in the body.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The answer that a status is.
pub(crate) fn response(status: &Status) -> Response<Body> {
    response_as(http_code(status.code()), status)
}

/// The same under a code of HTTP that says more than the status can.
pub(crate) fn response_as(code: StatusCode, status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::from(body(status).to_string()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    copy_metadata(&status.metadata().clone().into_headers(), "", headers);
    headers.insert(CONTENT_TYPE, APPLICATION_JSON);
    if let Some(after) = status.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1000).min(u64::MAX.into()) as u64));
    }
    response
}

/// Adds metadata to the headers of an answer, each name after `prefix`, but for names that say how HTTP itself is to be read.
pub(crate) fn copy_metadata(metadata: &HeaderMap, prefix: &str, headers: &mut HeaderMap) {
    for (name, value) in metadata {
        if is_framing(name) {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            headers.append(name, value.clone());
        }
    }
}

/// A handler that set one of these would break the answer, or the connection.
fn is_framing(name: &HeaderName) -> bool {
    let name = name.as_str();
    let fixed = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "date"];
    fixed.contains(&name) || name.starts_with("content-") || name.starts_with("proxy-") || name.starts_with("grpc-")
}

fn body(status: &Status) -> Value {
    let mut body = json!({ "code": code_name(status.code()), "message": status.message() });
    let details = wire::Status::decode(status.details().clone()).unwrap_or_default().details;
    if !details.is_empty() {
        body["details"] = details.iter().map(detail).collect();
    }
    body
}

fn detail(any: &prost_types::Any) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let mut detail = json!({ "type": name, "value": STANDARD_NO_PAD.encode(&any.value) });
    if let ("google.rpc.ErrorInfo", Ok(info)) = (name, wire::ErrorInfo::decode(any.value.as_slice())) {
        let metadata: Map<_, _> = info.metadata.into_iter().map(|(key, value)| (key, value.into())).collect();
        detail["debug"] = json!({ "reason": info.reason, "domain": info.domain, "metadata": metadata });
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorInfo;
    use std::time::Duration;

    #[test]
    fn codes_as_dubbo_go_maps_them() {
        for (code, http, name) in [
            (1, 408, "canceled"),
            (2, 500, "unknown"),
            (3, 400, "invalid_argument"),
            (4, 408, "deadline_exceeded"),
            (5, 404, "not_found"),
            (6, 409, "already_exists"),
            (7, 403, "permission_denied"),
            (8, 429, "resource_exhausted"),
            (9, 412, "failed_precondition"),
            (10, 409, "aborted"),
            (11, 400, "out_of_range"),
            (12, 404, "unimplemented"),
            (13, 500, "internal"),
            (14, 503, "unavailable"),
            (15, 500, "data_loss"),
            (16, 401, "unauthenticated"),
        ] {
            let code = Code::from(code);
            assert_eq!((http_code(code).as_u16(), code_name(code)), (http, name));
            assert_eq!(response(&Status::new(code, "")).status(), http);
        }
        assert_eq!((http_code(Code::Ok), code_name(Code::Ok)), (StatusCode::OK, "ok"));
    }

    #[test]
    fn the_body_says_all_that_the_status_does() {
        let status = Status::new(Code::NotFound, "no article \"a\"")
            .with_info(ErrorInfo::new("UNKNOWN", "shop.stock.v1").with("sku", "a"));
        let body = body(&status);
        assert_eq!(body["code"], "not_found");
        assert_eq!(body["message"], "no article \"a\"");
        let detail = &body["details"][0];
        assert_eq!(detail["type"], "google.rpc.ErrorInfo");
        let debug = json!({ "reason": "UNKNOWN", "domain": "shop.stock.v1", "metadata": { "sku": "a" } });
        assert_eq!(detail["debug"], debug);
        let value = STANDARD_NO_PAD.decode(detail["value"].as_str().unwrap()).unwrap();
        assert_eq!(wire::ErrorInfo::decode(value.as_slice()).unwrap().reason, "UNKNOWN");
        assert_eq!(super::body(&Status::new(Code::Internal, "x")), json!({ "code": "internal", "message": "x" }));
    }

    #[test]
    fn metadata_becomes_headers_but_never_frames_the_answer() {
        let mut status = Status::new(Code::Unavailable, "").with_retry_after(Duration::from_millis(1200));
        for (key, value) in [("tenant", "t"), ("content-length", "7"), ("connection", "upgrade"), ("grpc-x", "1")] {
            status.metadata_mut().insert(key, value.parse().unwrap());
        }
        let response = response(&status);
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["tenant", "content-type", "retry-after"]);
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
