//! Runs the steps of a group, tells of each as it ends, and shows the last lines of one that fails.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::tree;

use crate::args::Args;
use crate::build::{EVERYTHING, Executable, cargo};
use crate::execute::{Ended, execute};
use crate::groups::{Group, Kind, Modules, Step};
use crate::mutations;
use crate::report::Row;

/// How long one executable or check may take. What builds beside others, with what they leave of the cores, has taken up to twelve minutes.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// How many lines of a failing step are shown.
const SHOWN: usize = 200;

/// How groups are run.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) args: &'a Args,
    pub(crate) built: &'a [Executable],
    /// A child that goes on beside them.
    pub(crate) beside: Option<u32>,
}

impl Run<'_> {
    pub(crate) fn group(&self, group: &Group) -> Row {
        println!("\n{}: {}", group.name, group.about);
        let start = Instant::now();
        let mut row = Row { name: group.name.to_owned(), ..Row::default() };
        let mut tell = |what: &str, outcome: Outcome| {
            outcome.print(what);
            row.passed += outcome.passed;
            row.failed += outcome.failed;
        };
        for step in group.steps.iter().filter(|s| self.args.runs(group.name, s.when)) {
            self.step(group, step, &mut tell);
        }
        row.time = start.elapsed();
        row
    }

    fn step(&self, group: &Group, step: &Step, tell: &mut dyn FnMut(&str, Outcome)) {
        match step.kind {
            Kind::Check(check) => {
                let start = Instant::now();
                let done = check();
                tell(step.what, Outcome::own(start.elapsed(), done));
            }
            Kind::Mutations => mutations::all(&mut |what, time, done| tell(what, Outcome::own(time, done))),
            Kind::Cargo(words, env) => {
                let mut command = cargo();
                command.args(words).envs(env.iter().copied());
                tell(step.what, one_check(self.executed(group, step.what, command)));
            }
            Kind::Docs => {
                let mut command = cargo();
                command.args(["test", "--doc"]).args(EVERYTHING);
                tell(step.what, tests(self.executed(group, step.what, command)));
            }
            Kind::Package(_) | Kind::Target(..) | Kind::Waits(..) | Kind::Part(..) | Kind::Seeds(..) => {
                let meant: Vec<_> = self.built.iter().filter(|e| step.kind.means(e)).collect();
                if meant.is_empty() {
                    tell(step.what, Outcome::own(Duration::ZERO, Err("no such test was built".to_owned())));
                }
                for e in &meant {
                    let one = meant.len() == 1;
                    let what = if one { step.what.to_owned() } else { format!("{}: {}", step.what, e.target) };
                    tell(&what, tests(self.executed(group, &what, of_step(&step.kind, e))));
                }
            }
        }
    }

    fn executed(&self, group: &Group, what: &str, mut command: Command) -> Ended {
        if self.args.long {
            command.env(testbed::seed::LONG, "1");
        }
        if let Some(seeds) = self.args.seeds {
            command.env(testbed::seed::SEEDS, seeds.to_string());
        }
        execute(command, &log(group, what), PATIENCE, self.beside)
    }
}

/// A test executable, run as its step wants it.
fn of_step(kind: &Kind, executable: &Executable) -> Command {
    let mut command = as_under_cargo(executable);
    match *kind {
        Kind::Seeds(_, _, seeds) => drop(command.env(testbed::seed::SEEDS, seeds.to_string())),
        Kind::Waits(_, _, at_once) => drop(command.args(["--test-threads", &at_once.to_string()])),
        Kind::Part(_, _, modules, at_once) => {
            command.args(["--test-threads", &at_once.to_string()]);
            match modules {
                Modules::In(modules) => command.args(modules),
                Modules::NotIn(modules) => command.args(modules.iter().flat_map(|module| ["--skip", module])),
            };
        }
        _ => {}
    }
    command
}

/// What one executable or check did.
struct Outcome {
    passed: u64,
    failed: u64,
    time: Duration,
    /// What to show if it failed.
    said: String,
}

fn log(group: &Group, what: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name = format!("{}-{}.log", group.name, what.chars().map(plain).collect::<String>());
    tree::target().join("suite").join(name)
}

/// What cargo sets for a test: some tests read it at run time, and a macro crate's tests link to the compiler's own
/// libraries.
pub(crate) fn as_under_cargo(executable: &Executable) -> Command {
    let mut command = Command::new(&executable.path);
    command.current_dir(&executable.folder);
    command.env("CARGO_MANIFEST_DIR", &executable.folder).env("CARGO_PKG_NAME", &executable.package);
    if std::env::var_os("CARGO").is_none() {
        command.env("CARGO", "cargo");
    }
    let libraries = Command::new("rustc").args(["--print", "target-libdir"]).current_dir(tree::root()).output();
    if let Ok(output) = libraries {
        command.env("LD_LIBRARY_PATH", String::from_utf8_lossy(&output.stdout).trim());
    }
    command
}

fn one_check(ended: Ended) -> Outcome {
    let good = matches!(&ended.status, Ok(s) if s.success());
    let (passed, failed) = if good { (1, 0) } else { (0, 1) };
    Outcome::of(ended, passed, failed)
}

fn tests(ended: Ended) -> Outcome {
    let (passed, failed) = counted(&ended.text);
    // It may also have died before it could say so.
    let silent = !matches!(&ended.status, Ok(s) if s.success()) && failed == 0;
    Outcome::of(ended, passed, failed + u64::from(silent))
}

/// Sums up the lines `test result: ok. 3 passed; 0 failed; …`.
fn counted(text: &str) -> (u64, u64) {
    let number = |line: &str, what: &str| -> u64 {
        let before = line.split(what).next().unwrap_or("").trim_end();
        before.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let results = text.lines().filter(|l| l.starts_with("test result: "));
    results.fold((0, 0), |(p, f), l| (p + number(l, "passed;"), f + number(l, "failed;")))
}

impl Outcome {
    /// Of a check of our own.
    fn own(time: Duration, done: Result<(), String>) -> Outcome {
        let (passed, failed) = if done.is_ok() { (1, 0) } else { (0, 1) };
        Outcome { passed, failed, time, said: done.err().unwrap_or_default() }
    }

    /// What was left behind is one more failure.
    fn of(ended: Ended, passed: u64, mut failed: u64) -> Outcome {
        let mut said = ended.text;
        match ended.status {
            Ok(status) if !status.success() => said.push_str(&format!("\n{status}")),
            Ok(_) => {}
            Err(e) => said.push_str(&format!("\n{e}")),
        }
        if !ended.left.is_empty() {
            failed += 1;
            said.push_str(&format!("\nleft behind: {}", ended.left.join("; ")));
        }
        Outcome { passed, failed, time: ended.time, said }
    }

    fn print(&self, what: &str) {
        let word = if self.failed == 0 { "ok" } else { "FAILED" };
        let seconds = self.time.as_secs_f64();
        println!("  {word:<6} {what:<44} {:>5} passed {:>3} failed {seconds:>7.1} s", self.passed, self.failed);
        if self.failed > 0 {
            let lines: Vec<&str> = self.said.lines().collect();
            let from = lines.len().saturating_sub(SHOWN);
            lines[from..].iter().for_each(|line| println!("    | {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let text = "running 2 tests\ntest result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured\ntest result: nonsense\n";
        assert_eq!(counted(text), (32, 3));
    }

    #[test]
    fn a_death_without_a_word_is_a_failure() {
        let status = Command::new("false").status().map_err(|e| e.to_string());
        let ended = Ended { status, text: String::new(), time: Duration::ZERO, left: Vec::new() };
        assert_eq!(tests(ended).failed, 1);
    }

    #[test]
    fn what_is_left_behind_is_a_failure() {
        let status = Command::new("true").status().map_err(|e| e.to_string());
        let left = vec!["sleep 600".to_owned()];
        let outcome = one_check(Ended { status, text: String::new(), time: Duration::ZERO, left });
        assert_eq!((outcome.passed, outcome.failed), (1, 1));
        assert!(outcome.said.contains("left behind: sleep 600"));
    }
}
