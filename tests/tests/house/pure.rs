//! Decide / do: a file that decides knows no runtime, no clock, no socket and no dice; time and randomness come in as
//! arguments. That is what makes it testable by table, by simulation and by exhaustive search.
//!
//! A file is pure when it is in the table below or when its head says so with the word "Pure".

use crate::tree::{Source, Tree};

/// Files that decide: whole paths, or a folder and everything below it (`…/*`). A row that matches nothing is stale.
const PURE: &[&str] = &[
    "registry/src/backoff.rs",
    "registry/src/catalog.rs",
    "registry/src/key.rs",
    "registry/src/url.rs",
    "rpc/src/call/frame.rs",
];

/// What such a file may not mention, in code that is shipped.
const IMPURE: &[&str] = &[
    "tokio",
    "async fn",
    ".await",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant::now",
    "SystemTime::now",
    ".elapsed()",
    "thread::sleep",
    "rand::rng",
    "thread_rng",
    "RandomState::new",
    "std::fs",
    "std::env",
];

fn is_pure(file: &Source) -> bool {
    let declared = file
        .text
        .lines()
        .take_while(|l| l.starts_with("//!"))
        .any(|line| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Pure"));
    declared || PURE.iter().any(|row| matches(row, &file.path))
}

fn matches(row: &str, path: &str) -> bool {
    match row.strip_suffix('*') {
        Some(folder) => path.starts_with(folder),
        None => path == row,
    }
}

fn impurities(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tree.rust().filter(|f| is_pure(f)) {
        for (n, line) in file.code_lines().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            let found = IMPURE.iter().filter(|word| line.contains(*word));
            wrong.extend(found.map(|word| format!("{}:{n}: a pure file mentions `{word}`", file.path)));
        }
    }
    wrong
}

fn stale(tree: &Tree) -> Vec<String> {
    let gone = PURE.iter().filter(|row| !tree.rust().any(|f| matches(row, &f.path)));
    gone.map(|row| format!("{row} matches no file")).collect()
}

#[test]
fn what_decides_knows_no_clock_and_no_socket() {
    let tree = Tree::ours();
    assert_eq!(impurities(&tree), [""; 0]);
    assert_eq!(stale(&tree), [""; 0]);
}

#[test]
fn an_impure_decision_is_seen() {
    let sample = Tree::of(&[
        ("registry/src/backoff.rs", "//! Waits.\nuse std::time::Instant;\nfn f() { Instant::now(); }\n"),
        ("rpc/src/any.rs", "//! How to pick. Pure.\n// tokio may be spoken of\nuse tokio::time::Instant;\n"),
        ("rpc/src/shell.rs", "//! Not Purely so.\nuse tokio::net::TcpStream;\n"),
        ("rpc/src/test.rs", "//! Pure.\n#[cfg(test)]\nmod tests {\n    use tokio::test;\n}\n"),
    ]);
    assert_eq!(
        impurities(&sample),
        [
            "registry/src/backoff.rs:3: a pure file mentions `Instant::now`",
            "rpc/src/any.rs:3: a pure file mentions `tokio`",
        ]
    );
}

#[test]
fn rows_match_files_and_folders() {
    assert!(matches("rpc/src/a.rs", "rpc/src/a.rs") && !matches("rpc/src/a.rs", "rpc/src/b/a.rs"));
    assert!(matches("rpc/src/balance/*", "rpc/src/balance/p2c.rs") && !matches("rpc/src/balance/*", "rpc/src/x.rs"));
    assert_eq!(stale(&Tree::default()).len(), PURE.len());
}
