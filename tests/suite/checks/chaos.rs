//! The report of the scenarios: made of what each of them left in this run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::scenario::{self, Record, report};

/// As many scenarios there are, at least: one that leaves nothing is missed.
const LEAST: usize = 30;

/// What was tested beside our own, and what says its version.
const PEERS: [(&str, &[&str]); 6] = [
    ("Linux", &["uname", "-r"]),
    ("Rust", &["rustc", "--version"]),
    ("Redis", &["redis-server", "--version"]),
    ("nginx", &["nginx", "-v"]),
    ("keepalived", &["keepalived", "--version"]),
    ("ZooKeeper", &["dpkg-query", "--show", "--showformat=${Version}", "zookeeper"]),
];
/// Its version is that of what is installed.
const NACOS: &str = "2.5.0";

/// The records of earlier runs are gone.
pub(crate) fn no_records() -> Result<(), String> {
    match fs::remove_dir_all(scenario::folder()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(format!("{}: {e}", scenario::folder().display())),
        _ => Ok(()),
    }
}

/// Each scenario left a record without problems; the report is made of them.
pub(crate) fn chaos_report() -> Result<(), String> {
    let records = scenario::records(&scenario::folder()).map_err(|e| format!("reading the records: {e}"))?;
    report::write(&folder(), &records, &versions()).map_err(|e| format!("{}: {e}", folder().display()))?;
    println!("         {}", folder().join("index.html").display());
    judged(&records)
}

/// Writes the report to a folder too.
pub(crate) fn copied(to: &Path) -> Result<(), String> {
    let copy = |name: &str| {
        fs::create_dir_all(to)?;
        fs::copy(folder().join(name), to.join(name)).map(drop)
    };
    let copied = ["report.md", "report.json", "index.html"].into_iter().try_for_each(copy);
    copied.map_err(|e| format!("writing the report to {}: {e}", to.display()))
}

fn folder() -> PathBuf {
    scenario::folder().join("report")
}

fn judged(records: &[Record]) -> Result<(), String> {
    let mut wrong: Vec<String> =
        records.iter().flat_map(|r| r.problems().into_iter().map(move |p| format!("{}: {p}", r.name))).collect();
    if records.len() < LEAST {
        wrong.push(format!("{} scenarios left a record, of at least {LEAST}", records.len()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn versions() -> report::Versions {
    let ours = ("mainstay".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let peers = PEERS.iter().map(|(name, command)| ((*name).to_owned(), said(command)));
    [ours].into_iter().chain(peers).chain([("Nacos".to_owned(), NACOS.to_owned())]).collect()
}

/// The first line of what a program says of itself, on whichever output.
fn said(command: &[&str]) -> String {
    let Ok(output) = Command::new(command[0]).args(&command[1..]).output() else { return "not there".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use testbed::scenario::{Check, Fault};

    use super::*;

    fn record(name: String, met: u64) -> Record {
        let fault = Fault { what: "kill".into(), met, unit: "calls".into(), ..Fault::default() };
        Record { name, faults: vec![fault], checks: vec![Check::none("lost", 0)], ..Record::default() }
    }

    #[test]
    fn one_that_is_missing_and_one_with_a_problem_are_told() {
        let mut all: Vec<Record> = (0..LEAST).map(|n| record(format!("n{n}"), 1)).collect();
        assert_eq!(judged(&all), Ok(()));
        all[3] = record("idle".into(), 0);
        assert_eq!(judged(&all), Err("idle: kill: met by no calls: it proves nothing".to_owned()));
        all.remove(3);
        assert!(judged(&all).unwrap_err().contains("29 scenarios"));
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(said(&["no-such-program"]), "not there");
        assert!(said(&["rustc", "--version"]).starts_with("rustc 1."));
    }
}
