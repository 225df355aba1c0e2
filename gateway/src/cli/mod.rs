//! The program: what its arguments mean, and a gateway as a process.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the command line; pure |
//! | `run.rs` | a gateway as a process: signals, the file, exit code |

mod args;
mod run;

use crate::{
    builder::Builder,
    config::{Config, schema},
};
use args::{Command, USAGE};
use std::{path::Path, process::ExitCode};

/// The exit code when a file is refused, or something failed.
const NO: u8 = 1;
/// The exit code when a command cannot be understood, or a file not be read.
const UNREACHED: u8 = 2;
/// The exit code when a drain cut requests: EX_TEMPFAIL.
const CUT: u8 = 75;

/// Runs the program with these arguments (the program's own name not among them).
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    run(Builder::default(), words)
}

/// The same with filters of one's own.
pub(crate) fn run(builder: Builder, words: impl Iterator<Item = String>) -> ExitCode {
    match Command::parse(words) {
        Ok(Command::Help) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("mainstay-gateway {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Schema) => {
            println!("{:#}", schema());
            ExitCode::SUCCESS
        }
        Ok(Command::Check { file }) => check(&file),
        Ok(Command::Run(order)) => run::run(builder, &order),
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            ExitCode::from(UNREACHED)
        }
    }
}

/// Says all that is wrong with a file.
fn check(file: &Path) -> ExitCode {
    match read(file) {
        Ok((_, config)) => {
            println!("{}: {} routes, {} upstreams", file.display(), config.routes.len(), config.upstreams.len());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// The text of a file, and what it says; else the exit code, after saying why.
fn read(file: &Path) -> Result<(String, Config), ExitCode> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        eprintln!("{}: {error}", file.display());
        ExitCode::from(UNREACHED)
    })?;
    match text.parse() {
        Ok(config) => Ok((text, config)),
        Err(refused) => {
            eprintln!("{}:\n{refused}", file.display());
            Err(ExitCode::from(NO))
        }
    }
}
