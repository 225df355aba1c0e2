//! The diff of a mutation, and what it makes of a text. Pure.
//!
//! A hunk belongs where its old lines stand, and they must stand in the file exactly once. Line numbers are not looked at: whatever
//! is changed above would move them. And no program applies it, so that it does not matter whether the tree is a repository.

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// From the root.
    pub(super) path: String,
    hunks: Vec<Hunk>,
}

/// Lines that stand together, and what stands there instead. Each ends in a line feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hunk {
    old: String,
    new: String,
}

/// Reads a unified diff.
pub(super) fn read(text: &str) -> Result<Vec<Change>, String> {
    let mut changes: Vec<Change> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix("--- a/") {
            if lines.next().and_then(|l| l.strip_prefix("+++ b/")) != Some(path) {
                return Err(format!("`+++ b/{path}` does not follow: files are neither made nor renamed"));
            }
            changes.push(Change { path: path.to_owned(), hunks: Vec::new() });
        } else if line.starts_with("@@ ") {
            let change = changes.last_mut().ok_or("a hunk before the name of its file")?;
            change.hunks.push(Hunk::default());
        } else if let Some(hunk) = changes.last_mut().and_then(|change| change.hunks.last_mut()) {
            hunk.add(line)?;
        } else if !line.starts_with("diff --git ") && !line.starts_with("index ") {
            return Err(format!("`{line}` is not a diff"));
        }
    }
    changes.iter().try_for_each(Change::check)?;
    if changes.is_empty() { Err("it changes nothing".to_owned()) } else { Ok(changes) }
}

impl Change {
    fn check(&self) -> Result<(), String> {
        let Change { path, hunks } = self;
        if path.split('/').any(|part| part == "tests") {
            return Err(format!("{path} is a test: it is the product that is to break"));
        }
        if hunks.is_empty() || hunks.iter().any(|hunk| hunk.old == hunk.new || hunk.old.is_empty()) {
            return Err(format!("{path}: a hunk that changes nothing, or says not where"));
        }
        Ok(())
    }

    pub(super) fn applied(&self, text: Option<String>) -> Result<String, String> {
        let text = text.ok_or_else(|| format!("{} is gone", self.path))?;
        let applied = self.hunks.iter().try_fold(text, |text, hunk| hunk.applied(&text));
        applied.map_err(|why| format!("{}: {why}", self.path))
    }
}

impl Hunk {
    fn add(&mut self, line: &str) -> Result<(), String> {
        // Editors take the blank off an empty line.
        let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
        let (old, new) = match sign {
            " " => (true, true),
            "-" => (true, false),
            "+" => (false, true),
            _ => return Err(format!("`{line}` is no line of a hunk")),
        };
        let wanted = [(old, &mut self.old), (new, &mut self.new)];
        wanted.into_iter().filter(|(wanted, _)| *wanted).for_each(|(_, text)| *text += &format!("{rest}\n"));
        Ok(())
    }

    fn applied(&self, text: &str) -> Result<String, String> {
        let begins_a_line = |at: &usize| *at == 0 || text[..*at].ends_with('\n');
        let places: Vec<usize> = text.match_indices(&self.old).map(|(at, _)| at).filter(begins_a_line).collect();
        match places[..] {
            [at] => Ok(format!("{}{}{}", &text[..at], self.new, &text[at + self.old.len()..])),
            [] => Err(format!("these lines are not there:\n{}", self.old)),
            _ => Err(format!("these lines are there {} times:\n{}", places.len(), self.old)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/p/a.rs b/p/a.rs\nindex 1..2 100644\n--- a/p/a.rs\n+++ b/p/a.rs\n@@ -7,3 +7,2 @@ fn f\n \
                        one\n-two\n-three\n+2\n@@ -70 +69,2 @@\n last\n+more\n--- a/p/b.rs\n+++ b/p/b.rs\n@@ -1,3 +1,2 @@\n-x\n\n y\n";

    #[test]
    fn files_and_hunks_are_told_apart() {
        let changes = read(DIFF).unwrap();
        assert_eq!(
            changes.iter().map(|c| (c.path.as_str(), c.hunks.len())).collect::<Vec<_>>(),
            [("p/a.rs", 2), ("p/b.rs", 1)]
        );
        assert_eq!((changes[1].hunks[0].old.as_str(), changes[1].hunks[0].new.as_str()), ("x\n\ny\n", "\ny\n"));
    }

    #[test]
    fn a_hunk_belongs_where_its_lines_stand_once() {
        let change = &read(DIFF).unwrap()[0];
        let applied = |text: &str| change.applied(Some(text.to_owned()));
        assert_eq!(applied("zero\none\ntwo\nthree\nfour\nlast\n").unwrap(), "zero\none\n2\nfour\nlast\nmore\n");
        assert_eq!(applied("last\none\ntwo\nthree\n").unwrap(), "last\nmore\none\n2\n", "wherever that is");
        for (text, why) in [
            ("one\ntwo\nlast\n", "p/a.rs: these lines are not there:\none\ntwo\nthree\n"),
            ("none\ntwo\nthree\nlast\n", "p/a.rs: these lines are not there:\none\ntwo\nthree\n"),
            ("one\ntwo\nthree\nlast\nlast\n", "p/a.rs: these lines are there 2 times:\nlast\n"),
        ] {
            assert_eq!(applied(text).unwrap_err(), why);
        }
        assert_eq!(change.applied(None).unwrap_err(), "p/a.rs is gone");
    }

    #[test]
    fn what_is_no_such_diff_is_refused() {
        let cases = [
            ("", "it changes nothing"),
            ("words\n", "`words` is not a diff"),
            ("@@ -1 +1 @@\n-a\n", "a hunk before the name of its file"),
            ("--- a/p/a.rs\n+++ b/p/b.rs\n", "`+++ b/p/a.rs` does not follow: files are neither made nor renamed"),
            ("--- a/p/a.rs\n+++ b/p/a.rs\n", "p/a.rs: a hunk that changes nothing, or says not where"),
            ("--- a/p/a.rs\n+++ b/p/a.rs\n@@ -1 +1 @@\n a\n", "p/a.rs: a hunk that changes nothing, or says not where"),
            ("--- a/p/a.rs\n+++ b/p/a.rs\n@@ -1 +1 @@\n+a\n", "p/a.rs: a hunk that changes nothing, or says not where"),
            ("--- a/p/a.rs\n+++ b/p/a.rs\n@@ -1 +1 @@\na\n", "`a` is no line of a hunk"),
            (
                "--- a/p/tests/a.rs\n+++ b/p/tests/a.rs\n@@ -1 +1 @@\n-a\n",
                "p/tests/a.rs is a test: it is the product that is to break",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(read(text).unwrap_err(), why);
        }
    }
}
