//! Whether what would be published compiles without the rest of the tree.
//!
//! Cargo's own way builds each package alone: each chooses other features of what they share, which is built again for it. Here all
//! are unpacked into one workspace, where each stands for its version of the registry, and what they share is checked once.

use std::fs;
use std::path::Path;
use std::process::Command;

use testbed::tree;

use super::said;
use crate::build::cargo;

/// A package: its name and its version.
pub(super) type Packed<'a> = (&'a str, &'a str);

/// Packs these.
pub(super) fn pack(packages: &[Packed]) -> Result<(), String> {
    let mut pack = cargo();
    // An uncommitted change does not matter here.
    pack.args(["package", "--quiet", "--allow-dirty", "--no-verify"]);
    said(pack.args(packages.iter().flat_map(|(name, _)| ["--package", name]))).map(|_| ())
}

/// Packs these, and checks what was packed.
pub(super) fn compile(packages: &[Packed]) -> Result<(), String> {
    pack(packages)?;
    let place = tree::target().join("packed");
    unpacked(packages, &place).map_err(|e| format!("{}: {e}", place.display()))?;
    let mut check = cargo();
    check.current_dir(&place).args(["check", "--quiet", "--workspace", "--all-features", "--target-dir"]);
    said(check.arg(tree::target())).map(|_| ())
}

fn unpacked(packages: &[Packed], place: &Path) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    if place.exists() {
        fs::remove_dir_all(place).map_err(text)?;
    }
    fs::create_dir_all(place).map_err(text)?;
    for (name, version) in packages {
        let file = tree::target().join("package").join(format!("{name}-{version}.crate"));
        let mut unpack = Command::new("tar");
        said(unpack.arg("-xzf").arg(file).arg("-C").arg(place))?;
    }
    fs::copy(tree::root().join("Cargo.lock"), place.join("Cargo.lock")).map_err(text)?;
    fs::write(place.join("Cargo.toml"), manifest(packages)).map_err(text)
}

/// The workspace of what was packed.
fn manifest(packages: &[Packed]) -> String {
    let members: String = packages.iter().map(|(name, version)| format!("\"{name}-{version}\", ")).collect();
    let stands = |(name, version): &Packed| format!("{name} = {{ path = \"{name}-{version}\" }}\n");
    let patches: String = packages.iter().map(stands).collect();
    format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_for_its_version_of_the_registry() {
        let text = manifest(&[("a", "0.1.0"), ("b", "2.0.0")]);
        assert!(text.contains("members = [\"a-0.1.0\", \"b-2.0.0\", ]"), "{text}");
        assert!(
            text.ends_with("[patch.crates-io]\na = { path = \"a-0.1.0\" }\nb = { path = \"b-2.0.0\" }\n"),
            "{text}"
        );
    }
}
