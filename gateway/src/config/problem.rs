//! What is wrong with a file: all of it at once, each with its place. Pure.

use std::{cell::RefCell, fmt};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line of the text, from 1.
    pub line: usize,
    /// Where in the file, as `routes[2].match.path`. Empty for the file as a whole.
    pub key: String,
    /// What is wrong there, for people.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.why),
            key => write!(f, "line {}: {key}: {}", self.line, self.why),
        }
    }
}

/// All that is wrong with a file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Refused(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Problems, as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, line: usize, key: &str, why: impl Into<String>) {
        self.0.borrow_mut().push(Problem { line, key: key.to_owned(), why: why.into() });
    }

    /// The answer, if nothing was wrong.
    pub(super) fn or<T>(self, answer: T) -> Result<T, Refused> {
        let mut all = self.0.into_inner();
        all.sort();
        all.dedup();
        if all.is_empty() { Ok(answer) } else { Err(Refused(all)) }
    }
}
