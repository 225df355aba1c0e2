//! A user's project, as the README tells it: an empty directory outside the workspace, `mainstay` and `tokio` its only
//! dependencies, the README's files, built and run in both editions.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

#[path = "project/readme.rs"]
mod readme;

use std::process::{Command, Stdio};
use std::time::Duration;

use readme::FirstRun;
use testbed::{Process, Scratch, tree};

const SOON: Duration = Duration::from_secs(20);
/// A cold build of everything that mainstay depends on, on a busy machine.
const BUILD: Duration = Duration::from_secs(600);

// One test, not two: both editions share what was built of the dependencies.
#[test]
fn the_readme_runs_in_both_editions() {
    for edition in ["2021", "2024"] {
        runs(edition);
    }
}

fn runs(edition: &str) {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).unwrap();
    let run = readme::first_run(&readme);
    let written = run.files.iter().filter(|(path, _)| path.ends_with(".rs")).flat_map(|(_, text)| text.lines());
    let written = written.filter(|l| !l.trim().is_empty()).count();
    assert!((1..=30).contains(&written), "the README's program has {written} lines: at most 30 are promised");

    let project = Scratch::new(&format!("user-{edition}")).unwrap();
    for (path, text) in &run.files {
        let text = if path == "Cargo.toml" { manifest(text, edition) } else { text.clone() };
        project.write(path, text).unwrap();
    }
    build(&project);
    serve_and_call(&project, &run, &readme);
}

/// The README's manifest, with mainstay from this tree and in this edition.
fn manifest(text: &str, edition: &str) -> String {
    let names = text.split("[dependencies]\n").nth(1).unwrap_or("").lines().filter_map(|l| l.split(" = ").next());
    assert_eq!(names.collect::<Vec<_>>(), ["mainstay", "tokio"], "the README's dependencies");
    let here = format!("mainstay = {{ path = {:?} }}", tree::root().join("rpc"));
    let line = |line: &str| match line.split(" = ").next() {
        Some("mainstay") => here.clone(),
        Some("edition") => format!("edition = \"{edition}\""),
        _ => line.to_owned(),
    };
    text.lines().map(line).chain(["[workspace]".to_owned()]).collect::<Vec<_>>().join("\n")
}

fn target() -> std::path::PathBuf {
    tree::target().join("user")
}

fn build(project: &Scratch) {
    // The workspace's own lock: what a user gets is what is tested, and nothing is resolved twice.
    std::fs::copy(tree::root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new("cargo");
    cargo.current_dir(project.path()).arg("build").env("CARGO_TARGET_DIR", target());
    let mut build = Process::spawn("cargo-build", cargo).unwrap();
    let status = build.wait(BUILD);
    assert!(status.success(), "the user's project does not build\n{}", build.stderr());
    assert!(!build.stderr().contains("\nwarning: unused"), "a warning in the user's project\n{}", build.stderr());
}

/// Starts what serves, runs what calls, and then the README's curl lines.
fn serve_and_call(project: &Scratch, run: &FirstRun, readme: &str) {
    // The embedded registry is there when nothing is said, so nothing is said; only it must be this test's own.
    let run_time = project.join("run");
    std::fs::create_dir(&run_time).unwrap();
    let command = |name: &str| {
        let mut command = Command::new(target().join("debug").join(name));
        command.current_dir(project.path()).env("XDG_RUNTIME_DIR", &run_time);
        command
    };
    let (serving, calling): (Vec<_>, Vec<_>) =
        programs(run).into_iter().partition(|(_, text)| text.contains(".serve("));
    let [(server, _)] = serving[..] else { panic!("not one of the README's programs serves: {serving:?}") };
    let mut server = Process::spawn("server", command(server)).unwrap();
    let mut addr = String::new();
    server.ready(SOON, "an address it listens on", |p| {
        addr = listened(&format!("{}{}", p.stdout(), p.stderr())).unwrap_or_default();
        !addr.is_empty()
    });
    for (name, _) in calling {
        let mut client = Process::spawn(name, command(name)).unwrap();
        let status = client.wait(SOON);
        assert!(status.success(), "{name}: {status}\n{}", client.stderr());
        let said = client.stdout();
        assert!(
            !said.trim().is_empty() && readme.contains(said.trim()),
            "{name} printed what the README has not: {said}"
        );
    }
    assert!(!run.curls.is_empty(), "the README shows no curl line");
    for line in &run.curls {
        let line = readme::aimed(line, &addr);
        let whole = format!("{line} --silent --show-error --fail-with-body --max-time 10");
        let said = Command::new("sh").args(["-c", &whole]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success(), "{line}: {}\n{text}{}", said.status, String::from_utf8_lossy(&said.stderr));
        assert!(readme.contains(text.trim()), "{line}: not what the README shows: {text}");
    }
}

/// The programs among the files: the name of each, and its text.
fn programs(run: &FirstRun) -> Vec<(&str, &str)> {
    fn name(path: &str) -> Option<&str> {
        if path == "src/main.rs" { Some("hello") } else { path.strip_prefix("src/bin/")?.strip_suffix(".rs") }
    }
    run.files.iter().filter_map(|(path, text)| Some((name(path)?, text.as_str()))).collect()
}

/// The first loopback address with a port in what a server printed.
fn listened(text: &str) -> Option<String> {
    let rest = text.split("127.0.0.1:").nth(1)?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty() && port != "0" && rest.len() > port.len()).then(|| format!("127.0.0.1:{port}"))
}
