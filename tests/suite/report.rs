//! What is printed: the table of groups, and the closing line.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::groups::Group;
use crate::needs::Need;

/// What a group did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) time: Duration,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    rows: Vec<Row>,
    complaints: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Report {
        Report::default()
    }

    /// A group that ran. One in which nothing was tested has failed: else a lost test would look like a good one.
    pub(crate) fn add(&mut self, mut row: Row) {
        if row.passed + row.failed == 0 {
            row.failed = 1;
            self.complaints.push(format!("{}: no test ran", row.name));
        }
        self.rows.push(row);
    }

    /// A failure outside of any step.
    pub(crate) fn failed(&mut self, name: &str, why: &str) {
        eprintln!("FAILED {name}: {why}");
        self.complaints.push(format!("{name}: {why}"));
        match self.rows.iter_mut().find(|r| r.name == name) {
            Some(row) => row.failed += 1,
            None => self.rows.push(Row { name: name.to_owned(), failed: 1, ..Row::default() }),
        }
    }

    /// Takes over what another suite wrote.
    pub(crate) fn read(&mut self, file: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        let other = Report::from_json(&text).ok_or("not the table of a suite")?;
        self.rows.extend(other.rows);
        self.complaints.extend(other.complaints);
        Ok(())
    }

    /// Prints the table and the closing line, or writes them to a file.
    pub(crate) fn close(&self, file: Option<&Path>) -> ExitCode {
        let written = file.map_or(Ok(()), |file| std::fs::write(file, self.to_json().to_string()));
        match (file, written) {
            (None, _) => print!("{}", self.text()),
            (Some(file), Err(e)) => {
                eprintln!("writing {}: {e}", file.display());
                return ExitCode::FAILURE;
            }
            (Some(_), Ok(())) => {}
        }
        if self.sum(|r| r.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn to_json(&self) -> Value {
        let row =
            |r: &Row| json!({"name": r.name, "seconds": r.time.as_secs_f64(), "passed": r.passed, "failed": r.failed});
        json!({"groups": self.rows.iter().map(row).collect::<Vec<_>>(), "complaints": self.complaints})
    }

    fn from_json(text: &str) -> Option<Report> {
        let value: Value = serde_json::from_str(text).ok()?;
        let row = |r: &Value| {
            Some(Row {
                name: r["name"].as_str()?.to_owned(),
                time: Duration::try_from_secs_f64(r["seconds"].as_f64()?).ok()?,
                passed: r["passed"].as_u64()?,
                failed: r["failed"].as_u64()?,
            })
        };
        let rows = value["groups"].as_array()?.iter().map(row).collect::<Option<_>>()?;
        let complaints = value["complaints"].as_array()?.iter().map(|c| Some(c.as_str()?.to_owned()));
        Some(Report { rows, complaints: complaints.collect::<Option<_>>()? })
    }

    fn text(&self) -> String {
        let mut text = format!("\n{:<12} {:>8} {:>8} {:>8}\n", "group", "seconds", "passed", "failed");
        for r in &self.rows {
            text += &format!("{:<12} {:>8.1} {:>8} {:>8}\n", r.name, r.time.as_secs_f64(), r.passed, r.failed);
        }
        for complaint in &self.complaints {
            text += &format!("{complaint}\n");
        }
        text + &format!("\n{} passed, {} failed\n", self.sum(|r| r.passed), self.sum(|r| r.failed))
    }

    fn sum(&self, of: impl Fn(&Row) -> u64) -> u64 {
        self.rows.iter().map(of).sum()
    }
}

/// The groups and what they need.
pub(crate) fn list(groups: &[Group]) {
    for group in groups {
        println!("{:<10} {}", group.name, group.about);
        let needs: Vec<_> = group.needs.iter().map(need).collect();
        if !needs.is_empty() {
            println!("{:<10} needs {}", "", needs.join(", "));
        }
    }
}

fn need(need: &Need) -> String {
    match need {
        Need::Debian { package, .. } => (*package).to_owned(),
        Need::PythonRedis => "python3-redis".to_owned(),
        Need::PythonGrpc => "python3-venv (grpcio is installed under target/)".to_owned(),
        Need::GoInterop => "go (grpc-go's interop client is installed under target/)".to_owned(),
        Need::H2spec => "with --long: go (h2spec is installed under target/)".to_owned(),
        Need::LowestRust => "with --long: the lowest Rust (by rustup, where there is one)".to_owned(),
        Need::GoRedis => "go (a client with go-redis is built under target/)".to_owned(),
        Need::RustRedis => "a client with redis-rs (built under target/)".to_owned(),
        Need::JavaRedis => "default-jdk-headless (clients with jedis and lettuce are built under target/)".to_owned(),
        Need::DubboGo => "with --long: go (dubbo-go's provider and consumer are built under target/)".to_owned(),
        Need::DubboJava => "maven (Dubbo Java's provider and consumer are built under target/)".to_owned(),
        Need::Nacos => "maven (a Nacos server is installed under target/)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, passed: u64, failed: u64) -> Row {
        Row { name: name.to_owned(), passed, failed, ..Row::default() }
    }

    #[test]
    fn the_last_line_sums_up() {
        let mut report = Report::new();
        report.add(row("house", 3, 0));
        report.add(row("spine", 40, 2));
        assert!(report.text().ends_with("\n43 passed, 2 failed\n"), "{}", report.text());
    }

    #[test]
    fn what_another_suite_wrote_is_taken_over() {
        let mut report = Report::new();
        report.add(Row { time: Duration::from_millis(1_500), ..row("house", 3, 1) });
        report.failed("build", "no");
        assert_eq!(Report::from_json(&report.to_json().to_string()), Some(report));
        assert_eq!(Report::from_json("{\"groups\": [{\"name\": \"house\"}], \"complaints\": []}"), None);
    }

    #[test]
    fn a_group_without_a_test_has_failed() {
        let mut report = Report::new();
        report.add(row("empty", 0, 0));
        assert!(report.text().contains("empty: no test ran"));
        assert!(report.text().ends_with("\n0 passed, 1 failed\n"));
    }

    #[test]
    fn a_failure_outside_a_step_counts_in_its_group() {
        let mut report = Report::new();
        report.add(row("house", 3, 0));
        report.failed("house", "strays");
        report.failed("build", "no");
        assert!(report.text().ends_with("\n3 passed, 2 failed\n"), "{}", report.text());
    }
}
