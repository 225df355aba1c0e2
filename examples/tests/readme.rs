//! The README holds what it says it holds.

const README: &str = include_str!("../../README.md");

/// The text of a file that the README shows: the block after its mark.
fn file(name: &str) -> &'static str {
    let mark = format!("<!-- file: {name} -->");
    let (_, rest) = README.split_once(&mark).unwrap_or_else(|| panic!("the README does not show {name}"));
    let (_, block) = rest.split_once("```").expect("a block follows");
    let (_, text) = block.split_once('\n').expect("the block has lines");
    text.split_once("```").expect("the block ends").0
}

#[test]
fn the_readme_prints_the_capability_table() {
    let table = mainstay::registry::capability_table();
    assert!(README.contains(&table), "the README should hold exactly this:\n{table}");
}

#[test]
fn hello_is_at_most_thirty_lines_in_three_files() {
    let lines = |name: &str| file(name).lines().filter(|line| !line.trim().is_empty()).count();
    let written: usize = ["src/lib.rs", "src/bin/greeter.rs", "src/bin/caller.rs"].map(lines).iter().sum();
    assert!(written <= 30, "{written} lines");
    let dependencies = file("Cargo.toml").split_once("[dependencies]").expect("dependencies").1;
    assert_eq!(dependencies.lines().filter(|line| line.contains('=')).count(), 2, "{dependencies}");
}
