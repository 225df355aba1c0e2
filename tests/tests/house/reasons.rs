//! Reason codes: each that the code can say is documented, and none is documented that it cannot say.

use std::collections::BTreeSet;

use crate::tree::Tree;

const PAGE: &str = "rpc/REASONS.md";

/// What the code of `rpc` can say: the arms of `as_str`, the rows of `reasons!`, and the refusals of the admin port.
fn said(tree: &Tree) -> BTreeSet<String> {
    let files = tree.rust().filter(|file| file.path.starts_with("rpc/src/"));
    files.flat_map(|file| file.code_lines()).filter_map(|(_, line)| code(line)).map(str::to_owned).collect()
}

fn code(line: &str) -> Option<&str> {
    let line = line.trim();
    let before = |text: &'static str| line.find(text).map(|at| at + text.len());
    let arm = line.starts_with("Self::").then(|| before(" => \"")).flatten();
    let row = line.contains("retryable:").then(|| before(" = \"")).flatten();
    let refusal = line.contains("Answer::refusal(").then(|| before(", \"")).flatten();
    let word = line[arm.or(row).or(refusal)?..].split('"').next()?;
    is_code(word).then_some(word)
}

fn is_code(word: &str) -> bool {
    word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// What the page says: the first column of its tables.
fn documented(text: &str) -> BTreeSet<String> {
    let cell = |line: &str| line.strip_prefix("| `")?.split('`').next().map(str::to_owned);
    text.lines().filter_map(cell).filter(|word| is_code(word)).collect()
}

fn page(tree: &Tree) -> BTreeSet<String> {
    documented(&tree.files.iter().find(|file| file.path == PAGE).expect("the page of reasons").text)
}

#[test]
fn every_reason_code_is_documented_and_every_documented_one_is_there() {
    let tree = Tree::ours();
    let (said, page) = (said(&tree), page(&tree));
    assert!(said.len() > 40, "{said:?}");
    assert_eq!(said.difference(&page).collect::<Vec<_>>(), [""; 0], "{PAGE} does not have these");
    assert_eq!(page.difference(&said).collect::<Vec<_>>(), [""; 0], "no code says these");
}

#[test]
fn no_reason_is_unknown() {
    let said = said(&Tree::ours());
    assert!(said.iter().all(|code| !code.contains("UNKNOWN") || code.starts_with("UNKNOWN_")), "{said:?}");
}

#[test]
fn a_code_is_seen_wherever_it_stands() {
    for (line, expected) in [
        ("            Self::LeftOut => \"LEFT_OUT\",", Some("LEFT_OUT")),
        ("    Remote = \"REMOTE\", Provider, retryable: false;", Some("REMOTE")),
        ("Answer::refusal(StatusCode::NOT_FOUND, \"NO_PAGE\", \"`/` lists\")", Some("NO_PAGE")),
        ("            Self::Idle => \"idle\",", None),
        ("        Code::Ok => \"OK\",", None),
    ] {
        assert_eq!(code(line), expected, "{line}");
    }
    let sample = Tree::of(&[("rpc/src/a.rs", "//! A.\n Self::Gone => \"LONG_GONE\",\n"), (PAGE, "| `HERE` | x |\n")]);
    assert_eq!((said(&sample).len(), page(&sample).len()), (1, 1));
}
