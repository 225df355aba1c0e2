//! The program: what its arguments mean, and how a sentinel is put together from a file.
//!
//! | file | what it is |
//! |---|---|
//! | `args` | the command line; pure |
//! | `start` | from a file to a sentinel that is ready to run |
//! | `run` | a sentinel as a process: log, background, signals, exit code |

mod args;
mod run;
mod start;

use std::process::ExitCode;

use args::{Args, Command};

/// Runs the program with these arguments (the program's own name not among them).
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match Args::parse(words) {
        Ok(Args { command: Command::Help, .. }) => {
            print!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Args { command: Command::Version, .. }) => {
            println!("mainstay-sentinel {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(args @ Args { command: Command::Run, .. }) => run::run(&args),
        Ok(args @ Args { command: Command::Check, .. }) => run::check(&args),
        Err(e) => {
            eprintln!("{e}\n\n{}", args::USAGE);
            ExitCode::FAILURE
        }
    }
}
