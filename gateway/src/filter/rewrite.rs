//! The path that an upstream sees, made of the variables of the one that was matched. Pure.

use crate::route::{Capture, Template};

/// A path with variables: `/v2/{kind}/{rest}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl Rewrite {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("a path begins with `/`".to_owned());
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Variable(name.to_owned())]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:@/%".contains(c);
        let wrong = pieces.iter().find(|piece| matches!(piece, Piece::Text(text) if !text.chars().all(plain)));
        match wrong {
            Some(Piece::Text(text)) => Err(format!("`{text}` is no part of a path")),
            _ => Ok(Self(pieces)),
        }
    }

    /// The first variable that the path of a route does not have.
    pub(crate) fn unknown(&self, template: &Template) -> Option<&str> {
        self.0.iter().find_map(|piece| match piece {
            Piece::Variable(name) if !template.variables().any(|known| known == name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The new path. Values are put in as they were matched, percent-encoded.
    pub(crate) fn path(&self, captures: &[Capture<'_>]) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Variable(name) => captures.iter().find(|one| one.name == name).map_or("", |one| one.value),
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Paths;

    #[test]
    fn variables_are_put_in_as_they_were_matched() {
        let template = Template::parse("/v1/{kind}/{rest=**}").unwrap();
        let rewrite = Rewrite::parse("/new/{rest}/of-{kind}").unwrap();
        assert_eq!(rewrite.unknown(&template), None);
        let mut paths = Paths::default();
        paths.add(template.clone(), ());
        for (path, new) in [("/v1/a/b/c%2Fd", "/new/b/c%2Fd/of-a"), ("/v1/a", "/new//of-a")] {
            let (_, captures) = paths.find(path, |()| true).unwrap();
            assert_eq!(rewrite.path(&captures), new);
        }
        assert_eq!(Rewrite::parse("/{other}").unwrap().unknown(&template), Some("other"));
        for (text, why) in [("x", "begins with"), ("/{a", "not closed"), ("/a b", "no part"), ("/a?b", "no part")] {
            assert!(Rewrite::parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
