//! Mutations: the product with one promise taken out of it, each a file of `tests/mutations` that names the tests which must
//! notice.
//!
//! ```text
//! breaks: a registration that is gone is not written again
//! package: mainstay-registry
//! target: conformance
//! test: adapters::memory_conforms
//! says: it is repaired
//!
//! --- a/registry/src/controller.rs
//! +++ b/registry/src/controller.rs
//! @@ -167,1 +167,1 @@
//! -            Ok(Seen::Same) => self.well(now, random),
//! +            Ok(Seen::Same | Seen::Absent) => self.well(now, random),
//! ```
//!
//! `test` may stand several times; all of them must fail, and say so in these words, so that none is red for another reason.
//! `seeds`, where it stands, is how many seeds a simulation needs. What is built is that test target alone, so the tests are
//! such as start no program of another package.

mod diff;
mod head;

use std::fs;
use std::path::Path;

use diff::Change;

/// One mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The name of its file, without `.patch`.
    pub name: String,
    /// What does not hold any more.
    pub breaks: String,
    /// The package of the tests that notice.
    pub package: String,
    /// Their target.
    pub target: String,
    /// Their names, as the harness has them.
    pub tests: Vec<String>,
    /// What they say when they fail.
    pub says: String,
    /// With how many seeds a simulation finds it, where that is more than usual.
    pub seeds: Option<u64>,
    changes: Vec<Change>,
}

/// A file with its text.
pub type File = (String, String);

/// The mutations of a tree, by name.
///
/// # Errors
/// When one cannot be read, or says nothing that can be understood.
pub fn all(root: &Path) -> Result<Vec<Mutation>, String> {
    let folder = root.join("tests/mutations");
    let unreadable = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".patch") else { return Err(format!("{name}: not a mutation")) };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        all.push(Mutation::read(name, &text)?);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

impl Mutation {
    /// Reads a file of this name.
    ///
    /// # Errors
    /// When it is not as described above, with the reason.
    pub fn read(name: &str, text: &str) -> Result<Mutation, String> {
        let read = || {
            let (head, diff) = text.split_once("\n\n").ok_or("no empty line ends the head")?;
            let head = head::read(head)?;
            Ok::<_, String>(head.with(name, diff::read(diff)?))
        };
        read().map_err(|why| format!("{name}: {why}"))
    }

    /// The files that it changes, as it leaves them. `file` knows what is in one.
    ///
    /// # Errors
    /// When what it changes is not there any more as it was.
    pub fn applied(&self, file: impl Fn(&str) -> Option<String>) -> Result<Vec<File>, String> {
        let changed = self.changes.iter().map(|change| Ok((change.path.clone(), change.applied(file(&change.path))?)));
        let changed: Result<_, String> = changed.collect();
        changed.map_err(|why| format!("{} does not apply any more: {why}", self.name))
    }

    /// Its row in the README's table.
    pub fn row(&self) -> String {
        let tests: Vec<String> = self.tests.iter().map(|test| format!("`{}`", last(test))).collect();
        format!("| {} | `{}` | {} |", self.breaks, self.name, tests.join(", "))
    }
}

/// The name of a test without its modules.
pub fn last(test: &str) -> &str {
    test.rsplit("::").next().unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "breaks: it adds\npackage: p\ntarget: sums\ntest: a::adds\ntest: b\nsays: 5 instead of 6\n\n\
                        --- a/p/src/a.rs\n+++ b/p/src/a.rs\n@@ -1,2 +1,2 @@\n fn f() {\n-    2 * 3\n+    2 + 3\n";

    #[test]
    fn a_file_is_read_and_applied() {
        let mutation = Mutation::read("adds", TEXT).unwrap();
        assert_eq!((mutation.package.as_str(), mutation.target.as_str(), mutation.seeds), ("p", "sums", None));
        assert_eq!(mutation.row(), "| it adds | `adds` | `adds`, `b` |");
        let file = |text: &'static str| move |path: &str| (path == "p/src/a.rs").then(|| text.to_owned());
        let changed = mutation.applied(file("//! A.\nfn f() {\n    2 * 3\n}\n")).unwrap();
        assert_eq!(changed, [("p/src/a.rs".to_owned(), "//! A.\nfn f() {\n    2 + 3\n}\n".to_owned())]);
        let gone = mutation.applied(file("fn f() {\n    3 * 2\n}\n")).unwrap_err();
        assert!(gone.starts_with("adds does not apply any more: p/src/a.rs"), "{gone}");
    }

    #[test]
    fn who_is_wrong_is_named() {
        assert_eq!(Mutation::read("x", "breaks: all").unwrap_err(), "x: no empty line ends the head");
        assert!(Mutation::read("x", &TEXT.replace("says: ", "said: ")).unwrap_err().starts_with("x: "));
        assert!(Mutation::read("x", &TEXT.replace("@@", "")).unwrap_err().starts_with("x: "));
    }
}
