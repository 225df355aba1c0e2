//! Text to lines of words.

use super::problem::Problem;
use crate::resp::{quote, split_words};

/// A line that says something: no comment, not empty.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The included file it is from.
    pub(super) file: Option<String>,
    /// Counted from 1.
    pub(super) number: usize,
    /// At least one; the first in lower case.
    pub(super) words: Vec<String>,
}

impl Line {
    pub(super) fn problem(&self, key: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), line: self.number, key: key.into(), what: what.into() }
    }
}

/// The words of a line of a file; `None` for an empty line or a comment.
///
/// # Errors
/// What is wrong with it.
pub(super) fn words(line: &[u8]) -> Result<Option<Vec<String>>, &'static str> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let words = split_words(line).map_err(|_| "unbalanced quotes")?;
    let words: Result<Vec<String>, _> = words.into_iter().map(String::from_utf8).collect();
    let mut words = words.map_err(|_| "not UTF-8")?;
    match words.first_mut() {
        None => Ok(None),
        Some(first) => {
            first.make_ascii_lowercase();
            Ok(Some(words))
        }
    }
}

/// All lines of a text, and what is wrong with those that have no words.
pub(super) fn read(text: &[u8], file: Option<&str>, problems: &mut Vec<Problem>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, raw) in text.split(|b| *b == b'\n').enumerate() {
        let (file, number) = (file.map(str::to_owned), at + 1);
        match words(raw) {
            Ok(None) => {}
            Ok(Some(words)) => lines.push(Line { file, number, words }),
            Err(what) => problems.push(Problem { file, line: number, key: String::new(), what: what.to_owned() }),
        }
    }
    lines
}

/// Arguments of a command line, `--port 26380 --sentinel resolve-hostnames yes`, as lines of a file: each word with two
/// dashes begins a line. Words before the first of these are left out.
pub fn arguments_to_text<T: AsRef<str>>(arguments: &[T]) -> String {
    let mut text = String::new();
    for argument in arguments.iter().map(AsRef::as_ref) {
        match argument.strip_prefix("--") {
            Some(directive) if !directive.is_empty() => {
                text.push('\n');
                text.push_str(directive);
            }
            _ if text.is_empty() => {}
            _ => {
                text.push(' ');
                text.push_str(&quote(argument.as_bytes()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_lines() {
        let arguments = ["x.conf", "--port", "1", "--sentinel", "myid", "a b", "--daemonize", "no"];
        assert_eq!(arguments_to_text(&arguments), "\nport 1\nsentinel myid \"a b\"\ndaemonize no");
        assert_eq!(arguments_to_text::<&str>(&[]), "");
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let mut problems = Vec::new();
        let lines = read(b"# a\n\n  \t# b\nPORT 1 \r\nx \"\n\xff\n", None, &mut problems);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].number, lines[0].words.join("|")), (4, "port|1".to_owned()));
        let found: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(found, ["line 5: unbalanced quotes", "line 6: not UTF-8"]);
    }
}
