//! The table of scenarios.

use std::fmt::Write as _;

use super::{Versions, nines, spoken, sum, words};
use crate::scenario::Record;

/// All of it.
pub(super) fn text(records: &[Record], versions: &Versions) -> String {
    let (calls, failed) = sum(records);
    let bad = records.iter().filter(|record| !record.problems().is_empty()).count();
    let mut text = format!(
        "# What was done, and what became of it\n\n{} scenarios, {bad} with problems; {calls} calls, {failed} failed: {}.\n\n",
        records.len(),
        nines(calls, failed)
    );
    text += "| scenario | fault, met | calls | failed | answered | last failure after the fault began | p99 | checks | seed |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for record in records {
        row(&mut text, record);
    }
    let problems = records.iter().flat_map(|r| r.problems().into_iter().map(|p| (&r.name, p)));
    for (name, problem) in problems {
        let _ = write!(text, "\n**{}**: {}\n", words(name), escaped(&problem));
    }
    text += "\n| | |\n|---|---|\n";
    for (what, version) in versions {
        let _ = writeln!(text, "| {} | {} |", escaped(what), escaped(version));
    }
    text
}

fn row(text: &mut String, record: &Record) {
    let (calls, failed) = record.calls();
    let faults: Vec<String> = record.faults.iter().map(|f| format!("{}: {} {}", f.what, f.met, f.unit)).collect();
    let checks: Vec<String> = record.checks.iter().map(ToString::to_string).collect();
    let cells = [
        words(&record.name),
        faults.join("; "),
        calls.to_string(),
        failed.to_string(),
        nines(calls, failed),
        record.recovered().map_or("–".to_owned(), spoken),
        record.p99().map_or("–".to_owned(), spoken),
        checks.join("; "),
        record.seed.to_string(),
    ];
    let _ = writeln!(text, "| {} |", cells.map(|cell| escaped(&cell)).join(" | "));
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn a_scenario_is_a_row_and_its_problems_are_told() {
        let text = text(&[record("a_kill", 1), record("two|kills", 2)], &vec![("redis".into(), "7".into())]);
        assert!(text.contains("2 scenarios, 1 with problems; 2000 calls, 3 failed: 99.85 % (2.8 nines)."), "{text}");
        assert!(text.contains("| a kill | kill: 3 calls | 1000 | 1 | 99.9 % (3.0 nines) | 102 ms |"), "{text}");
        assert!(text.contains("| two\\|kills |") && text.contains("**two|kills**: failed: 2 (at most 1)"), "{text}");
        assert!(text.ends_with("| redis | 7 |\n"), "{text}");
    }
}
