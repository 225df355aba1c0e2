//! The words of a drill. Pure.

use std::path::PathBuf;
use std::time::Duration;

use super::super::super::args::ArgsError;
use super::super::super::words::Words;
use super::super::door::Servers;
use crate::core::config::Secret;

/// How long a new master is waited for, in milliseconds.
const WITHIN: u64 = 60_000;
/// The time between two writes of the canary, in milliseconds.
const EVERY: u64 = 2;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Plan {
    pub(super) master: String,
    pub(super) by: By,
    /// Somebody said that it may be done.
    pub(super) yes: bool,
    /// Writes are confirmed with so many replicas (`WAIT`), and those must not be lost.
    pub(super) confirm: Option<u64>,
    /// Where the report goes, without the ending of the name.
    pub(super) report: Option<PathBuf>,
    pub(super) servers: Servers,
    pub(super) every: Duration,
    pub(super) within: Duration,
}

/// How the master goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum By {
    /// It hands over, and nothing may be lost.
    Switchover,
    /// This command of the shell takes it away.
    Kill(String),
}

impl Plan {
    /// Reads the words after `drill`.
    pub(in super::super) fn parse(words: &mut Words) -> Result<Plan, ArgsError> {
        let kill = words.value("--kill-with")?;
        let switchover = words.flag("--switchover");
        let by = match (kill, switchover) {
            (Some(_), true) => return Err(ArgsError::TooMuch("--switchover".to_owned())),
            (Some(command), false) => By::Kill(command),
            (None, _) => By::Switchover,
        };
        let ms = |given: Option<u64>, default| Duration::from_millis(given.unwrap_or(default).max(1));
        Ok(Plan {
            by,
            yes: words.flag("--yes"),
            confirm: words.number("--confirm")?,
            report: words.value("--report")?.map(PathBuf::from),
            servers: Servers {
                user: words.value("--redis-user")?,
                pass: words.value("--redis-pass")?.map(Secret),
                pass_file: words.value("--redis-pass-file")?.map(PathBuf::from),
            },
            every: ms(words.number("--every")?, EVERY),
            within: ms(words.number("--within")?, WITHIN),
            master: words.needed("a master's name")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Plan, ArgsError> {
        let mut words = Words::new(line.iter().map(|w| (*w).to_owned()).collect());
        let plan = Plan::parse(&mut words)?;
        words.end().map(|()| plan)
    }

    #[test]
    fn a_switchover_unless_a_command_kills() {
        let plan = parse(&["m"]).unwrap();
        assert_eq!((plan.by, plan.yes, plan.confirm), (By::Switchover, false, None));
        let plan = parse(&["m", "--kill-with", "kill -9 1", "--yes", "--confirm", "1", "--report", "r"]).unwrap();
        assert_eq!((plan.by, plan.yes, plan.confirm), (By::Kill("kill -9 1".into()), true, Some(1)));
        assert_eq!((plan.report, plan.within), (Some("r".into()), Duration::from_secs(60)));
        let both = parse(&["m", "--switchover", "--kill-with", "x"]);
        assert_eq!(both, Err(ArgsError::TooMuch("--switchover".into())));
        assert_eq!(parse(&["--yes"]), Err(ArgsError::Missing("a master's name")));
    }
}
