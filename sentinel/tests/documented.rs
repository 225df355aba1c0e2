//! What operators meet by a code is explained on the page for them.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

const PAGE: &str = include_str!("../README.md");
const WHY: &str = include_str!("../core/src/why.rs");

#[test]
fn every_reason_why_nothing_is_promoted_is_explained() {
    let body = WHY.split("pub fn code(&self)").nth(1).unwrap().split("\n}").next().unwrap();
    let codes: Vec<&str> = body.lines().filter_map(|l| l.split("=> \"").nth(1)?.split('"').next()).collect();
    assert!(codes.len() >= 16, "{codes:?}");
    let rows = PAGE.lines().filter(|l| l.starts_with("| `")).collect::<Vec<_>>().join("\n");
    let unknown: Vec<_> = codes.iter().filter(|code| !rows.contains(&format!("`{code}`"))).collect();
    assert!(unknown.is_empty(), "not on the page: {unknown:?}");
}
