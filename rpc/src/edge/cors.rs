//! Whether scripts of another origin may call, and read what is answered (the CORS protocol of fetch).

use super::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

/// Which origins may call JSON and gRPC-Web from a browser. Without it, none but the server's own.
///
/// It is about our own methods; what is mounted beside them answers for itself.
#[derive(Clone, Debug)]
pub struct Cors(Origins);

#[derive(Clone, Debug)]
enum Origins {
    Any,
    Some(Vec<HeaderValue>),
}

impl Cors {
    /// Scripts of any origin. Browsers then send no cookies along.
    pub fn any() -> Self {
        Self(Origins::Any)
    }

    /// Scripts of these origins, as `https://shop.example`.
    pub fn origins(origins: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self(Origins::Some(origins.into_iter().collect()))
    }

    /// What to answer about the origin of a request; `None` when it names none that may call.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> Option<Allowed> {
        let origin = headers.get(ORIGIN)?;
        match &self.0 {
            Origins::Any => Some(Allowed(HeaderValue::from_static("*"))),
            Origins::Some(origins) => origins.contains(origin).then(|| Allowed(origin.clone())),
        }
    }
}

/// A request asks what may be asked.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// An origin that may call, as it is written into answers.
pub(crate) struct Allowed(HeaderValue);

impl Allowed {
    /// The answer to a preflight.
    pub(crate) fn preflight(&self, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        self.name_origin(answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
        // Metadata may have any name, so whatever is asked for is allowed.
        if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        response
    }

    /// Lets the script read an answer and all of its headers.
    pub(crate) fn decorate(&self, answer: &mut HeaderMap) {
        let names: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        self.name_origin(answer);
    }

    fn name_origin(&self, answer: &mut HeaderMap) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        answer.append(VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_origins_that_were_named_may_call() {
        let some = Cors::origins([HeaderValue::from_static("https://shop.example")]);
        for (cors, origin, allowed) in [
            (&some, "https://shop.example", Some("https://shop.example")),
            (&some, "https://evil.example", None),
            (&Cors::any(), "https://evil.example", Some("*")),
        ] {
            let allow = cors.allowed(&headers(&[(ORIGIN, origin)]));
            assert_eq!(allow.as_ref().map(|allowed| allowed.0.to_str().unwrap()), allowed);
        }
        assert!(Cors::any().allowed(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_preflight_is_told_what_it_asks_for() {
        let asked = headers(&[(ORIGIN, "https://a"), (ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-tenant")]);
        let answer = Cors::any().allowed(&asked).unwrap().preflight(&asked);
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "content-type,x-tenant");
        let mut headers = headers(&[(http::header::CONTENT_TYPE, "application/json")]);
        Cors::any().allowed(&asked).unwrap().decorate(&mut headers);
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "content-type");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
