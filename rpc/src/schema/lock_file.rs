//! Lock files: text against services, and the files of a crate.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::lock::{LockProblem, compare};
use super::merge::{merge, text};
use super::model;
use super::print::file_name;
use super::read::read;
use super::services::Schema;
use crate::call::ServiceDef;

/// Compares the text of a lock with what `services` are now: the package of the first one.
///
/// # Errors
/// Everything that differs, each with message, field, old and new number.
pub fn check_lock(old_text: &str, services: &[&ServiceDef]) -> Result<(), Vec<LockProblem>> {
    let new = current(services).map_err(|problem| vec![problem])?;
    let old = read(old_text).map_err(|error| vec![error.into()])?;
    let problems = compare(&old, &new);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The text of the lock for what `services` are now: the package of the first one. Numbers that `old_text` has and the
/// services do not are reserved; services of the package that are not among `services` stay as they are.
///
/// # Errors
/// When something would be misread by who has old data, unless `force` says to do it all the same.
pub fn write_lock(old_text: Option<&str>, services: &[&ServiceDef], force: bool) -> Result<String, Vec<LockProblem>> {
    let new = current(services).map_err(|problem| vec![problem])?;
    renew(old_text, &new, force)
}

/// Checks, or with `MAINSTAY_LOCK=write` in the environment writes, the lock files in `proto/` of the crate at `root`.
///
/// One file for each package that `services` reach. This is what the test calls that `#[service(lock)]` generates.
///
/// # Panics
/// When a file and the services differ, with all the differences. It is a test's assertion.
pub fn assert_lock(root: &str, services: &[&ServiceDef]) {
    let mode = std::env::var("MAINSTAY_LOCK").unwrap_or_default();
    if let Err(text) = lock(Path::new(root), services, &mode) {
        panic!("{text}");
    }
}

fn lock(root: &Path, services: &[&ServiceDef], mode: &str) -> Result<(), String> {
    let write = match mode {
        "" | "check" => None,
        "write" => Some(false),
        "force" => Some(true),
        other => return Err(format!("MAINSTAY_LOCK={other}: it may be `check`, `write` or `force`")),
    };
    let schema = Schema::of(services).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    for file in schema.files() {
        let path = root.join("proto").join(file_name(&file.package));
        let problems = match write {
            None => check_file(&path, file),
            Some(force) => write_file(&path, file, force),
        };
        if let Err(problems) = problems {
            wrong.push(format!("{}:\n{problems}", path.display()));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn check_file(path: &Path, new: &model::File) -> Result<(), String> {
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("  there is no such file: write it with `MAINSTAY_LOCK=write cargo test`, and commit it".into());
        }
        Err(error) => return Err(format!("  cannot be read: {error}")),
    };
    let old = read(&old).map_err(|error| list(&[error.into()]))?;
    let problems = compare(&old, new);
    if problems.is_empty() { Ok(()) } else { Err(list(&problems)) }
}

/// Rewrites the file under a lock, because the tests of several services may do so at once.
fn write_file(path: &Path, new: &model::File, force: bool) -> Result<(), String> {
    let failed = |what: &str, error: io::Error| format!("  cannot {what}: {error}");
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    std::fs::create_dir_all(&folder).map_err(|error| failed("create the folder", error))?;
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).open(path);
    let mut file = opened.map_err(|error| failed("open it", error))?;
    file.lock().map_err(|error| failed("lock it", error))?;
    let mut old = String::new();
    file.read_to_string(&mut old).map_err(|error| failed("read it", error))?;
    let before = Some(old.as_str()).filter(|old| !old.trim().is_empty());
    let text = renew(before, new, force).map_err(|problems| list(&problems))?;
    // A file that is the same keeps its time, and nothing is built again.
    if text != old {
        file.rewind().map_err(|error| failed("rewind it", error))?;
        file.set_len(0).map_err(|error| failed("empty it", error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed("write it", error))?;
    }
    Ok(())
}

fn renew(old_text: Option<&str>, new: &model::File, force: bool) -> Result<String, Vec<LockProblem>> {
    let Some(old_text) = old_text else { return Ok(text(new)) };
    let old = match read(old_text) {
        Ok(old) => old,
        Err(_) if force => return Ok(text(new)),
        Err(error) => return Err(vec![error.into()]),
    };
    let breaking: Vec<LockProblem> = compare(&old, new).into_iter().filter(LockProblem::is_breaking).collect();
    if breaking.is_empty() || force { Ok(text(&merge(&old, new))) } else { Err(breaking) }
}

fn current(services: &[&ServiceDef]) -> Result<model::File, LockProblem> {
    let schema = Schema::of(services)?;
    let package = services.first().map_or("", |def| def.package);
    Ok(schema.file(package).cloned().unwrap_or_default())
}

fn list(problems: &[LockProblem]) -> String {
    let mut lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    let hint = if problems.iter().any(LockProblem::is_breaking) {
        "nobody has old data? `MAINSTAY_LOCK=force cargo test` writes the file all the same"
    } else {
        "write the file anew with `MAINSTAY_LOCK=write cargo test`, and commit it"
    };
    lines.push(format!("  ({hint})"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::call::{Kind, MethodDef};
    use crate::schema::Describe;

    #[derive(Message)]
    #[allow(dead_code)] // only described
    struct Stock {
        sku: String,
        left: u32,
    }

    static METHOD: MethodDef =
        MethodDef::new("Level", Kind::Unary, <Stock as Describe>::describe, <Stock as Describe>::describe);

    static SERVICE: ServiceDef = ServiceDef {
        package: "p.v1",
        name: "S",
        full_name: "p.v1.S",
        version: None,
        group: None,
        docs: "",
        methods: &[METHOD],
    };

    /// A crate of its own.
    struct Root(PathBuf);

    impl Root {
        fn new(test: &str) -> Root {
            Root(std::env::temp_dir().join(format!("mainstay-lock-file-{test}-{}", std::process::id())))
        }

        fn run(&self, mode: &str) -> Result<(), String> {
            lock(&self.0, &[&SERVICE], mode)
        }

        fn file(&self) -> PathBuf {
            self.0.join("proto/p.v1.proto")
        }

        fn edit(&self, from: &str, to: &str) {
            let text = std::fs::read_to_string(self.file()).unwrap();
            assert!(text.contains(from));
            std::fs::write(self.file(), text.replace(from, to)).unwrap();
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_lock_is_missing_then_written_then_kept() {
        let root = Root::new("kept");
        assert!(root.run("").unwrap_err().contains("MAINSTAY_LOCK=write"));
        root.run("write").unwrap();
        root.run("").unwrap();
        let text = std::fs::read_to_string(root.file()).unwrap();
        assert!(text.starts_with("// mainstay lock: "), "{text}");
        check_lock(&text, &[&SERVICE]).unwrap();
        let written = std::fs::metadata(root.file()).unwrap().modified().unwrap();
        root.run("write").unwrap();
        assert_eq!(std::fs::metadata(root.file()).unwrap().modified().unwrap(), written);
        assert!(root.run("yes").unwrap_err().contains("`force`"));
    }

    #[test]
    fn a_break_is_not_written_unless_forced() {
        let root = Root::new("break");
        root.run("write").unwrap();
        root.edit("left = 2", "left = 5");
        for mode in ["", "write"] {
            let text = root.run(mode).unwrap_err();
            assert!(text.contains("p.v1.Stock: `left` was number 5 and is now 2"), "{text}");
        }
        root.run("force").unwrap();
        root.run("").unwrap();
        assert!(std::fs::read_to_string(root.file()).unwrap().contains("reserved 5;"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_overwritten() {
        let root = Root::new("unreadable");
        root.run("write").unwrap();
        root.edit("message Stock {", "massage Stock {");
        let text = root.run("write").unwrap_err();
        assert!(text.contains("line 12") && text.contains("`massage`"), "{text}");
    }

    #[test]
    fn what_is_new_is_written_and_what_was_there_stays() {
        let root = Root::new("new");
        root.run("write").unwrap();
        root.edit("  uint32 left = 2;\n", "  uint32 gone = 3;\n");
        let text = root.run("").unwrap_err();
        assert!(text.contains("`left` = 2 is not in the file yet") && text.contains("`gone` = 3"), "{text}");
        root.run("write").unwrap();
        let text = std::fs::read_to_string(root.file()).unwrap();
        assert!(text.contains("reserved 3;\n  reserved \"gone\";\n\n  string sku = 1;\n  uint32 left = 2;"), "{text}");
    }
}
