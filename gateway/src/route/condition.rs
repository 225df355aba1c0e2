//! What a route asks of a request besides its host and path. Pure.

use http::{HeaderMap, HeaderName, header::COOKIE};
use percent_encoding::percent_decode_str;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Any of the header's values.
    Header(String),
    /// Any parameter of the query by that name, percent-decoded.
    Query(String),
    Cookie(String),
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// There is one, or there is none.
    Present(bool),
}

/// One condition. All of a route's must hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    pub(crate) place: Place,
    pub(crate) test: Test,
}

impl Condition {
    /// Whether it holds of a request with these headers and this query.
    pub(crate) fn holds(&self, headers: &HeaderMap, query: &str) -> bool {
        match &self.place {
            Place::Header(name) => self.any(header(headers, name).map(str::to_owned)),
            Place::Query(name) => self.any(parameters(query).filter(|(key, _)| key == name).map(|(_, value)| value)),
            Place::Cookie(name) => self.any(cookie(headers, name).map(str::to_owned).into_iter()),
        }
    }

    fn any(&self, mut values: impl Iterator<Item = String>) -> bool {
        match &self.test {
            Test::Exact(text) => values.any(|value| value == *text),
            Test::Prefix(text) => values.any(|value| value.starts_with(text.as_str())),
            Test::Suffix(text) => values.any(|value| value.ends_with(text.as_str())),
            Test::Contains(text) => values.any(|value| value.contains(text.as_str())),
            Test::Present(wanted) => values.next().is_some() == *wanted,
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = HeaderName::from_bytes(name.as_bytes()).ok().map(|name| headers.get_all(name).into_iter());
    values.into_iter().flatten().filter_map(|value| value.to_str().ok())
}

/// The cookies, in their order.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name, value.trim_matches('"')))
}

/// The value of a cookie, if there is one of that name; the first of several.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies(headers).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The parameters of a query. What is no UTF-8 is replaced: it equals nothing that a route asks for.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_every_kind() {
        let mut headers = HeaderMap::new();
        headers.append("x-env", "gray".parse().unwrap());
        headers.append("x-env", "blue-1".parse().unwrap());
        headers.append(COOKIE, "a=1; user=\"joe\"".parse().unwrap());
        headers.append(COOKIE, "late=2".parse().unwrap());
        let query = "sku=a%20b&sku=c+d&empty";
        let header = |name: &str| Place::Header(name.to_owned());
        let parameter = |name: &str| Place::Query(name.to_owned());
        let cookie = |name: &str| Place::Cookie(name.to_owned());
        let text = str::to_owned;
        for (place, test, holds) in [
            (header("x-env"), Test::Exact(text("gray")), true),
            (header("X-Env"), Test::Exact(text("blue-1")), true),
            (header("x-env"), Test::Exact(text("blue")), false),
            (header("x-env"), Test::Prefix(text("blue")), true),
            (header("x-env"), Test::Suffix(text("-1")), true),
            (header("x-env"), Test::Contains(text("ra")), true),
            (header("x-none"), Test::Present(false), true),
            (header("x-env"), Test::Present(false), false),
            (header("no name"), Test::Present(true), false),
            (parameter("sku"), Test::Exact(text("c d")), true),
            (parameter("sku"), Test::Exact(text("a b")), true),
            (parameter("empty"), Test::Present(true), true),
            (parameter("emp"), Test::Present(true), false),
            (cookie("user"), Test::Exact(text("joe")), true),
            (cookie("late"), Test::Exact(text("2")), true),
            (cookie("lat"), Test::Present(true), false),
        ] {
            let condition = Condition { place, test };
            assert_eq!(condition.holds(&headers, query), holds, "{condition:?}");
        }
    }
}
