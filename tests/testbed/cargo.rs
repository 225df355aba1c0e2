//! Programs built for a benchmark, from inside it: the benchmark itself need not be fast, what it measures must be.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::tree;

/// Builds one target under the profile `bench`, and says where its program is. `target` as for `cargo build`, such as
/// `["--package", "mainstay-sentinel"]`; the manifest is a path in the tree.
///
/// # Errors
/// When it does not build; cargo has said why.
pub fn bench_build(manifest: &str, target: &[&str]) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tree::root()).args(["build", "--quiet", "--profile", "bench"]);
    cargo.args(["--message-format=json-render-diagnostics", "--manifest-path", manifest]);
    let output = cargo.args(target).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| format!("starting cargo: {e}"))?;
    let what = target.join(" ");
    if !output.status.success() {
        return Err(format!("`{what}` does not build"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // The last message with a program is the target itself.
    let messages = text.lines().rev().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let program = messages.filter_map(|m| m["executable"].as_str().map(PathBuf::from)).next();
    program.ok_or_else(|| format!("cargo built no program for `{what}`"))
}
