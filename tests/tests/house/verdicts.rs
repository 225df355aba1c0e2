//! What `mainstay why` says for programs: each word that the code can say is on its page, and no other.

use std::collections::BTreeSet;

use crate::tree::Tree;

const PAGE: &str = "rpc/cli/README.md";
const CODE: &str = "rpc/cli/src/verdict.rs";
/// What rules make of instances, and the words for it.
const RULES: [&str; 2] = ["rpc/src/route/explain.rs", "rpc/src/cluster/state.rs"];

fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
    let file = tree.files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is gone")).text
}

/// The arms of `as_str`, by what they are of.
fn arms(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (of, word) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
        Some((of, word.split('"').next()?))
    })
}

fn said(tree: &Tree) -> BTreeSet<String> {
    let [rules, words] = RULES.map(|path| text(tree, path));
    let told = rules.lines().filter_map(|line| line.split_once("=> (Avoided::")?.1.split([',', ' ']).next());
    let word = |of: &str| arms(words).find(|(other, _)| *other == of).map(|(_, word)| word);
    let told = told.map(|of| word(of).unwrap_or_else(|| panic!("{of} has no word")));
    arms(text(tree, CODE)).map(|(_, word)| word).chain(told).map(str::to_owned).collect()
}

/// The first column of the table of the part about `why`.
fn documented(page: &str) -> BTreeSet<String> {
    let part = page.split("\n## ").find(|part| part.starts_with("`why`")).unwrap_or_default();
    part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect()
}

#[test]
fn every_word_of_why_is_documented_and_every_documented_one_is_there() {
    let tree = Tree::ours();
    let (said, page) = (said(&tree), documented(text(&tree, PAGE)));
    assert!(said.contains("taken") && said.contains("ROUTED_AWAY") && said.len() >= 12, "{said:?}");
    assert_eq!(said.difference(&page).collect::<Vec<_>>(), [""; 0], "{PAGE} does not have these");
    assert_eq!(page.difference(&said).collect::<Vec<_>>(), [""; 0], "no code says these");
}
