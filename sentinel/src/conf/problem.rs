//! What is wrong with a file: where, with which key, and what was probably meant.

use std::fmt;

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The included file, or `None` for the file itself.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: usize,
    /// The directive, with the master's name where it has one; empty if the line has none.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// All that is wrong with a file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// These, in the order of their lines.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Problems(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// `; did you mean …?` for the known word nearest to `word`, or nothing if none is near.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = mainstay_registry::nearest(word, known);
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_if_it_is_near() {
        let known = ["down-after-milliseconds", "failover-timeout", "monitor", "myid"];
        let table = [
            ("down-after-miliseconds", "; did you mean `down-after-milliseconds`?"),
            ("Montior", "; did you mean `monitor`?"),
            ("myidd", "; did you mean `myid`?"),
            ("quorum", ""),
            ("", ""),
        ];
        for (word, expected) in table {
            assert_eq!(hint(word, known), expected, "{word}");
        }
    }
}
