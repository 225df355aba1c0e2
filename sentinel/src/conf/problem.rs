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

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// `; did you mean …?` for the known word nearest to `word`, or nothing if none is near.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_ascii_lowercase();
    let near = |candidate: &'a str| {
        let far = distance(&word, &candidate.to_ascii_lowercase());
        (far <= 1 + candidate.len().min(word.len()) / 4).then_some((far, candidate))
    };
    let best = known.into_iter().filter_map(near).min();
    best.map(|(_, candidate)| format!("; did you mean `{candidate}`?")).unwrap_or_default()
}

/// Edits between two words: insert, delete, replace, or swap two neighbours. Bounded, for both come from a file.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
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
