//! What stands in values of headers for what a request is: `{client.ip}`. Pure.

use http::HeaderValue;
use mainstay_registry::nearest;
use std::{fmt::Write, net::IpAddr};

/// The names that are known.
const NAMES: [(&str, Variable); 8] = [
    ("client.ip", Variable::ClientIp),
    ("client.name", Variable::ClientName),
    ("request.id", Variable::RequestId),
    ("request.method", Variable::Method),
    ("request.host", Variable::Host),
    ("request.path", Variable::Path),
    ("request.scheme", Variable::Scheme),
    ("route.name", Variable::Route),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    ClientIp,
    /// The first name in the certificate that the client showed.
    ClientName,
    RequestId,
    Method,
    Host,
    Path,
    Scheme,
    Route,
}

/// A value with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// What a request is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) client: Option<IpAddr>,
    pub(crate) client_name: Option<String>,
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) scheme: &'static str,
    pub(crate) route: String,
}

impl Pattern {
    /// Reads one; `None` when there is no variable in it. Braces around anything but two words with a dot between them are text:
    /// values of headers may be JSON.
    ///
    /// # Errors
    /// A name that is not known.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let (mut pieces, mut rest, mut plain) = (Vec::new(), text, String::new());
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, behind)) => {
                    let found = NAMES.iter().find(|(known, _)| *known == name);
                    let (_, variable) = found.ok_or_else(|| unknown(name))?;
                    pieces.extend([Piece::Text(std::mem::take(&mut plain)), Piece::Variable(*variable)]);
                    rest = behind;
                }
                None => {
                    plain.push('{');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        if pieces.is_empty() {
            return Ok(None);
        }
        pieces.push(Piece::Text(plain));
        Ok(Some(Self(pieces)))
    }

    /// The value for a request; `None` when what it says is no value of a header.
    pub(crate) fn value(&self, said: &Said) -> Option<HeaderValue> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable(variable) => said.put(*variable, &mut text),
            }
        }
        HeaderValue::from_str(&text).ok()
    }
}

impl Said {
    fn put(&self, variable: Variable, text: &mut String) {
        let value = match variable {
            Variable::ClientIp => {
                // Writing into a text does not fail.
                let _ = self.client.map_or(Ok(()), |client| write!(text, "{client}"));
                return;
            }
            Variable::ClientName => self.client_name.as_deref().unwrap_or_default(),
            Variable::RequestId => &self.id,
            Variable::Method => &self.method,
            Variable::Host => &self.host,
            Variable::Path => &self.path,
            Variable::Scheme => self.scheme,
            Variable::Route => &self.route,
        };
        text.push_str(value);
    }
}

fn is_name(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    name.split_once('.').is_some_and(|(one, two)| word(one) && word(two))
}

fn unknown(name: &str) -> String {
    match nearest(name, NAMES.iter().map(|(known, _)| *known)) {
        Some(meant) => format!("`{{{name}}}` is not known here: did you mean `{{{meant}}}`?"),
        None => format!("`{{{name}}}` is not known here: {}", NAMES.map(|(known, _)| known).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_stand_for_what_a_request_is() {
        let said = Said {
            client: Some("10.0.0.1".parse().unwrap()),
            client_name: Some("edge".into()),
            id: "7f".into(),
            method: "GET".into(),
            host: "shop".into(),
            path: "/a".into(),
            scheme: "https",
            route: "pages".into(),
        };
        for (text, value) in [
            ("{client.ip}", "10.0.0.1"),
            ("a{request.id}b{request.method}", "a7fbGET"),
            ("{request.scheme}://{request.host}{request.path}", "https://shop/a"),
            ("{client.name} {route.name}", "edge pages"),
            ("{\"a\": {client.ip}}", "{\"a\": 10.0.0.1}"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap().unwrap().value(&said).unwrap(), value, "{text}");
        }
        for text in ["", "plain", "{\"group\": \"x\"}", "{}", "{", "{a}", "{a.b.c}", "{A.b}"] {
            assert_eq!(Pattern::parse(text), Ok(None), "{text}");
        }
        assert!(Pattern::parse("{client.pi}").unwrap_err().contains("`{client.ip}`"));
        let evil = Said { path: "/a\r\nx: y".into(), ..said };
        assert_eq!(Pattern::parse("{request.path}").unwrap().unwrap().value(&evil), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Pattern::parse(&text);
        }
    }
}
