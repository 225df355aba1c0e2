//! A scenario: something is done to a system that is at work, and what becomes of its calls is written down.
//!
//! A test that plays one makes a [`Scenario`], tells it of the calls that were made, of each fault, for how long it was
//! there and how often it was met, and of what must hold. [`Scenario::end`] fails the test where something does not
//! hold, or where a fault met nothing and so proves nothing; before that it leaves a [`Record`] under `target/chaos`, as
//! does one that breaks off. The [`report`] is made of these records.
//!
//! | file | what |
//! |---|---|
//! | `check.rs` | what must hold, and whether it did |
//! | `series.rs` | calls, and what is told of many of them |
//! | `record.rs` | what a scenario leaves, as JSON |
//! | `report/` | records as Markdown, JSON and a page with pictures |

mod check;
mod record;
pub mod report;
mod series;

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use check::Check;
pub use record::{Fault, Record, records};
pub use series::{Sample, Series};

use crate::{Seed, tree};

/// A scenario that is being played.
#[derive(Debug)]
pub struct Scenario {
    record: Record,
    began: Instant,
    seed: Seed,
    over: bool,
}

impl Scenario {
    /// Begins one. `name` is that of the test; `about` says in a sentence what is done to what.
    ///
    /// # Panics
    /// When `MAINSTAY_SEED` is no number.
    pub fn new(name: &str, about: &str) -> Scenario {
        let seed = Seed::new(name);
        let record = Record::new(name, about, seed.start());
        Scenario { record, began: Instant::now(), seed, over: false }
    }

    /// Where its chances come from.
    pub fn seed(&mut self) -> &mut Seed {
        &mut self.seed
    }

    /// How long it has gone on.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long it had gone on then.
    pub fn at(&self, then: Instant) -> Duration {
        then.saturating_duration_since(self.began)
    }

    /// Calls that were made, of one kind; their moments count from `since`.
    pub fn calls(&mut self, what: &str, since: Instant, samples: impl IntoIterator<Item = Sample>) {
        let offset = self.at(since);
        let samples = samples.into_iter().map(|sample| Sample { due: sample.due + offset, ..sample });
        self.record.series.push(Series::of(what, samples));
    }

    /// A fault: how long it was there, and how often it was met, counted in `unit`: calls that hung, packets that were
    /// dropped, servers that ended.
    pub fn fault(&mut self, what: &str, span: Range<Duration>, met: u64, unit: &str) {
        let (what, unit) = (what.to_owned(), unit.to_owned());
        self.record.faults.push(Fault { what, from: span.start, to: span.end, met, unit });
    }

    /// Something that must hold.
    pub fn check(&mut self, check: Check) {
        println!("{}: {check}", self.record.name);
        self.record.checks.push(check);
    }

    /// Ends it.
    ///
    /// # Panics
    /// When a check does not hold, when a fault was not met, and when there was no fault or no check.
    #[track_caller]
    pub fn end(mut self) {
        self.over = true;
        self.record.lasted = self.now();
        let problems = self.record.problems();
        self.leave();
        assert!(problems.is_empty(), "{}\n{:?} repeats it", problems.join("\n"), self.seed);
    }

    fn leave(&self) {
        let folder = folder();
        let path = folder.join(format!("{}.json", self.record.name));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, self.record.json().to_string()));
        // The report misses it then, and says so.
        written.unwrap_or_else(|e| eprintln!("writing {}: {e}", path.display()));
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if !self.over {
            self.record.lasted = self.now();
            self.record.broke_off = true;
            self.leave();
        }
    }
}

/// Where scenarios leave their records.
pub fn folder() -> PathBuf {
    tree::target().join("chaos")
}
