//! Mutations (`tests/mutations`): each still applies to the tree, names tests that exist, and stands in the README's table. That
//! the tests notice is seen by `cargo suite mutations`.

use testbed::mutation::{self, Mutation, last};

use crate::claims::function;
use crate::tree::Tree;

/// The heading above the table.
const PART: &str = "## What the tests would notice";

fn wrong(tree: &Tree, all: &[Mutation]) -> Vec<String> {
    let text = |path: &str| tree.files.iter().find(|file| file.path == path).map(|file| file.text.clone());
    let mut wrong = Vec::new();
    for mutation in all {
        wrong.extend(mutation.applied(text).err());
        let missing = mutation.tests.iter().filter(|test| !has(tree, mutation, last(test)));
        let Mutation { name, package, target, .. } = mutation;
        wrong.extend(missing.map(|test| format!("{name}: no test `{test}` in `{target}` of {package}")));
    }
    wrong
}

/// Whether the target of a mutation has a function of this name.
fn has(tree: &Tree, mutation: &Mutation, test: &str) -> bool {
    let name = format!("name = \"{}\"", mutation.package);
    let manifests = tree.files.iter().filter(|file| file.text.lines().any(|line| line == name));
    let folders = manifests.filter_map(|file| file.path.strip_suffix("Cargo.toml"));
    folders.map(|folder| format!("{folder}tests/{}", mutation.target)).any(|target| {
        let (alone, inside) = (format!("{target}.rs"), format!("{target}/"));
        let files = tree.rust().filter(|file| file.path == alone || file.path.starts_with(&inside));
        files.flat_map(|file| file.text.lines()).filter_map(function).any(|known| known == test)
    })
}

/// The rows of the README's table, without its head.
fn rows(readme: &str) -> Vec<&str> {
    let part = readme.split_once(PART).map_or("", |(_, rest)| rest);
    let part = part.split("\n## ").next().unwrap_or_default();
    part.lines().filter(|line| line.starts_with('|')).skip(2).collect()
}

#[test]
fn mutations_apply_and_name_tests_that_exist() {
    let all = mutation::all(&testbed::tree::root()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(wrong(&Tree::ours(), &all), [""; 0]);
}

#[test]
fn the_readme_has_a_row_for_each_mutation_and_no_other() {
    let all = mutation::all(&testbed::tree::root()).unwrap_or_else(|e| panic!("{e}"));
    let readme = std::fs::read_to_string(testbed::tree::root().join("README.md")).expect("it is there");
    let mut told = rows(&readme);
    told.sort_unstable();
    let mut ours: Vec<String> = all.iter().map(Mutation::row).collect();
    ours.sort_unstable();
    assert!(!ours.is_empty() && told == ours, "the rows of the README should be:\n{}", ours.join("\n"));
}

#[test]
fn a_mutation_that_is_out_of_date_is_seen() {
    let text = "breaks: b\npackage: p\ntarget: t\ntest: m::sees\ntest: blinks\nsays: no\n\n\
                --- a/p/src/a.rs\n+++ b/p/src/a.rs\n@@ -1 +1 @@\n-right\n+wrong\n";
    let mutation = Mutation::read("m", text).unwrap_or_else(|e| panic!("{e}"));
    let manifest = ("p/Cargo.toml", "[package]\nname = \"p\"\n");
    let code = ("p/src/a.rs", "//! A.\nright\n");
    let elsewhere = ("p/tests/other.rs", "//! T.\nfn blinks() {}\n");
    let tests = ("p/tests/t/m.rs", "//! T.\nfn sees() {}\nfn blinks() {}\n");
    assert_eq!(wrong(&Tree::of(&[manifest, code, tests]), std::slice::from_ref(&mutation)), [""; 0]);
    let half = ("p/tests/t.rs", "//! T.\nasync fn sees() {}\n");
    let complaints = wrong(&Tree::of(&[manifest, ("p/src/a.rs", "//! A.\nbright\n"), elsewhere, half]), &[mutation]);
    assert!(complaints[0].starts_with("m does not apply any more: p/src/a.rs"), "{complaints:?}");
    assert_eq!(complaints[1..], ["m: no test `blinks` in `t` of p"]);
}

#[test]
fn rows_are_those_of_the_part() {
    let readme = format!(
        "| a | b |\n{PART}\nText.\n\n| x | test |\n|---|---|\n| one | `a` |\n\n## Next\n| c | d |\n|---|---|\n| e |\n"
    );
    assert_eq!(rows(&readme), ["| one | `a` |"]);
}
