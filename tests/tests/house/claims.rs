//! What the documents claim is tested: a test that they name exists.
//!
//! A test is named in a table's column headed "test", or after `test:` in running text, always in back-ticks.

use std::collections::BTreeSet;

use crate::tree::Tree;

fn untested(tree: &Tree) -> Vec<String> {
    let known: BTreeSet<&str> = tree.rust().flat_map(|f| f.text.lines()).filter_map(function).collect();
    let mut wrong = Vec::new();
    for file in tree.files.iter().filter(|f| f.path.ends_with(".md")) {
        for (n, name) in claims(&file.text) {
            let last = name.rsplit("::").next().unwrap_or(&name);
            if !known.contains(last) {
                wrong.push(format!("{}:{n}: no test `{name}`", file.path));
            }
        }
    }
    wrong
}

/// The name of the function that a line declares.
pub(crate) fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The tests that a document names, each with its line.
fn claims(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut column = None;
    for (i, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let named = if !line.trim_start().starts_with('|') {
            column = None;
            line.split("test: ")
                .skip(1)
                .filter_map(|rest| ticked(rest.strip_prefix('`').map(|_| rest)?).next())
                .collect()
        } else if let Some(at) = cells.iter().position(|c| matches!(c.to_lowercase().as_str(), "test" | "tests")) {
            column = Some(at);
            Vec::new()
        } else {
            column.and_then(|at| cells.get(at)).map_or(Vec::new(), |cell| ticked(cell).collect())
        };
        found.extend(named.into_iter().map(|name| (i + 1, name)));
    }
    found
}

/// What stands in back-ticks.
fn ticked(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn claims_name_tests_that_exist() {
    assert_eq!(untested(&Tree::ours()), [""; 0]);
}

#[test]
fn a_claim_without_its_test_is_seen() {
    let readme = "| promise | test |\n|---|---|\n| fast | `is_fast` |\n| safe | `mod::is_safe`, `is_sound` |\n\n\
                  Nothing is lost (test: `nothing_is_lost`), and `other` words are free.\n| a | `free` |\n";
    let code = "//! T.\n#[test]\nfn is_fast() {}\n    async fn is_safe() {}\n";
    let sample = Tree::of(&[("README.md", readme), ("tests/tests/a.rs", code)]);
    assert_eq!(untested(&sample), ["README.md:4: no test `is_sound`", "README.md:6: no test `nothing_is_lost`"]);
}
