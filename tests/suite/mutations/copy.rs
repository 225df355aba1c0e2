//! The copy of the tree that is broken: what is in it is what is in the tree, but for the files that a mutation changed.
//!
//! Only what differs is written, since what is written is built again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testbed::mutation::File;

/// Makes `copy` what `tree` is, but for the `changed` files.
pub(super) fn update(tree: &Path, copy: &Path, changed: &[File]) -> Result<(), String> {
    let failed = |e: io::Error| format!("copying {} to {}: {e}", tree.display(), copy.display());
    fs::create_dir_all(copy).map_err(failed)?;
    let wanted = files(tree).map_err(failed)?;
    for path in files(copy).map_err(failed)?.difference(&wanted) {
        fs::remove_file(copy.join(path)).map_err(failed)?;
    }
    for path in &wanted {
        let other = changed.iter().find(|(name, _)| Path::new(name) == path);
        let text = other.map_or_else(|| fs::read(tree.join(path)), |(_, text)| Ok(text.clone().into_bytes()));
        write(&copy.join(path), &text.map_err(failed)?).map_err(failed)?;
    }
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}

/// The files below a folder, without what is built and what git keeps.
fn files(root: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(path) = path.strip_prefix(root)
            {
                found.insert(path.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use testbed::Scratch;

    use super::*;

    fn written(path: &Path) -> SystemTime {
        fs::metadata(path).and_then(|m| m.modified()).unwrap()
    }

    #[test]
    fn what_differs_is_written_and_what_is_gone_goes() {
        let here = Scratch::new("copy").unwrap();
        let (tree, copy) = (here.join("tree"), here.join("tree/target/copy"));
        for (path, text) in [("a/one.rs", "1"), ("a/two.rs", "2"), (".cargo/c.toml", "c"), (".git/HEAD", "h")] {
            here.write(format!("tree/{path}"), text).unwrap();
        }
        update(&tree, &copy, &[("a/two.rs".to_owned(), "3".to_owned())]).unwrap();
        let text = |path: &str| fs::read_to_string(copy.join(path)).ok();
        assert_eq!(["a/one.rs", "a/two.rs", ".cargo/c.toml"].map(text), ["1", "3", "c"].map(|t| Some(t.to_owned())));
        assert_eq!(text(".git/HEAD"), None);

        let before = written(&copy.join("a/one.rs"));
        fs::remove_file(tree.join(".cargo/c.toml")).unwrap();
        update(&tree, &copy, &[]).unwrap();
        assert_eq!(["a/two.rs", ".cargo/c.toml"].map(text), [Some("2".to_owned()), None]);
        assert_eq!(written(&copy.join("a/one.rs")), before, "it would be built again");
    }
}
