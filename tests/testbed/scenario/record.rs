//! What a scenario leaves: a file of JSON that the report is made of.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::check::Check;
use super::series::{Series, micros};

/// A fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// What was done to what.
    pub what: String,
    /// When it began.
    pub from: Duration,
    /// When it was over.
    pub to: Duration,
    /// How often it was met.
    pub met: u64,
    /// What that is counted in.
    pub unit: String,
}

/// What a scenario leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The name of the test.
    pub name: String,
    /// What is done to what.
    pub about: String,
    /// What repeats it.
    pub seed: u64,
    /// How long it took, with all that it needed to begin.
    pub lasted: Duration,
    /// Whether it did not come to its end.
    pub broke_off: bool,
    /// What was done.
    pub faults: Vec<Fault>,
    /// What became of calls.
    pub series: Vec<Series>,
    /// What must hold.
    pub checks: Vec<Check>,
}

impl Record {
    pub(super) fn new(name: &str, about: &str, seed: u64) -> Record {
        Record { name: name.to_owned(), about: about.to_owned(), seed, ..Record::default() }
    }

    /// What is wrong with it; nothing if it is as it must be.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.broke_off {
            found.push("it broke off".to_owned());
        }
        if self.faults.is_empty() || self.checks.is_empty() {
            found.push("nothing was done, or nothing looked at: it proves nothing".to_owned());
        }
        let unmet = self.faults.iter().filter(|fault| fault.met == 0);
        found.extend(unmet.map(|fault| format!("{}: met by no {}: it proves nothing", fault.what, fault.unit)));
        found.extend(self.checks.iter().filter(|check| !check.holds()).map(Check::to_string));
        found
    }

    /// How many calls there were, and how many of them failed.
    pub fn calls(&self) -> (u64, u64) {
        self.series.iter().fold((0, 0), |(calls, failed), s| (calls + s.calls(), failed + s.failed()))
    }

    /// The time that 99 of a hundred calls of the slowest kind did not exceed.
    pub fn p99(&self) -> Option<Duration> {
        self.series.iter().filter(|series| series.calls() > 0).map(|series| series.p99).max()
    }

    /// How long after the first fault began the last call that failed had ended; none if none failed.
    pub fn recovered(&self) -> Option<Duration> {
        let began = self.faults.iter().map(|fault| fault.from).min()?;
        let last = self.series.iter().filter_map(|series| series.last_failed).max()?;
        Some(last.saturating_sub(began))
    }

    /// As it is written.
    pub fn json(&self) -> Value {
        let fault = |f: &Fault| json!({"what": f.what, "from_us": micros(f.from), "to_us": micros(f.to), "met": f.met, "unit": f.unit});
        // JSON has no infinity: what is not there is not bounded.
        let check = |c: &Check| {
            let most = c.most.is_finite().then_some(c.most);
            json!({"what": c.what, "seen": c.seen, "least": c.least, "most": most, "unit": c.unit, "holds": c.holds()})
        };
        json!({
            "name": self.name, "about": self.about, "seed": self.seed.to_string(), "lasted_us": micros(self.lasted),
            "broke_off": self.broke_off, "problems": self.problems(),
            "recovered_us": self.recovered().map(micros),
            "faults": self.faults.iter().map(fault).collect::<Vec<_>>(),
            "series": self.series.iter().map(Series::json).collect::<Vec<_>>(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
        })
    }

    /// From how it was written.
    pub fn parse(value: &Value) -> Option<Record> {
        let time = |value: &Value| value.as_u64().map(Duration::from_micros);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let fault = |f: &Value| {
            let (from, to) = (time(&f["from_us"])?, time(&f["to_us"])?);
            Some(Fault { what: text(&f["what"])?, from, to, met: f["met"].as_u64()?, unit: text(&f["unit"])? })
        };
        let check = |c: &Value| {
            Some(Check {
                what: text(&c["what"])?,
                // What was not a number could not be written as one.
                seen: c["seen"].as_f64().unwrap_or(f64::NAN),
                least: c["least"].as_f64()?,
                most: c["most"].as_f64().unwrap_or(f64::INFINITY),
                unit: text(&c["unit"])?,
            })
        };
        let all = |name: &str| value[name].as_array();
        Some(Record {
            name: text(&value["name"])?,
            about: text(&value["about"])?,
            seed: value["seed"].as_str()?.parse().ok()?,
            lasted: time(&value["lasted_us"])?,
            broke_off: value["broke_off"].as_bool()?,
            faults: all("faults")?.iter().map(fault).collect::<Option<_>>()?,
            series: all("series")?.iter().map(Series::parse).collect::<Option<_>>()?,
            checks: all("checks")?.iter().map(check).collect::<Option<_>>()?,
        })
    }
}

/// The records in a folder, by name.
///
/// # Errors
/// When the folder or a file cannot be read, or a file is none of them.
pub fn records(folder: &Path) -> io::Result<Vec<Record>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let value = serde_json::from_slice(&fs::read(&path)?)?;
            let record = Record::parse(&value);
            found.push(record.ok_or_else(|| io::Error::other(format!("{}: no record", path.display())))?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;
    use crate::Scratch;

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn record() -> Record {
        let mut record = Record::new("a_kill_is_not_noticed", "one is killed", u64::MAX);
        record.faults.push(Fault { what: "kill".into(), from: ms(200), to: ms(300), met: 2, unit: "calls".into() });
        let sample = |due, fine| Sample { due: ms(due), took: ms(5), fine };
        record.series.push(Series::of("pages", [sample(10, true), sample(250, false), sample(400, true)]));
        record.checks.push(Check::at_least("calls", 3.0, 3.0, ""));
        record
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let (place, record) = (Scratch::new("records").unwrap(), record());
        place.write("one.json", record.json().to_string()).unwrap();
        place.write("report.md", "# no record").unwrap();
        assert_eq!(records(place.path()).unwrap(), [record]);
        place.write("two.json", "{}").unwrap();
        assert!(records(place.path()).unwrap_err().to_string().contains("two.json: no record"));
    }

    #[test]
    fn what_was_not_met_or_does_not_hold_is_a_problem() {
        assert_eq!(record().problems(), [""; 0]);
        let mut unmet = record();
        unmet.faults[0].met = 0;
        unmet.checks.push(Check::none("lost", 1));
        assert_eq!(unmet.problems(), ["kill: met by no calls: it proves nothing", "lost: 1 (exactly 0)"]);
        let nothing = Record { faults: Vec::new(), broke_off: true, ..record() };
        assert_eq!(nothing.problems().len(), 2);
    }

    #[test]
    fn it_recovers_with_the_end_of_the_last_failure() {
        assert_eq!((record().calls(), record().recovered()), ((3, 1), Some(ms(55))));
        assert_eq!(Record { series: Vec::new(), ..record() }.recovered(), None);
    }
}
