//! What builds is done beside what waits.
//!
//! Compilers would have the machine for themselves for a quarter of an hour, and then servers that start, sessions that expire
//! and elections would leave it idle for as long. So the suite starts itself once more for the groups that build, at the lowest
//! priority: whatever else wants a core gets it first. It is a process of its own, since each suite ends what its steps leave
//! behind, and must know whose they are.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use testbed::tree;

use crate::args::Args;
use crate::groups::{Group, Pace};
use crate::report::Report;

/// The groups that are being run beside others.
#[derive(Debug)]
pub(crate) struct Beside {
    suite: Child,
    said: PathBuf,
    rows: PathBuf,
}

/// What is run beside what waits, and everything else in the order in which it runs: what has company first. Without both, or
/// with one group, nothing is run beside another.
pub(crate) fn shared<'a>(chosen: &[&'a Group]) -> (Vec<&'a Group>, Vec<&'a Group>) {
    let of = |pace| chosen.iter().filter(move |g| g.pace == pace).copied();
    if of(Pace::Builds).next().is_none() || of(Pace::Waits).next().is_none() {
        return (Vec::new(), chosen.to_vec());
    }
    (of(Pace::Builds).collect(), of(Pace::Waits).chain(of(Pace::Alone)).collect())
}

impl Beside {
    /// Begins these groups; what they need is there, and all tests are built.
    pub(crate) fn begin(groups: &[&Group], args: &Args) -> Result<Beside, String> {
        let folder = tree::target().join("suite");
        let [said, rows] = ["beside.log", "beside.json"].map(|name| folder.join(name));
        // A table of an earlier run is none of this one.
        let gone =
            |()| fs::remove_file(&rows).or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) });
        let file = fs::create_dir_all(&folder).and_then(gone).and_then(|()| File::create(&said));
        let file = file.map_err(|e| format!("writing to {}: {e}", folder.display()))?;
        let both = file.try_clone().map_err(|e| e.to_string())?;
        // Not by `current_exe`: that was replaced when everything was built, by the same.
        let suite = std::env::args_os().next().ok_or("the suite does not know its own name")?;
        let mut again = Command::new("nice");
        again.args(["-n", "19"]).arg(suite).args(args.of(groups)).arg("--rows").arg(&rows);
        again.stdin(Stdio::null()).stdout(file).stderr(both);
        let suite = again.spawn().map_err(|e| format!("starting {again:?}: {e}"))?;
        Ok(Beside { suite, said, rows })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.suite.id()
    }

    /// Waits for their end, and tells what they did.
    pub(crate) fn ended(mut self, report: &mut Report) {
        let ended = self.suite.wait();
        print!("{}", fs::read_to_string(&self.said).unwrap_or_default());
        if let Err(e) = report.read(&self.rows) {
            let how = ended.map_or_else(|e| e.to_string(), |status| status.to_string());
            report.failed("house", &format!("what ran beside the others ended ({how}) without its table: {e}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::GROUPS;

    fn split(names: &[&str]) -> (Vec<&'static str>, Vec<&'static str>) {
        let chosen: Vec<_> = GROUPS.iter().filter(|g| names.contains(&g.name)).collect();
        let (beside, others) = shared(&chosen);
        let names = |groups: Vec<&Group>| groups.iter().map(|g| g.name).collect();
        (names(beside), names(others))
    }

    #[test]
    fn what_builds_is_beside_what_waits() {
        let (beside, others) = split(&["house", "simulation", "sentinel", "chaos"]);
        assert_eq!((beside, others), (vec!["house"], vec!["sentinel", "simulation", "chaos"]));
    }

    #[test]
    fn one_that_dies_before_its_table_has_failed() {
        let suite = Command::new("false").spawn().unwrap();
        let nowhere = PathBuf::from("/no/such/folder");
        let mut report = Report::default();
        Beside { suite, said: nowhere.join("said"), rows: nowhere.join("rows") }.ended(&mut report);
        let mut expected = Report::default();
        expected.failed(
            "house",
            "what ran beside the others ended (exit status: 1) without its table: No such file or directory (os error 2)",
        );
        assert_eq!(report, expected);
    }

    #[test]
    fn without_both_nothing_is_beside_another() {
        for names in [&["house"][..], &["house", "chaos"], &["sentinel", "chaos"]] {
            let (beside, others) = split(names);
            assert_eq!((beside, others), (vec![], names.to_vec()));
        }
    }
}
