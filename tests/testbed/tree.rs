//! Where things are: the tree under test, and what was built or installed beside it.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, else `target` in the root.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Where the suite installs foreign peers: clients of other languages, and what they need.
pub fn peers() -> PathBuf {
    target().join("peers")
}

/// A foreign peer that `cargo suite` installs.
///
/// # Panics
/// When it is not there, with what to run.
pub fn peer(path: &str) -> PathBuf {
    let at = peers().join(path);
    assert!(at.exists(), "{} is not there: `cargo suite` installs it", at.display());
    at
}

/// A program of this workspace that was built together with the running test: bins are beside its `deps`, examples
/// in `examples`.
///
/// # Panics
/// When it is not there, with what to run.
pub fn built(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let profile = exe.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let places = [profile.join(name), profile.join("examples").join(name)];
    match places.iter().find(|p| p.exists()) {
        Some(at) => at.clone(),
        None => {
            panic!("{name} is not in {}: `cargo test --workspace --all-features --no-run` builds it", profile.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    #[should_panic(expected = "`cargo suite` installs it")]
    fn a_missing_peer_says_what_to_run() {
        peer("no-such-peer");
    }
}
