//! The program: what its arguments mean, how a sentinel is put together from a file, and what operators ask of one.
//!
//! | file | what it is |
//! |---|---|
//! | `args`, `words` | the command line; pure |
//! | `start` | from a file to a sentinel that is ready to run |
//! | `kept` | what is changed at run time beside a file that is left alone |
//! | `run` | a sentinel as a process: background, signals, exit code |
//! | `log`, `notify` | its log; what systemd is told |
//! | `files` | reading what a command line names |
//! | `check` | what is wrong with a file, and what could be better |
//! | `history`, `time` | what happened, from the disk |
//! | `operator` | commands for a running sentinel |

mod args;
mod check;
mod files;
mod history;
mod kept;
mod log;
mod notify;
mod operator;
mod run;
mod start;
mod time;
mod words;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use args::Command;

/// The exit code when the answer is no, or something failed.
const NO: u8 = 1;
/// The exit code when a command cannot be understood, or what it needs not be reached.
const UNREACHED: u8 = 2;

/// Runs the program with these arguments (the program's own name not among them).
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match Command::parse(words, |path| path.exists()) {
        Ok(Command::Help) => {
            print!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("mainstay-sentinel {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Run(args)) => run::run(&args),
        Ok(Command::Check(args)) => check::run(&args),
        Ok(Command::History(wanted)) => history::run(&wanted),
        Ok(Command::Order(order)) => operator::run(*order),
        // A sentinel that cannot start ends as redis-sentinel does.
        Err(mistake) if !mistake.in_order => {
            eprintln!("{}\n\n{}", mistake.error, args::USAGE);
            ExitCode::FAILURE
        }
        Err(mistake) => {
            eprintln!("{}; `mainstay-sentinel --help` lists what there is", mistake.error);
            ExitCode::from(UNREACHED)
        }
    }
}

/// Shows a report on standard output: for people, or as one line of JSON.
fn show(json: bool, report: &(impl serde::Serialize + Display)) {
    let text = if json { serde_json::to_string(report).unwrap_or_default() } else { report.to_string() };
    // Whoever reads may have gone.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}
