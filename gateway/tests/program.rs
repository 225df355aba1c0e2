//! The program, asked from a shell. It is also what makes `cargo test` build it, for those who start it.

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mainstay-gateway")).args(words).output().expect("it starts")
}

#[test]
fn what_is_not_understood_ends_with_2_and_says_what_is() {
    let output = run(&["--what"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("`--what` is not known") && told.contains("mainstay-gateway check FILE"), "{told}");
    assert_eq!(run(&["check", "/no/such/file"]).status.code(), Some(2));
}

#[test]
fn the_schema_is_json_and_has_the_rules_of_risk() {
    let output = run(&["schema"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.starts_with('{'), "{text}");
    for key in ["risk_rules", "counters", "api_keys", "decision_log"] {
        assert!(text.contains(&format!("\"{key}\": {{")), "{key}");
    }
}
