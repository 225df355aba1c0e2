//! Whether scripts of other origins may ask, and read what is answered (the CORS protocol of fetch). Pure.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use mainstay::edge::Body;

/// What a route says of other origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    /// As `https://shop.example`; `*` for any.
    pub(crate) allow_origins: Vec<String>,
    pub(crate) allow_methods: Vec<String>,
    pub(crate) allow_headers: Vec<String>,
    pub(crate) expose_headers: Vec<String>,
    pub(crate) allow_credentials: bool,
    /// In seconds.
    pub(crate) max_age: u64,
}

/// The method that a request asks to be allowed, if it is a preflight.
pub(crate) fn preflight_of(method: &Method, headers: &HeaderMap) -> Option<Method> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
    Method::from_bytes(asked.as_bytes()).ok().filter(|_| headers.contains_key(ORIGIN))
}

impl Cors {
    /// The answer to a preflight. An origin that may not ask hears of nothing that it may.
    pub(crate) fn preflight(&self, asked: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if self.origin(asked, headers) {
            put(headers, ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods.join(", "));
            put(headers, ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers.join(", "));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age));
        }
        response
    }

    /// Lets a script read an answer, if its origin may.
    pub(crate) fn decorate(&self, asked: &HeaderMap, headers: &mut HeaderMap) {
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            // The route's word counts, and not what an upstream says besides.
            headers.remove(name);
        }
        if self.origin(asked, headers) {
            put(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose_headers.join(", "));
        }
    }

    fn origin(&self, asked: &HeaderMap, headers: &mut HeaderMap) -> bool {
        headers.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = asked.get(ORIGIN) else { return false };
        let any = self.allow_origins.iter().any(|one| one == "*");
        if !any && !self.allow_origins.iter().any(|one| one.as_bytes() == origin.as_bytes()) {
            return false;
        }
        let named = if any { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, named);
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        Cors {
            allow_origins: texts(origins),
            allow_methods: texts(&["GET", "PUT"]),
            allow_headers: texts(&["x-a"]),
            expose_headers: texts(&["x-b"]),
            allow_credentials: !origins.contains(&"*"),
            max_age: 60,
        }
    }

    fn from(origin: &str) -> HeaderMap {
        [(ORIGIN, origin), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")]
            .map(|(name, value)| (name, value.parse().unwrap()))
            .into_iter()
            .collect()
    }

    #[test]
    fn origins_that_may_are_told_so_and_others_are_told_nothing() {
        let shop = cors(&["https://shop.example"]);
        let headers = shop.preflight(&from("https://shop.example")).into_parts().0.headers;
        let said = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said(ACCESS_CONTROL_ALLOW_ORIGIN).as_deref(), Some("https://shop.example"));
        assert_eq!(said(ACCESS_CONTROL_ALLOW_METHODS).as_deref(), Some("GET, PUT"));
        assert_eq!(said(ACCESS_CONTROL_ALLOW_CREDENTIALS).as_deref(), Some("true"));
        assert_eq!(shop.preflight(&from("https://evil.example")).headers().len(), 1);
        let mut answer = from("x");
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, "*".parse().unwrap());
        shop.decorate(&from("https://evil.example"), &mut answer);
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "what an upstream says does not count");
        let any = cors(&["*"]);
        any.decorate(&from("https://other.example"), &mut answer);
        assert_eq!(
            (&answer[ACCESS_CONTROL_ALLOW_ORIGIN], &answer[ACCESS_CONTROL_EXPOSE_HEADERS]),
            (&"*".parse().unwrap(), &"x-b".parse().unwrap())
        );
    }

    #[test]
    fn a_preflight_names_a_method_and_an_origin() {
        assert_eq!(preflight_of(&Method::OPTIONS, &from("https://a")), Some(Method::PUT));
        assert_eq!(preflight_of(&Method::GET, &from("https://a")), None);
        assert_eq!(preflight_of(&Method::OPTIONS, &HeaderMap::new()), None);
    }
}
