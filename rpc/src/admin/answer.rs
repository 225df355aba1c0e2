//! An answer of the port: JSON for programs, text for people, whichever was asked for.

use super::text;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// A document.
    Told(StatusCode, Value),
    /// A text as it is.
    Said(StatusCode, &'static str, String),
}

/// Text for people.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
/// What Prometheus reads.
pub(super) const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer {
    /// A document that was asked for.
    pub(super) fn of(value: Value) -> Self {
        Self::Told(StatusCode::OK, value)
    }

    /// Why not, with a stable code.
    pub(super) fn refusal(status: StatusCode, code: &'static str, why: impl Into<String>) -> Self {
        Self::Told(status, json!({ "error": code, "why": why.into() }))
    }

    pub(super) fn into_response(self, as_text: bool) -> Response<Full<Bytes>> {
        let (status, kind, body) = match self {
            Self::Said(status, kind, text) => (status, kind, text),
            Self::Told(status, value) if as_text => (status, PLAIN, text::text(&value)),
            Self::Told(status, value) => (status, "application/json", format!("{value:#}\n")),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Whether text is asked for: by `?text`, or by an `accept` that names it and no JSON.
pub(super) fn wants_text(query: Option<&str>, headers: &HeaderMap) -> bool {
    let said = query.is_some_and(|query| query.split('&').any(|part| matches!(part, "text" | "text=1")));
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said || (accept.contains("text/plain") && !accept.contains("json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_for_who_asks_for_it() {
        let accepting = |value: &'static str| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        for (query, accept, text) in [
            (None, "*/*", false),
            (None, "text/plain", true),
            (None, "application/json, text/plain, */*", false),
            (Some("text"), "*/*", true),
            (Some("a=b&text=1"), "application/json", true),
            (Some("context"), "", false),
        ] {
            assert_eq!(wants_text(query, &accepting(accept)), text, "{query:?} {accept}");
        }
    }
}
