//! The program: what its arguments mean, how a sentinel is put together from a file, and what operators ask of one.
//!
//! | file | what it is |
//! |---|---|
//! | `args`, `words` | the command line; pure |
//! | `start` | from a file to a sentinel that is ready to run |
//! | `run` | a sentinel as a process: log, background, signals, exit code |
//! | `operator` | commands for a running sentinel |

mod args;
mod operator;
mod run;
mod start;
mod words;

use std::process::ExitCode;

use args::Command;

/// Runs the program with these arguments (the program's own name not among them).
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match Command::parse(words) {
        Ok(Command::Help) => {
            print!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("mainstay-sentinel {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Run(args)) => run::run(&args),
        Ok(Command::Check(args)) => run::check(&args),
        Ok(Command::Order(order)) => operator::run(*order),
        // A sentinel that cannot start ends as redis-sentinel does.
        Err(mistake) if !mistake.in_order => {
            eprintln!("{}\n\n{}", mistake.error, args::USAGE);
            ExitCode::FAILURE
        }
        Err(mistake) => {
            eprintln!("{}; `mainstay-sentinel --help` lists what there is", mistake.error);
            ExitCode::from(operator::UNREACHED)
        }
    }
}
