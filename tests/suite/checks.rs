//! The checks of the `house` group that are more than one call of cargo.

mod chaos;
mod licence;
mod matrix;
mod packed;

pub(crate) use chaos::{chaos_report, copied, no_records};
pub(crate) use matrix::dubbo_matrix;

use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::tree;

use crate::build::cargo;

/// The lowest Rust that the manifest promises, as a version of three numbers.
type Version = (u64, u64, u64);

/// What must compile without a warning alone: a `cfg` or a dependency that is missing shows only here.
const ALONE: [(&str, &str); 6] = [
    ("mainstay", ""),
    ("mainstay", "client"),
    ("mainstay", "server"),
    ("mainstay-registry", "nacos"),
    ("mainstay-registry", "zookeeper"),
    ("mainstay-gateway", ""),
];

/// The libraries compile with no feature and with each part alone.
pub(crate) fn features() -> Result<(), String> {
    for (package, feature) in ALONE {
        let mut check = cargo();
        check.args(["clippy", "--quiet", "--package", package, "--no-deps", "--no-default-features"]);
        check.args(["--features", feature, "--", "-Dwarnings"]);
        said(check).map_err(|e| format!("{package} with the features [{feature}]: {e}"))?;
    }
    Ok(())
}

/// Every dependency has a licence of `deny.toml` and comes from the registry. `cargo deny` says more where it is installed.
pub(crate) fn licences() -> Result<(), String> {
    let mut deny = cargo();
    deny.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if deny.status().is_ok_and(|s| s.success()) {
        let mut deny = cargo();
        deny.args(["deny", "--all-features", "check", "licenses", "bans", "sources"]);
        return said(deny).map(|_| ());
    }
    let config = std::fs::read_to_string(tree::root().join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
    let allowed = licence::allowed(&config);
    let metadata = metadata()?;
    let wrong: Vec<String> = packages(&metadata).filter_map(|p| objection(p, &allowed)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// No dependency needs a later Rust than the one we promise. Of our own code clippy's `incompatible_msrv` says so.
pub(crate) fn rust_versions() -> Result<(), String> {
    let metadata = metadata()?;
    let ours = promised(&metadata)?;
    let later = |p: &&Value| lowest(p).is_some_and(|version| version > ours);
    let wrong: Vec<String> =
        packages(&metadata).filter(later).map(|p| format!("{} {}", p["name"], p["version"])).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("need a later Rust than {}.{}: {}", ours.0, ours.1, wrong.join(", ")))
}

/// The libraries compile with the Rust that we promise. Where there is no rustup nothing can be seen.
pub(crate) fn lowest_rust() -> Result<(), String> {
    let metadata = metadata()?;
    let ours = promised(&metadata)?;
    let toolchain = format!("{}.{}", ours.0, ours.1);
    let list = Command::new("rustup").args(["toolchain", "list"]).output();
    let there = list.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).lines().any(|l| l.starts_with(&toolchain)));
    if !there {
        return Ok(());
    }
    // Not by way of `CARGO`, which is the current one. A target of its own keeps the others warm.
    let mut check = Command::new("cargo");
    check.current_dir(tree::root()).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    check.args([&format!("+{toolchain}"), "check", "--quiet", "--all-features", "--target-dir"]);
    let names = published(&metadata).filter_map(|p| p["name"].as_str());
    said(check.arg(tree::target().join("lowest")).args(names.flat_map(|name| ["--package", name]))).map(|_| ())
}

fn promised(metadata: &Value) -> Result<Version, String> {
    let ours = packages(metadata).find(|p| p["name"] == "mainstay").and_then(lowest);
    ours.ok_or("the package `mainstay` has no rust-version".to_owned())
}

/// Each published package can be packed: all that it names is there.
pub(crate) fn packed() -> Result<(), String> {
    packed::pack(&versions(&metadata()?)?)
}

/// What was packed compiles without the rest of the tree.
pub(crate) fn packed_compile() -> Result<(), String> {
    packed::compile(&versions(&metadata()?)?)
}

/// The name and the version of each published package.
fn versions(metadata: &Value) -> Result<Vec<packed::Packed<'_>>, String> {
    let all = published(metadata).map(|p| Some((p["name"].as_str()?, p["version"].as_str()?)));
    all.collect::<Option<_>>().ok_or("a package without a name or a version".to_owned())
}

fn metadata() -> Result<Value, String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version=1", "--all-features", "--quiet"]);
    serde_json::from_slice(&said(metadata)?).map_err(|e| format!("reading cargo metadata: {e}"))
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// The packages of the workspace that may be published.
fn published(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members: Vec<&Value> = metadata["workspace_members"].as_array().into_iter().flatten().collect();
    packages(metadata).filter(move |p| members.contains(&&p["id"]) && p["publish"] != serde_json::json!([]))
}

fn objection(package: &Value, allowed: &[String]) -> Option<String> {
    let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
    let source = package["source"].as_str();
    if source.is_some_and(|s| !s.starts_with("registry+") && !s.starts_with("sparse+")) {
        return Some(format!("{name} {version} comes from {}", package["source"]));
    }
    match package["license"].as_str() {
        None => Some(format!("{name} {version} names no licence")),
        Some(text) if licence::accepted(text, allowed) => None,
        Some(text) => Some(format!("{name} {version}: the licence `{text}` is not in deny.toml")),
    }
}

fn lowest(package: &Value) -> Option<Version> {
    let mut numbers = package["rust_version"].as_str()?.split('.').map(|n| n.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

/// Runs a command; what it printed, or why it failed.
fn said(mut command: impl std::borrow::BorrowMut<Command>) -> Result<Vec<u8>, String> {
    let command = command.borrow_mut();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| lowest(&json!({"rust_version": text}));
        assert!(version("1.100") > version("1.89"));
        assert!(version("1.89.1") > version("1.89"));
        assert_eq!(lowest(&json!({"rust_version": null})), None);
    }

    #[test]
    fn only_what_may_be_published_is_packed() {
        let metadata = json!({"workspace_members": ["a", "b"], "packages": [
            {"id": "a", "name": "open", "publish": null}, {"id": "b", "name": "closed", "publish": []},
            {"id": "c", "name": "foreign", "publish": null}]});
        assert!(published(&metadata).map(|p| &p["name"]).eq(["open"]));
    }

    #[test]
    fn a_dependency_is_objected_to_for_its_licence_or_source() {
        let allowed = ["MIT".to_owned()];
        let package = |licence, source| json!({"name": "x", "version": "1.0.0", "license": licence, "source": source});
        assert_eq!(objection(&package("MIT", "registry+https://index"), &allowed), None);
        assert!(objection(&package("GPL-3.0", "registry+https://index"), &allowed).is_some());
        assert!(objection(&package("MIT", "git+https://x"), &allowed).is_some());
    }
}
