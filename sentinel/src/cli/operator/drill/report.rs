//! The report of a drill: shown, and written beside each other as text and as JSON.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::super::time::utc;
use super::super::change::Ended;
use super::measure::Measured;
use super::plan::{By, Plan};
use super::preflight::{Check, Found};

/// What took the master away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Fault {
    Switchover,
    /// A command, and its exit code.
    Kill {
        command: String,
        status: Option<i32>,
    },
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Drill {
    pub(super) master: String,
    /// When, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) fault: Fault,
    pub(super) preflight: Vec<Check>,
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) config_epoch: Option<u64>,
    /// `None`: the master was not touched, or the fault did not happen.
    pub(super) result: Option<Ended>,
    /// From the fault until all sentinels saw the new master, in milliseconds.
    pub(super) ms: Option<u64>,
    pub(super) why: Option<String>,
    pub(super) measured: Option<Measured>,
    /// Where the report was written, without the ending of the name.
    pub(super) report: Option<PathBuf>,
    /// `--yes` was not given.
    pub(super) only_looked: bool,
}

impl Drill {
    pub(super) fn new(plan: &Plan, from: String, at: u64) -> Drill {
        let fault = match &plan.by {
            By::Switchover => Fault::Switchover,
            By::Kill(command) => Fault::Kill { command: command.clone(), status: None },
        };
        Drill {
            master: plan.master.clone(),
            at,
            fault,
            preflight: Vec::new(),
            from,
            to: None,
            config_epoch: None,
            result: None,
            ms: None,
            why: None,
            measured: None,
            report: None,
            only_looked: !plan.yes,
        }
    }

    /// Nothing that a failover needs was found missing.
    pub(super) fn ready(&self) -> bool {
        self.preflight.iter().all(|check| check.found != Found::Bad)
    }

    /// Another master serves, and nothing is lost that must not be.
    pub(super) fn passed(&self) -> bool {
        let kept = self.measured.as_ref().is_some_and(|m| {
            let all = self.fault != Fault::Switchover || m.lost == Some(0);
            all && m.lost_confirmed == Some(0)
        });
        self.result == Some(Ended::Done) && self.why.is_none() && kept
    }

    /// Writes both files.
    pub(super) fn save(&mut self, plan: &Plan) -> io::Result<()> {
        let day = utc(self.at).replace(':', "");
        let base = plan.report.clone().unwrap_or_else(|| Path::new(&format!("drill-{}-{day}", self.master)).to_owned());
        self.report = Some(base.clone());
        let with = |ending: &str| PathBuf::from(format!("{}.{ending}", base.display()));
        std::fs::write(with("json"), serde_json::to_string(self).unwrap_or_default() + "\n")?;
        std::fs::write(with("txt"), self.to_string())
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match &self.fault {
            Fault::Switchover => "a switchover".to_owned(),
            Fault::Kill { command, .. } => format!("a kill by `{command}`"),
        };
        writeln!(f, "drill of {} at {}: {how}", self.master, utc(self.at))?;
        for Check { code, found, text } in &self.preflight {
            let sign = match found {
                Found::Good => "+",
                Found::Note => "·",
                Found::Bad => "!",
            };
            writeln!(f, "  {sign} {code}: {text}")?;
        }
        match (self.ready(), self.only_looked) {
            (false, _) => return writeln!(f, "not begun: what is marked with ! has to be put right first"),
            (true, true) => return writeln!(f, "not begun: all is ready; `--yes` begins it"),
            (true, false) => {}
        }
        if let (Some(result), Some(ms)) = (self.result, self.ms) {
            let to = self.to.as_deref().unwrap_or("nobody");
            writeln!(f, "{}: {} -> {to}, seen by all sentinels after {ms} ms", result.name(), self.from)?;
        }
        if let Some(m) = &self.measured {
            let gap = m.gap_ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms:.1} ms"));
            writeln!(f, "gap for writes: {gap} (longest {:.1} ms)", m.longest_ms)?;
            let lost = |lost: Option<usize>| lost.map_or_else(|| "not known".to_owned(), |n| n.to_string());
            writeln!(f, "lost: {} of {} acknowledged writes", lost(m.lost), m.acknowledged)?;
            if m.confirmed > 0 {
                writeln!(f, "lost: {} of {} confirmed writes", lost(m.lost_confirmed), m.confirmed)?;
            }
        }
        if let Some(why) = &self.why {
            writeln!(f, "! {why}")?;
        }
        writeln!(f, "{}", if self.passed() { "passed" } else { "not passed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(line: &str) -> Drill {
        let words = line.split_whitespace().map(str::to_owned).collect();
        let plan = Plan::parse(&mut super::super::super::super::words::Words::new(words)).unwrap();
        let mut drill = Drill::new(&plan, "a:1".into(), 0);
        drill.preflight = vec![Check { code: "quorum", found: Found::Good, text: "ok".into() }];
        drill
    }

    fn done(drill: &mut Drill, lost: usize, lost_confirmed: usize) {
        (drill.result, drill.to, drill.ms) = (Some(Ended::Done), Some("b:2".into()), Some(62));
        drill.measured = Some(Measured {
            acknowledged: 400,
            gap_ms: Some(12.34),
            longest_ms: 12.34,
            lost: Some(lost),
            confirmed: 10,
            lost_confirmed: Some(lost_confirmed),
        });
    }

    #[test]
    fn a_switchover_must_lose_nothing_and_a_kill_nothing_confirmed() {
        let table = [
            ("m --yes", 0, 0, true),
            ("m --yes", 1, 0, false),
            ("m --yes --kill-with x", 1, 0, true),
            ("m --yes --kill-with x", 1, 1, false),
        ];
        for (line, lost, confirmed, passed) in table {
            let mut drill = drill(line);
            done(&mut drill, lost, confirmed);
            assert_eq!(drill.passed(), passed, "{line} {lost}");
        }
    }

    #[test]
    fn a_report_for_people() {
        let mut drill = drill("m --yes");
        done(&mut drill, 0, 0);
        let expected = "drill of m at 1970-01-01T00:00:00.000Z: a switchover\n  + quorum: ok\n\
            done: a:1 -> b:2, seen by all sentinels after 62 ms\ngap for writes: 12.3 ms (longest 12.3 ms)\n\
            lost: 0 of 400 acknowledged writes\nlost: 0 of 10 confirmed writes\npassed\n";
        assert_eq!(drill.to_string(), expected);
        drill.preflight[0].found = Found::Bad;
        assert!(drill.to_string().ends_with("has to be put right first\n"));
        assert!(super::tests::drill("m").to_string().ends_with("`--yes` begins it\n"));
    }
}
