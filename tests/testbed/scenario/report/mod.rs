//! What all scenarios showed, for whoever wants to see it: a table, numbers for programs, and a page with pictures.
//!
//! The page is one file without scripts, and fetches nothing.

mod html;
mod markdown;
mod picture;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::record::Record;

/// What was tested, with its version.
pub type Versions = Vec<(String, String)>;

/// Writes `report.md`, `report.json` and `index.html`.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write(folder: &Path, records: &[Record], versions: &Versions) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("report.md"), markdown::text(records, versions))?;
    fs::write(folder.join("report.json"), json(records, versions).to_string())?;
    fs::write(folder.join("index.html"), html::page(records, versions))
}

fn json(records: &[Record], versions: &Versions) -> Value {
    let versions: serde_json::Map<String, Value> = versions.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    let (calls, failed) = sum(records);
    json!({
        "versions": versions, "calls": calls, "failed": failed, "availability": nines(calls, failed),
        "scenarios": records.iter().map(Record::json).collect::<Vec<_>>(),
    })
}

/// Calls of all, and how many of them failed.
fn sum(records: &[Record]) -> (u64, u64) {
    records.iter().map(Record::calls).fold((0, 0), |(calls, failed), (c, f)| (calls + c, failed + f))
}

/// How many of a hundred calls were answered, and in nines. With no failure there are as many nines as so few calls can
/// tell.
fn nines(calls: u64, failed: u64) -> String {
    if calls == 0 {
        return "–".to_owned();
    }
    let lost = failed as f64 / calls as f64;
    // One of the next ten times as many may fail.
    let told = if failed == 0 { 1.0 / calls as f64 } else { lost };
    let nines = told.recip().log10().max(0.0);
    let sign = if failed == 0 { "> " } else { "" };
    format!("{} % ({sign}{nines:.1} nines)", percent(1.0 - lost))
}

/// With as many places as are not nine, and one more.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A time, as people say it.
fn spoken(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 10.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s => format!("{:.1} ms", s * 1e3),
    }
}

/// `a_name_of_a_test` as words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Check, Fault, Sample, Series};
    use super::*;
    use crate::Scratch;

    pub(super) fn record(name: &str, failed: u64) -> Record {
        let ms = Duration::from_millis;
        let mut record =
            Record { name: name.to_owned(), about: "one is <killed>".to_owned(), seed: 7, ..Record::default() };
        record.lasted = ms(2000);
        record.faults.push(Fault { what: "kill".into(), from: ms(500), to: ms(900), met: 3, unit: "calls".into() });
        let sample = |n: u64| Sample { due: ms(n), took: ms(2), fine: !(600..600 + failed).contains(&n) };
        record.series.push(Series::of("pages", (0..1000).map(sample)));
        record.checks.push(Check::at_most("failed", failed as f64, 1.0, ""));
        record
    }

    #[test]
    fn nines_are_as_many_as_the_calls_can_tell() {
        for (calls, failed, said) in [
            (0, 0, "–"),
            (1000, 0, "100 % (> 3.0 nines)"),
            (1000, 1, "99.9 % (3.0 nines)"),
            (30_000, 7, "99.9767 % (3.6 nines)"),
            (10, 10, "0 % (0.0 nines)"),
        ] {
            assert_eq!(nines(calls, failed), said);
        }
    }

    #[test]
    fn times_as_people_say_them() {
        let said = [0.0041, 0.25, 1.26, 12.3].map(|s| spoken(Duration::from_secs_f64(s)));
        assert_eq!(said, ["4.1 ms", "250 ms", "1.3 s", "12 s"]);
    }

    #[test]
    fn three_files_are_written() {
        let place = Scratch::new("report").unwrap();
        let versions = vec![("redis-server".to_owned(), "7.0.15".to_owned())];
        write(&place.join("new"), &[record("a_kill", 1)], &versions).unwrap();
        let read = |name: &str| fs::read_to_string(place.join("new").join(name)).unwrap();
        let json: Value = serde_json::from_str(&read("report.json")).unwrap();
        assert_eq!((&json["failed"], &json["versions"]["redis-server"]), (&json!(1), &json!("7.0.15")));
        assert!(read("report.md").contains("a kill") && read("index.html").starts_with("<!doctype html>"));
    }
}
