//! Who may import whom: the arrows between the packages go one way, in the manifests and in `use` lines.

use crate::tree::Tree;

/// A package: its folder, its name, and which of our libraries it may use. The folder of a package inside another's
/// comes first.
const PACKAGES: &[(&str, &str, &[&str])] = &[
    ("codegen/", "mainstay-codegen", &[]),
    ("registry/", "mainstay-registry", &[]),
    ("rpc/cli/", "mainstay-cli", &["mainstay", "mainstay-registry"]),
    ("rpc/", "mainstay", &["mainstay-registry", "mainstay-codegen"]),
    ("sentinel/core/", "mainstay-sentinel-core", &[]),
    // rpc only where it publishes health.
    ("sentinel/", "mainstay-sentinel", &["mainstay-sentinel-core", "mainstay-registry", "mainstay"]),
    ("gateway/", "mainstay-gateway", &["mainstay", "mainstay-registry"]),
    // Leaves: they may use everything, and nobody them.
    ("examples/", "mainstay-examples", &LIBRARIES),
    ("tests/", "mainstay-tests", &LIBRARIES),
];

const LIBRARIES: [&str; 6] =
    ["mainstay", "mainstay-registry", "mainstay-codegen", "mainstay-sentinel", "mainstay-gateway", "mainstay-examples"];

/// The name and the allowed libraries of the package that a file belongs to.
fn package(path: &str) -> Option<(&'static str, &'static [&'static str])> {
    PACKAGES.iter().find(|(folder, ..)| path.starts_with(folder)).map(|&(_, name, allowed)| (name, allowed))
}

fn manifests(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tree.files.iter().filter(|f| f.path.ends_with("/Cargo.toml")) {
        let Some((own, allowed)) = package(&file.path) else { continue };
        for name in dependencies(&file.text).filter(|n| *n != own && !allowed.contains(n)) {
            wrong.push(format!("{}: {own} may not depend on {name}", file.path));
        }
    }
    wrong
}

/// Our packages among the dependencies of a manifest. Those for tests are free: a macro is tested with what it expands to.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut counts = false;
    manifest.lines().filter_map(move |line| {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end().trim_end_matches(']');
            counts = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            return None;
        }
        let name = line.split(['=', '.', ' ']).next()?;
        (counts && (name == "mainstay" || name.starts_with("mainstay-"))).then_some(name)
    })
}

fn uses(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tree.rust() {
        let Some((own, allowed)) = package(&file.path) else { continue };
        for (n, line) in file.code_lines() {
            let Some(name) = used(line) else { continue };
            if name != own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}:{n}: {own} may not use {name}", file.path));
            }
        }
    }
    wrong
}

/// The package of ours that a `use` line names. One with a leading `::` is in the output of a macro.
fn used(line: &str) -> Option<String> {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let path = line.strip_prefix("use ")?;
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let name = name.replace('_', "-");
    (name == "mainstay" || name.starts_with("mainstay-")).then_some(name)
}

#[test]
fn manifests_follow_the_arrows() {
    assert_eq!(manifests(&Tree::ours()), [""; 0]);
    let sample = Tree::of(&[
        ("registry/Cargo.toml", "[dependencies]\nmainstay.workspace = true\nserde = \"1\"\n"),
        ("codegen/Cargo.toml", "[dependencies]\nsyn = \"2\"\n[dev-dependencies]\nmainstay = { path = \"../rpc\" }\n"),
        ("rpc/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nmainstay-gateway = \"1\"\nmainstay-registry = \"1\"\n"),
        ("sentinel/Cargo.toml", "[build-dependencies]\nmainstay-tests = { path = \"../tests\" }\n"),
    ]);
    assert_eq!(
        manifests(&sample),
        [
            "registry/Cargo.toml: mainstay-registry may not depend on mainstay",
            "rpc/Cargo.toml: mainstay may not depend on mainstay-gateway",
            "sentinel/Cargo.toml: mainstay-sentinel may not depend on mainstay-tests",
        ]
    );
}

#[test]
fn use_lines_follow_the_arrows() {
    assert_eq!(uses(&Tree::ours()), [""; 0]);
    let sample = Tree::of(&[
        ("registry/src/a.rs", "//! A.\nuse mainstay::call::Cx;\n"),
        ("codegen/src/a.rs", "//! A.\n    use ::mainstay::__private as m;\nuse mainstay_codegen::x;\n"),
        ("gateway/src/a.rs", "//! A.\npub use mainstay_sentinel::Epoch;\nuse mainstay::Status;\n"),
        ("registry/src/b.rs", "//! B.\n#[cfg(test)]\nmod tests {\n    use mainstay::Status;\n}\n"),
    ]);
    assert_eq!(
        uses(&sample),
        [
            "registry/src/a.rs:2: mainstay-registry may not use mainstay",
            "gateway/src/a.rs:2: mainstay-gateway may not use mainstay-sentinel",
        ]
    );
}
