//! Files and folders: each says what it is, none grows out of hand, and the root stays as it is designed.

use crate::tree::Tree;

/// The longest file. One that needs more is two.
const LONGEST: usize = 450;
/// The folders of the root, besides hidden ones and `target`.
const FOLDERS: &[&str] = &["codegen", "registry", "rpc", "sentinel", "gateway", "examples", "tests"];

fn heads(tree: &Tree) -> Vec<String> {
    let headless = tree.rust().filter(|f| !f.text.starts_with("//!"));
    headless.map(|f| format!("{}: the first line must be `//! what it is, and why so`", f.path)).collect()
}

fn lengths(tree: &Tree) -> Vec<String> {
    let long = tree.rust().map(|f| (f, f.text.lines().count())).filter(|&(_, n)| n > LONGEST);
    long.map(|(f, n)| format!("{}: {n} lines, more than {LONGEST}", f.path)).collect()
}

fn folders(tree: &Tree) -> Vec<String> {
    let stray = |f: &&String| !f.starts_with('.') && *f != "target" && !FOLDERS.contains(&f.as_str());
    tree.folders.iter().filter(stray).map(|f| format!("{f}/: the root has {FOLDERS:?} and no more")).collect()
}

#[test]
fn every_file_says_what_it_is() {
    assert_eq!(heads(&Tree::ours()), [""; 0]);
    let sample =
        Tree::of(&[("a.rs", "// no head\n"), ("b.rs", "//! A head.\n"), ("rpc/tests/ui/c.rs", "fn main() {}")]);
    assert_eq!(heads(&sample).len(), 1);
}

#[test]
fn no_file_is_too_long() {
    assert_eq!(lengths(&Tree::ours()), [""; 0]);
    let (fits, long) = ("x\n".repeat(LONGEST), "x\n".repeat(LONGEST + 1));
    assert_eq!(lengths(&Tree::of(&[("a.rs", &fits), ("b.rs", &long)])), ["b.rs: 451 lines, more than 450"]);
}

#[test]
fn the_root_has_its_folders_and_no_more() {
    assert_eq!(folders(&Tree::ours()), [""; 0]);
    let sample = Tree { folders: [".git", "rpc", "target", "utils"].map(str::to_owned).into(), ..Tree::default() };
    assert_eq!(folders(&sample).len(), 1);
}
