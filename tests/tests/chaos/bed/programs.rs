//! Programs of the workspace, as whoever types them runs them.

use std::process::Command;

use serde_json::Value;
use testbed::tree;

/// Runs a program that was built with this test; answers the last line that it printed, as JSON, and whether it ended well.
pub(crate) fn run(program: &str, arguments: &[&str]) -> (bool, Value) {
    let output = Command::new(tree::built(program)).args(arguments).output().unwrap();
    let (text, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // One line of a report, or a document of many lines and nothing else.
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let found = last.filter(Value::is_object).or_else(|| serde_json::from_str(&text).ok());
    (output.status.success(), found.unwrap_or_else(|| panic!("{program} {arguments:?}: {text}{problems}")))
}

/// What `mainstay why` says of a service.
pub(crate) fn why(service: &str, registry: &str) -> (bool, Value) {
    run("mainstay", &["why", service, "--json", "--registry", registry])
}
