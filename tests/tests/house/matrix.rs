//! The matrix of Dubbo peers in the README is the one that the suite kept of its last run.

use std::fs;

#[test]
fn the_readme_shows_the_matrix_of_the_last_run() {
    let root = testbed::tree::root();
    let kept = fs::read_to_string(root.join("tests/interop/dubbo/matrix.md")).expect("it is there");
    let readme = fs::read_to_string(root.join("README.md")).expect("it is there");
    assert!(readme.contains(&kept), "tests/interop/dubbo/matrix.md is not in the README as it is:\n{kept}");
    assert!(!kept.contains("NO"), "a row of the matrix failed:\n{kept}");
}
