//! The command line of `cargo bench-sentinel`.

use std::path::PathBuf;
use std::time::Duration;

use testbed::words::{Only, Words};

const USAGE: &str = "\
cargo bench-sentinel [--runs N] [--scenario PART]… [--seconds S] [--quick] [--program PATH] [--json]

  --runs N         runs of each row (kill 10, switchover 20, stop, partition and many 3)
  --scenario PART  only rows whose label holds PART, such as `kill-200`, `stop` or `partition-1000-gate`
  --seconds S      how long a master is stopped or cut off, and CPU is measured (20)
  --quick          one run, 8 seconds
  --slow MS        of a run whose first write or agreement takes longer, what the sentinels and servers wrote is shown
  --program PATH   a mainstay-sentinel that was built already
  --json           one line of JSON at the end";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) runs: Option<usize>,
    pub(crate) away: Duration,
    pub(crate) json: bool,
    pub(crate) program: Option<PathBuf>,
    /// In milliseconds.
    pub(crate) slow: Option<f64>,
    only: Only,
}

impl Args {
    pub(crate) fn wants(&self, label: &str) -> bool {
        self.only.wants(label)
    }
}

/// # Errors
/// The usage, when it was asked for or nothing else is understood.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args {
        runs: None,
        away: Duration::from_secs(20),
        json: false,
        program: None,
        slow: None,
        only: Only::default(),
    };
    let mut words = Words::new(args, USAGE);
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--json" => parsed.json = true,
            "--quick" => (parsed.runs, parsed.away) = (Some(1), Duration::from_secs(8)),
            "--program" => parsed.program = Some(words.value()?.into()),
            "--slow" => parsed.slow = Some(words.number()?),
            "--scenario" => parsed.only.add(words.value()?),
            "--runs" => parsed.runs = Some(words.number()?),
            "--seconds" => parsed.away = Duration::from_secs(words.number()?),
            _ => return Err(words.unknown()),
        }
    }
    if parsed.runs == Some(0) || !(1..=600).contains(&parsed.away.as_secs()) {
        return Err(format!("--runs is 1 or more, --seconds from 1 to 600\n\n{USAGE}"));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_one_leading_dash_pair() {
        let args = parsed("-- --runs 7 --seconds 5 --scenario kill --scenario gate --json").unwrap();
        assert_eq!((args.runs, args.away.as_secs(), args.json), (Some(7), 5, true));
        assert!(args.wants("mainstay-kill-200-none") && args.wants("mainstay-stop-1000-gate"));
        assert!(!args.wants("mainstay-stop-1000-none"));
        assert!(parsed("").unwrap().wants("anything"));
        assert_eq!(parsed("--quick").unwrap().runs, Some(1));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--run 7", "--runs", "--runs 0", "--runs x", "--seconds 0"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
