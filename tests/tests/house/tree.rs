//! The tree that the rules look at: every file that is ours, with its text.

use std::fs;
use std::path::Path;

/// A file, by its path from the root.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The files of the workspace, without what is built, hidden or foreign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<Source>,
    /// The folders of the root.
    pub(crate) folders: Vec<String>,
}

impl Tree {
    /// The real one.
    pub(crate) fn ours() -> Tree {
        let root = testbed::tree::root();
        let mut tree = Tree::default();
        walk(&root, &root, &mut tree.files);
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        for entry in fs::read_dir(&root).expect("the root").flatten() {
            if entry.file_type().expect("a type").is_dir() {
                tree.folders.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        assert!(tree.files.len() > 20, "the tree at {} is nearly empty", root.display());
        tree
    }

    /// A sample of one's own.
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let source = |&(path, text): &(&str, &str)| Source { path: path.to_owned(), text: text.to_owned() };
        Tree { files: files.iter().map(source).collect(), folders: Vec::new() }
    }

    /// Rust files, except those that are input for tests of the compiler (`ui` folders).
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|f| f.path.ends_with(".rs") && !f.path.contains("/ui/"))
    }
}

impl Source {
    /// The lines that belong to tests, numbered from 1: all of a file of tests, else what follows the first
    /// `#[cfg(test)]` that opens a module.
    pub(crate) fn test_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let from = if self.is_test_file() { 0 } else { self.code_end() };
        self.text.lines().enumerate().skip(from).map(|(i, line)| (i + 1, line))
    }

    /// The lines that are shipped, numbered from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test_file() { 0 } else { self.code_end() };
        self.text.lines().enumerate().take(end).map(|(i, line)| (i + 1, line))
    }

    fn is_test_file(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let name = parts.last().copied().unwrap_or("");
        // `tests/` in the root is a package; its integration tests are in `tests/tests`.
        parts.iter().skip(1).rev().skip(1).any(|&p| p == "tests") || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    fn code_end(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let opens = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ");
        lines.windows(2).position(opens).unwrap_or(lines.len())
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type().expect("a type").is_dir() {
            walk(root, &path, files);
        } else if ["rs", "toml", "md"].iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            files.push(Source { path: path.strip_prefix(root).expect("below the root").display().to_string(), text });
        }
    }
}

#[test]
fn shipped_lines_and_tests_are_told_apart() {
    let file = |path: &str| Source {
        path: path.to_owned(),
        text: "//! A.\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n".to_owned(),
    };
    assert_eq!(file("rpc/src/a.rs").code_lines().count(), 2);
    assert_eq!(file("rpc/src/a.rs").test_lines().map(|(n, _)| n).collect::<Vec<_>>(), [3, 4, 5]);
    for path in ["rpc/tests/a.rs", "tests/tests/a.rs", "rpc/src/call/tests.rs"] {
        assert_eq!(file(path).code_lines().count(), 0, "{path}");
    }
    assert_eq!(file("tests/testbed/a.rs").code_lines().count(), 2);
}
