//! Which dialect a request speaks, told by its content type.
//!
//! Pure: headers in, a decision out.

use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};

/// How a message stands in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// gRPC's frames.
    Grpc,
    /// gRPC's frames with the trailers in the body; `text`: in base64.
    Web { text: bool },
    /// One bare message as JSON.
    Json,
    /// One bare message in protobuf.
    Proto,
}

/// What is accepted, for `Accept-Post`.
pub(crate) const ACCEPTED: &str = "application/json, application/proto, application/x-protobuf, application/grpc, application/grpc-web, \
     application/grpc-web-text";

impl Dialect {
    /// The dialect of a request; `None` when its content type is none of ours.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let is = |names: &[&str]| names.iter().any(|name| essence.trim().eq_ignore_ascii_case(name));
        match () {
            () if is(&["application/grpc", "application/grpc+proto"]) => Some(Self::Grpc),
            () if is(&["application/grpc-web", "application/grpc-web+proto"]) => Some(Self::Web { text: false }),
            () if is(&["application/grpc-web-text", "application/grpc-web-text+proto"]) => {
                Some(Self::Web { text: true })
            }
            () if is(&["application/json"]) => is_utf8(parameters).then_some(Self::Json),
            () if is(&["application/proto", "application/x-protobuf", "application/protobuf"]) => Some(Self::Proto),
            () => None,
        }
    }

    /// Whether the answer to a request of gRPC-Web is wanted as text, when the request was `text`.
    pub(crate) fn web_answer(headers: &HeaderMap, text: bool) -> bool {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match () {
            () if accept.contains("application/grpc-web-text") => true,
            () if accept.contains("application/grpc-web") => false,
            () => text,
        }
    }
}

/// JSON is UTF-8; a `charset` that says otherwise is not understood.
fn is_utf8(parameters: &str) -> bool {
    let charset = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    charset.into_iter().all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn content_types() {
        for (text, dialect) in [
            ("application/grpc", Some(Dialect::Grpc)),
            ("application/grpc+proto", Some(Dialect::Grpc)),
            ("application/grpc+json", None),
            ("application/grpc-web+proto", Some(Dialect::Web { text: false })),
            ("application/grpc-web-text", Some(Dialect::Web { text: true })),
            ("application/json", Some(Dialect::Json)),
            ("Application/JSON ; Charset=\"UTF-8\"", Some(Dialect::Json)),
            ("application/json; charset=latin1", None),
            ("application/x-protobuf", Some(Dialect::Proto)),
            ("application/x-www-form-urlencoded", None),
            ("text/json", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
            assert_eq!(Dialect::of(&headers), dialect, "{text}");
        }
        assert_eq!(Dialect::of(&HeaderMap::new()), None);
    }

    #[test]
    fn who_asks_for_text_gets_text() {
        for (accept, text, answer) in [
            ("", true, true),
            ("*/*", false, false),
            ("application/grpc-web-text", false, true),
            ("application/grpc-web+proto", true, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Dialect::web_answer(&headers, text), answer, "{accept} {text}");
        }
    }
}
