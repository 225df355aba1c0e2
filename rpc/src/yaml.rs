//! A text of YAML as nodes that know their lines: of rules, and of files that say what a program does. Pure.
//!
//! Rules come from whoever may write into the config centre, so what they may cost is bounded: one document, no aliases
//! (a few lines of them become gigabytes), so many nodes, so deep. What is said twice, and what nobody knows, is an error
//! with its line: a misspelt `force` that is ignored is found in the incident.

use crate::route::RuleError;
use mainstay_registry::nearest;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Nodes of one rule, and how deep they may lie in each other.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 16;

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub(crate) line: usize,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// Nothing, or `null`.
    Null,
    Text(String),
    List(Vec<Node>),
    /// Names with their lines, in the order of the text.
    Map(Vec<(String, usize, Node)>),
}

/// The fields of a mapping, all of which are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a Node);

/// Reads a text. One that holds nothing is `Null`.
pub(crate) fn read(text: &str) -> Result<Node, RuleError> {
    read_up_to(text, MAX_NODES)
}

/// Reads a text of at most so many values. One that holds nothing is null.
///
/// # Errors
/// The first thing that is wrong, with its line: no YAML, too many values or too deep, an alias, a name that stands twice.
pub fn read_up_to(text: &str, max_values: usize) -> Result<Node, RuleError> {
    let mut reader = Reader { events: Parser::new_from_str(text), nodes: 0, max_nodes: max_values };
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event if document.is_none() => document = Some(reader.node(event, span, 0)?),
            _ => return Err(RuleError::at(span.start.line(), "a second document: one is taken")),
        }
    }
    Ok(document.unwrap_or(Node { line: 1, value: Value::Null }))
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
    max_nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, RuleError> {
        let event = self.events.next().transpose();
        event.map_err(|error| RuleError::at(error.marker().line(), format!("this is no YAML: {}", error.info())))
    }

    /// The event that must come, since something is open.
    fn more(&mut self, line: usize) -> Result<(Event<'a>, Span), RuleError> {
        self.next()?.ok_or_else(|| RuleError::at(line, "the text ends in the middle"))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, RuleError> {
        let line = span.start.line();
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            return Err(RuleError::at(line, format!("more than {} values", self.max_nodes)));
        }
        if depth > MAX_DEPTH {
            return Err(RuleError::at(line, format!("values lie more than {MAX_DEPTH} deep in each other")));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => {
                Value::Null
            }
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(line, depth)?),
            Event::MappingStart(..) => Value::Map(self.map(line, depth)?),
            Event::Alias(_) => return Err(RuleError::at(line, "an alias: write out what it stands for")),
            _ => return Err(RuleError::at(line, "a value is missing")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, line: usize, depth: usize) -> Result<Vec<Node>, RuleError> {
        let mut all = Vec::new();
        loop {
            match self.more(line)? {
                (Event::SequenceEnd, _) => return Ok(all),
                (event, span) => all.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, line: usize, depth: usize) -> Result<Vec<(String, usize, Node)>, RuleError> {
        let mut all: Vec<(String, usize, Node)> = Vec::new();
        loop {
            let (name, at) = match self.more(line)? {
                (Event::MappingEnd, _) => return Ok(all),
                (Event::Scalar(name, ..), span) => (name.into_owned(), span.start.line()),
                (_, span) => return Err(RuleError::at(span.start.line(), "a name must be a text")),
            };
            if all.iter().any(|(known, ..)| *known == name) {
                return Err(RuleError::at(at, format!("`{name}` is said twice")));
            }
            let (event, span) = self.more(line)?;
            all.push((name, at, self.node(event, span, depth + 1)?));
        }
    }
}

impl Node {
    /// The line where it begins, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Nothing is said.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The text.
    ///
    /// # Errors
    /// What stands there instead, with its line.
    pub fn text(&self) -> Result<&str, RuleError> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// `true` or `false`, also in quotes, as Dubbo takes it.
    ///
    /// # Errors
    /// What stands there instead, with its line.
    pub fn boolean(&self) -> Result<bool, RuleError> {
        match &self.value {
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.wrong("`true` or `false`")),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// What stands there instead, with its line.
    pub fn number(&self) -> Result<u32, RuleError> {
        match &self.value {
            Value::Text(text) => text.parse().map_err(|_| self.wrong("a number that is not negative")),
            _ => Err(self.wrong("a number that is not negative")),
        }
    }

    /// The values of a list.
    ///
    /// # Errors
    /// What stands there instead, with its line.
    pub fn list(&self) -> Result<&[Self], RuleError> {
        match &self.value {
            Value::List(all) => Ok(all),
            _ => Err(self.wrong("a list")),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self) -> Result<Vec<(&str, usize)>, RuleError> {
        self.list()?.iter().map(|one| Ok((one.text()?, one.line))).collect()
    }

    /// Every name with its line and value.
    ///
    /// # Errors
    /// What stands there instead, with its line.
    pub fn pairs(&self) -> Result<impl Iterator<Item = (&str, usize, &Self)>, RuleError> {
        match &self.value {
            Value::Map(all) => Ok(all.iter().map(|(name, line, node)| (name.as_str(), *line, node))),
            _ => Err(self.wrong("names and values")),
        }
    }

    /// The fields of a mapping that has no others than these.
    pub(crate) fn fields(&self, known: &[&str]) -> Result<Fields<'_>, RuleError> {
        for (name, line, _) in self.pairs()? {
            if !known.contains(&name) {
                let meant = nearest(name, known.iter().copied());
                let hint = meant.map_or_else(|| known.join(", "), |meant| format!("did you mean `{meant}`?"));
                return Err(RuleError::at(line, format!("`{name}` is not known here: {hint}")));
            }
        }
        Ok(Fields(self))
    }

    fn wrong(&self, wanted: &str) -> RuleError {
        let found = match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Text(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "names and values".to_owned(),
        };
        RuleError::at(self.line, format!("{found} stands where {wanted} should"))
    }
}

impl<'a> Fields<'a> {
    /// The value of a field; `None` when it is not there or says nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        let Value::Map(all) = &self.0.value else { return None };
        all.iter().find(|(known, ..)| known == name).map(|(.., node)| node).filter(|node| !node.is_null())
    }

    /// A field that must be there.
    pub(crate) fn must(&self, name: &str) -> Result<&'a Node, RuleError> {
        self.get(name).ok_or_else(|| RuleError::at(self.0.line, format!("`{name}` is missing")))
    }

    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool, RuleError> {
        self.get(name).map_or(Ok(default), Node::boolean)
    }

    /// The texts of a field; none when it is not there.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<(&'a str, usize)>, RuleError> {
        self.get(name).map_or(Ok(Vec::new()), Node::texts)
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a [Node], RuleError> {
        self.get(name).map_or(Ok(&[]), Node::list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_know_their_lines() {
        let node = read("a: 1\nb:\n  - x\n  - \"true\"\nc: {d: null}\n").unwrap();
        let fields = node.fields(&["a", "b", "c"]).unwrap();
        assert_eq!((fields.get("a").unwrap().number(), fields.get("a").unwrap().line), (Ok(1), 1));
        assert_eq!(fields.texts("b").unwrap(), [("x", 3), ("true", 4)]);
        assert_eq!(fields.get("b").unwrap().list().unwrap()[1].boolean(), Ok(true));
        assert!(fields.get("c").unwrap().fields(&["d"]).unwrap().get("d").is_none());
        assert!(read("").unwrap().is_null() && read("# nothing\n").unwrap().is_null());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let deep = "- ".repeat(40);
        for (text, line, why) in [
            ("a: 1\nb: [1\n", 3, "no YAML"),
            ("a: 1\na: 2\n", 2, "said twice"),
            ("x: &x [1]\ny: *x\n", 2, "an alias"),
            ("a: 1\n---\nb: 1\n", 3, "second document"),
            ("? [a]\n: 1\n", 1, "must be a text"),
            (deep.as_str(), 1, "deep"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.why.contains(why), "{text:?}: {error}");
        }
        let node = read("force: maybe\nenabeld: true\n").unwrap();
        let unknown = node.fields(&["force", "enabled"]).unwrap_err();
        assert_eq!(unknown.to_string(), "line 2: `enabeld` is not known here: did you mean `enabled`?");
        let wrong = node.fields(&["force", "enabeld"]).unwrap().boolean("force", true).unwrap_err();
        assert_eq!(wrong.to_string(), "line 1: `maybe` stands where `true` or `false` should");
        assert!(node.fields(&["force", "enabeld"]).unwrap().must("key").unwrap_err().why.contains("missing"));
    }

    proptest! {
        /// Whatever is written there, reading it ends and does not panic.
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:{}\\[\\],&*'\"\\-?| \n\t#>!%~]{0,60}") {
            if let Err(error) = read(&text) {
                prop_assert!(error.line > 0, "{}", error);
            }
        }
    }
}
