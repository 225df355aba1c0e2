//! Path templates: the grammar of `google.api.http`, for routes and for bindings alike. Pure.
//!
//! ```text
//! Template = "/" [ Segment { "/" Segment } ] [ ":" Verb ]
//! Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segment { "/" Segment } ] "}"
//! ```
//!
//! `*` is one segment, `**` any number of them and the last one, `{v}` is `{v=*}`. There is no variable inside a variable.
//! (`google/api/http.proto`, commit f8291d2b of googleapis.)

use std::{fmt, ops::Range, sync::Arc};

/// Segments of one template, at most.
const MAX_SEGMENTS: usize = 64;

/// What a path must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    text: Arc<str>,
    pub(super) segments: Vec<Segment>,
    pub(super) verb: Option<String>,
    variables: Vec<(String, Range<usize>)>,
}

/// One place of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Literal(String),
    /// Exactly one segment of the path.
    One,
    /// What is left of the path, also nothing.
    Rest,
}

/// What stands in the place of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capture<'a> {
    /// The field path, as `order.id`.
    pub(crate) name: &'a str,
    /// The text, still percent-encoded.
    pub(crate) value: &'a str,
    /// It may hold several segments, whose `/` is then no text.
    pub(crate) several: bool,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("a path begins with `/`")?;
        let mut read = Template { text: text.into(), segments: Vec::new(), verb: None, variables: Vec::new() };
        let (rest, verb) = split_verb(rest);
        if let Some(verb) = verb {
            read.verb = Some(literal(verb)?);
        }
        let mut rest = rest;
        while !rest.is_empty() || read.segments.is_empty() {
            if rest.is_empty() {
                break;
            }
            rest = read.segment(rest)?;
            if read.segments.len() > MAX_SEGMENTS {
                return Err(format!("it has more than {MAX_SEGMENTS} segments"));
            }
        }
        let last = read.segments.len().saturating_sub(1);
        if read.segments.iter().position(|one| *one == Segment::Rest).is_some_and(|at| at < last) {
            return Err("`**` stands last, for all that is left".to_owned());
        }
        Ok(read)
    }

    /// Reads the segment at the front; what is left of the text.
    fn segment<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let Some(inside) = text.strip_prefix('{') else {
            let (one, rest) = cut(text);
            self.segments.push(plain(one)?);
            return left(rest);
        };
        let (inside, rest) = inside.split_once('}').ok_or("a `{` is not closed")?;
        let (name, pattern) = inside.split_once('=').unwrap_or((inside, "*"));
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !name.split('.').all(is_name) {
            return Err(format!("`{name}` is no name of a field"));
        }
        if self.variables.iter().any(|(known, _)| known == name) {
            return Err(format!("`{{{name}}}` stands there twice"));
        }
        let from = self.segments.len();
        for one in pattern.split('/') {
            self.segments.push(plain(one)?);
        }
        self.variables.push((name.to_owned(), from..self.segments.len()));
        match rest.strip_prefix('/') {
            Some(rest) => left(Some(rest)),
            None if rest.is_empty() => Ok(rest),
            None => Err("a variable is a whole segment".to_owned()),
        }
    }

    /// The names of its variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// What stands for each variable in a path that fits: `parts` are its segments without the verb, `path` what they are
    /// of, from behind the first `/` on.
    pub(super) fn captures<'a>(&'a self, path: &'a str, parts: &[&'a str]) -> Vec<Capture<'a>> {
        let start = |part: &str| part.as_ptr() as usize - path.as_ptr() as usize;
        let capture = |(name, range): &'a (String, Range<usize>)| {
            let rest = self.segments[range.clone()].contains(&Segment::Rest);
            let end = if rest { parts.len() } else { range.end };
            let value = match parts.get(range.start..end) {
                Some([first, .., last]) => &path[start(first)..start(last) + last.len()],
                Some([only]) => only,
                _ => "",
            };
            Capture { name, value, several: rest || range.len() > 1 }
        };
        self.variables.iter().map(capture).collect()
    }

    /// The order in which [`Paths`](super::Paths) tries templates, as its tests hold it: of two that a path fits, the lesser is the more particular. Where they differ first, a literal
    /// comes before `*`, and that before `**`; one with a verb before all without.
    #[cfg(test)]
    pub(super) fn rank(&self) -> Vec<u8> {
        let kind = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One => 1,
            Segment::Rest => 2,
        };
        std::iter::once(u8::from(self.verb.is_none())).chain(self.segments.iter().map(kind)).collect()
    }

    /// Whatever fits one of them fits the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.segments == other.segments && self.verb == other.verb
    }
}

/// The text without its verb, and the verb: what follows the last `:` of the last segment.
pub(super) fn split_verb(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind(['/', '}']).map_or(0, |at| at + 1);
    match text[last..].rsplit_once(':') {
        Some((_, verb)) => (&text[..text.len() - verb.len() - 1], Some(verb)),
        None => (text, None),
    }
}

/// The segment at the front, and what follows its `/`.
fn cut(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(one, rest)| (one, Some(rest)))
}

fn left(rest: Option<&str>) -> Result<&str, String> {
    match rest {
        Some("") => Err("it ends in `/`: leave it out, or end in `/**`".to_owned()),
        rest => Ok(rest.unwrap_or_default()),
    }
}

fn plain(text: &str) -> Result<Segment, String> {
    match text {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        text => literal(text).map(Segment::Literal),
    }
}

fn literal(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()+,;=@%".contains(c);
    match text {
        "" => Err("a segment is empty".to_owned()),
        text if text.chars().all(allowed) => Ok(text.to_owned()),
        text => Err(format!("`{text}` is no segment of a path: other letters are percent-encoded")),
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_that_are_none_say_why() {
        for (text, why) in [
            ("v1", "begins with `/`"),
            ("/v1/", "ends in `/`"),
            ("/v1//a", "is empty"),
            ("/{a", "not closed"),
            ("/{a}b", "whole segment"),
            ("/{1a}", "no name of a field"),
            ("/{a}/{a}", "twice"),
            ("/**/a", "stands last"),
            ("/{a=**}/b", "stands last"),
            ("/a b", "no segment of a path"),
            ("/a:", "is empty"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Template::parse(&"/a".repeat(65)).unwrap_err().contains("more than 64"));
    }

    #[test]
    fn variables_and_verbs() {
        let read = |text: &str| Template::parse(text).unwrap();
        let shelf = read("/v1/{name=shelves/*/books/*}:lend");
        assert_eq!(shelf.verb.as_deref(), Some("lend"));
        assert_eq!(shelf.segments.len(), 5);
        assert_eq!(shelf.variables().collect::<Vec<_>>(), ["name"]);
        let path = "v1/shelves/1/books/2";
        let parts: Vec<_> = path.split('/').collect();
        assert_eq!(shelf.captures(path, &parts), [Capture { name: "name", value: "shelves/1/books/2", several: true }]);
        let rest = read("/v1/{id}/{path=**}");
        for (path, id, tail) in [("v1/a/b/c", "a", "b/c"), ("v1/a", "a", "")] {
            let parts: Vec<_> = path.split('/').collect();
            let found: Vec<_> = rest.captures(path, &parts).iter().map(|one| one.value).collect();
            assert_eq!(found, [id, tail], "{path}");
        }
        assert!(read("/").segments.is_empty());
        assert!(read("/a/{x}").is_same(&read("/a/*")) && !read("/a/*").is_same(&read("/a/**")));
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_none_and_any_path_fits_or_not(
            text in "(/(a|\\*|\\{x\\}|\\{y=\\*\\*\\}|\\{z=b/\\*\\})){0,4}(:v)?|[/{}=*.:a-z%]{0,20}|\\PC{0,20}",
            path in "(/[ab]?){0,5}(:v)?|[ -~]{0,20}|\\PC{0,20}",
        ) {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.to_string(), text);
                let mut paths = super::super::Paths::default();
                paths.add(template, ());
                if let Some((_, captures)) = paths.find(&path, |()| true) {
                    prop_assert!(captures.iter().all(|one| path.contains(one.value)), "{:?}", captures);
                }
            }
        }
    }

    #[test]
    fn the_more_particular_comes_first() {
        let mut all =
            ["/**", "/a/**", "/a/*", "/a", "/a/b", "/a/b/**", "/*/b", "/a/*:v"].map(|t| Template::parse(t).unwrap());
        all.sort_by_key(Template::rank);
        let texts = all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts, ["/a/*:v", "/a", "/a/b", "/a/b/**", "/a/*", "/a/**", "/*/b", "/**"]);
    }
}
