//! Builds every test executable of the workspace in one go, and finds the one that a step means.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::tree;

use crate::groups::{Group, Kind};

/// The features that every build of the suite uses: two sets would build everything twice.
pub(crate) const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// One test executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) path: PathBuf,
    /// The folder of its package: tests run there, as under cargo.
    pub(crate) folder: PathBuf,
}

pub(crate) fn tests() -> Result<Vec<Executable>, String> {
    println!("building all tests");
    let mut cargo = cargo();
    cargo.stderr(Stdio::inherit());
    built(cargo, [])
}

/// Builds test executables with this cargo: all, or those of the targets that are named.
pub(crate) fn built<'a>(
    mut cargo: Command,
    targets: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Executable>, String> {
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(EVERYTHING).args(targets);
    let output = cargo.output().map_err(|e| format!("starting cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("the tests do not build\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| executable(&serde_json::from_str(line).ok()?)).collect())
}

/// The cargo that runs the suite, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tree::root());
    // What cargo tells of the suite's own package is not for what is built: a build script that looks at it would run
    // again, and all that stands on it be built again, whenever `cargo test` and `cargo suite` take turns.
    let of_the_suite = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_the_suite)) {
        cargo.env_remove(name);
    }
    cargo
}

impl Kind {
    pub(crate) fn means(&self, executable: &Executable) -> bool {
        match *self {
            Kind::Package(package) => executable.package == package,
            Kind::Target(package, target)
            | Kind::Waits(package, target, _)
            | Kind::Part(package, target, ..)
            | Kind::Seeds(package, target, _) => executable.package == package && executable.target == target,
            Kind::Docs | Kind::Cargo(..) | Kind::Check(_) | Kind::Mutations => false,
        }
    }

    /// It runs what [`tests`] builds.
    pub(crate) fn is_built_before(&self) -> bool {
        !matches!(self, Kind::Docs | Kind::Cargo(..) | Kind::Check(_) | Kind::Mutations)
    }
}

/// The executables that no step of any group means: a test that is never run is worse than none.
pub(crate) fn strays(built: &[Executable], groups: &[Group]) -> Vec<String> {
    let meant = |e: &&Executable| groups.iter().flat_map(|g| g.steps).any(|s| s.kind.means(e));
    built.iter().filter(|e| !meant(e)).map(|e| format!("{} {}", e.package, e.target)).collect()
}

/// A test executable, from a line of cargo's messages.
fn executable(message: &Value) -> Option<Executable> {
    let tested = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let path = message["executable"].as_str().filter(|_| tested)?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    Some(Executable {
        package: package(message["package_id"].as_str()?).to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        path: path.into(),
        folder,
    })
}

/// The name in a package id: `path+file:///x/rpc#mainstay@0.1.0`, or `path+file:///x/name#0.1.0` where both agree.
fn package(id: &str) -> &str {
    let (place, rest) = id.rsplit_once('#').unwrap_or(("", id));
    match rest.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::GROUPS;

    #[test]
    fn package_ids_of_both_forms_are_read() {
        assert_eq!(package("path+file:///w/rpc#mainstay@0.1.0"), "mainstay");
        assert_eq!(package("path+file:///w/mainstay-codegen#0.1.0"), "mainstay-codegen");
    }

    #[test]
    fn only_tests_are_executables_to_run() {
        let line = |test: bool| {
            serde_json::json!({"reason": "compiler-artifact", "profile": {"test": test}, "executable": "/t/x-1",
                "manifest_path": "/w/rpc/Cargo.toml", "package_id": "path+file:///w/rpc#mainstay@0.1.0",
                "target": {"name": "calls"}})
        };
        let found = executable(&line(true)).unwrap();
        assert_eq!((found.package.as_str(), found.target.as_str()), ("mainstay", "calls"));
        assert_eq!(found.folder, Path::new("/w/rpc"));
        assert_eq!(executable(&line(false)), None);
    }

    #[test]
    fn a_test_of_no_group_is_a_stray() {
        let test = |package: &str, target: &str| Executable {
            package: package.to_owned(),
            target: target.to_owned(),
            path: PathBuf::new(),
            folder: PathBuf::new(),
        };
        assert!(Kind::Package("mainstay").is_built_before() && !Kind::Mutations.is_built_before());
        let built = [test("mainstay", "any"), test("mainstay-tests", "house"), test("mainstay-tests", "forgotten")];
        assert_eq!(strays(&built, GROUPS), ["mainstay-tests forgotten"]);
    }
}
