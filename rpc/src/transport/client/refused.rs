//! An answer that is a failure of HTTP and says nothing in gRPC's words: its body is read, for it may say more than the code.
//!
//! Peers write three kinds of JSON. dubbo-go, Connect and we: `{"code":"not_found","message":…,"details":[…]}`. dubbo-js: the same with
//! `"status"`, a number of gRPC's. Dubbo Java: `{"status":"404","message":…}`, where the text is HTTP's number. Go's router, and
//! proxies on the way, write plain text. What is no text, or too long, is left unread.

use crate::{
    call::{Reason, Status, wire},
    transport::grpc,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use h2::RecvStream;
use http::{StatusCode, header::CONTENT_TYPE, response::Parts};
use prost::Message as _;
use serde_json::{Map, Value};
use std::task::{Context, Poll, ready};
use tonic::Code;

/// Bytes of a body that are read, at most.
const MAX_BODY: usize = 8 * 1024;
/// Characters of a plain text that are shown, at most.
const SHOWN: usize = 200;

/// The answer while its body comes.
pub(super) struct Refused {
    code: StatusCode,
    kind: Kind,
    body: RecvStream,
    text: Vec<u8>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Text,
    Other,
}

impl Refused {
    pub(super) fn new(head: Parts, body: RecvStream) -> Self {
        let kind = head.headers.get(CONTENT_TYPE).map_or(Kind::Other, |value| Kind::of(value.as_bytes()));
        Self { code: head.status, kind, body, text: Vec::new() }
    }

    /// Ready once, with the status that the answer is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        while self.kind != Kind::Other {
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(chunk)) if self.text.len() + chunk.len() <= MAX_BODY => {
                    // It fails only when the stream has ended, which the next poll says.
                    let _ = self.body.flow_control().release_capacity(chunk.len());
                    self.text.extend_from_slice(&chunk);
                }
                None => break,
                // Too long, or cut: the code alone says what is sure.
                Some(_) => self.kind = Kind::Other,
            }
        }
        Poll::Ready(read(self.code, self.kind, &self.text))
    }
}

impl Kind {
    fn of(content_type: &[u8]) -> Self {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/json" | b"text/json" => Self::Json,
            b"text/plain" => Self::Text,
            _ => Self::Other,
        }
    }
}

/// The status that a failure of HTTP is.
fn read(code: StatusCode, kind: Kind, body: &[u8]) -> Status {
    let known = grpc::status_of_http(code);
    match kind {
        Kind::Json => serde_json::from_slice(body).ok().and_then(|object| read_json(&known, &object)).unwrap_or(known),
        Kind::Text => {
            let text: String = String::from_utf8_lossy(body).trim().chars().take(SHOWN).collect();
            let text = text.replace(char::is_control, " ");
            if text.is_empty() { known } else { retold(&known, format!("{}: {text}", known.message())) }
        }
        Kind::Other => known,
    }
}

fn retold(known: &Status, message: String) -> Status {
    Status::because(known.reason(), known.code(), message)
}

fn read_json(known: &Status, object: &Map<String, Value>) -> Option<Status> {
    let message = object.get("message")?.as_str()?.to_owned();
    let status = match (object.get("code"), object.get("status")) {
        (Some(Value::String(name)), _) => of_code(code_of(name), message),
        (_, Some(Value::Number(number))) => {
            let number = number.as_u64().filter(|number| (1..=16).contains(number));
            of_code(number.map_or(Code::Unknown, |number| Code::from(number as i32)), message)
        }
        (_, Some(Value::String(http))) => {
            let http = http.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
            retold(&http.map_or_else(|| known.clone(), grpc::status_of_http), message)
        }
        _ => return None,
    };
    let details = details(status.code(), status.message(), object.get("details"));
    Some(if details.is_empty() { status } else { status.with_details(details.into()) })
}

fn of_code(code: Code, message: String) -> Status {
    let reason = if code == Code::Unavailable { Reason::RemoteUnavailable } else { Reason::Remote };
    Status::because(reason, code, message)
}

/// A code by its name; one that gRPC does not know, such as dubbo-go's `code_17`, is UNKNOWN.
fn code_of(name: &str) -> Code {
    match name {
        "canceled" => Code::Cancelled,
        "invalid_argument" => Code::InvalidArgument,
        "deadline_exceeded" => Code::DeadlineExceeded,
        "not_found" => Code::NotFound,
        "already_exists" => Code::AlreadyExists,
        "permission_denied" => Code::PermissionDenied,
        "resource_exhausted" => Code::ResourceExhausted,
        "failed_precondition" => Code::FailedPrecondition,
        "aborted" => Code::Aborted,
        "out_of_range" => Code::OutOfRange,
        "unimplemented" => Code::Unimplemented,
        "internal" => Code::Internal,
        "unavailable" => Code::Unavailable,
        "data_loss" => Code::DataLoss,
        "unauthenticated" => Code::Unauthenticated,
        _ => Code::Unknown,
    }
}

/// The details as gRPC carries them; those that cannot be read are left out.
fn details(code: Code, message: &str, details: Option<&Value>) -> Vec<u8> {
    let any = |detail: &Value| {
        let value = detail.get("value")?.as_str()?.trim_end_matches('=');
        let type_url = format!("type.googleapis.com/{}", detail.get("type")?.as_str()?);
        Some(prost_types::Any { type_url, value: STANDARD_NO_PAD.decode(value).ok()? })
    };
    let details: Vec<_> = details.and_then(Value::as_array).into_iter().flatten().filter_map(any).collect();
    if details.is_empty() {
        return Vec::new();
    }
    wire::Status { code: code as i32, message: message.to_owned(), details }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(http: u16, content_type: &str, body: &str) -> (Code, String) {
        let status = read(StatusCode::from_u16(http).unwrap(), Kind::of(content_type.as_bytes()), body.as_bytes());
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn bodies_as_the_peers_wrote_them() {
        let json = "application/json";
        for (http, kind, body, code, message) in [
            (404, json, r#"{"message":"Invoker not found","status":"404"}"#, Code::Unimplemented, "Invoker not found"),
            (500, json, r#"{"message":"ledger closed","status":"500"}"#, Code::Unknown, "ledger closed"),
            (404, json, r#"{"code":"not_found","message":"status status:5"}"#, Code::NotFound, "status status:5"),
            (
                500,
                json,
                r#"{"code":"code_17","message":"sold out: 100% + 售罄"}"#,
                Code::Unknown,
                "sold out: 100% + 售罄",
            ),
            (500, json, r#"{"status":13,"message":"js broke","details":[]}"#, Code::Internal, "js broke"),
            (500, json, r#"{"status":404,"message":"no number of gRPC's"}"#, Code::Unknown, "no number of gRPC's"),
            (
                404,
                "text/plain; charset=utf-8",
                "404 page not found\n",
                Code::Unimplemented,
                "the peer answered HTTP 404 Not Found and no gRPC status: 404 page not found",
            ),
        ] {
            assert_eq!(status(http, kind, body), (code, message.to_owned()));
        }
        // What says nothing leaves the code to say it.
        for (kind, body) in [
            (json, "{bad"),
            (json, "[]"),
            (json, r#"{"message":7,"code":"not_found"}"#),
            (json, r#"{"message":"of nobody"}"#),
            ("text/html", "<html>"),
            ("text/plain", " "),
        ] {
            let said = "the peer answered HTTP 503 Service Unavailable and no gRPC status".to_owned();
            assert_eq!(status(503, kind, body), (Code::Unavailable, said), "{body}");
        }
    }

    #[test]
    fn details_are_read() {
        let body = r#"{"code":"aborted","message":"m","details":[{"type":"google.rpc.ErrorInfo","value":"CgFSEgFE"},{"type":7},"x"]}"#;
        let status = read(StatusCode::CONFLICT, Kind::Json, body.as_bytes());
        let info = status.info().unwrap();
        assert_eq!((status.code(), info.reason.as_str(), info.domain.as_str()), (Code::Aborted, "R", "D"));
    }

    proptest! {
        #[test]
        fn anything_may_come(body in proptest::collection::vec(any::<u8>(), 0..200), http in 100u16..999) {
            for kind in [Kind::Json, Kind::Text, Kind::Other] {
                read(StatusCode::from_u16(http).unwrap(), kind, &body);
            }
        }
    }
}
