//! `mainstay`: what a registry lists, why a consumer sees what it sees, and whether all is well.
//!
//! Each command gathers a report and shows it then, for people or, with `--json`, as one document for programs. Keys of the
//! JSON may be added; none is renamed or taken away. It ends with 0 for yes, 1 for no, 2 when it could not be asked.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the command line |
//! | `registries.rs` | from URLs to registries that can be asked |
//! | `ls.rs` | services and their instances |
//! | `why.rs`, `verdict.rs` | what a consumer would see; why each instance is or is not taken, pure |
//! | `doctor.rs` | checks |
//! | `text.rs` | tables, ages; pure |

mod args;
mod doctor;
mod ls;
mod registries;
mod text;
mod verdict;
mod why;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::{Args, Command};
use clap::Parser;

/// The answer is no.
const NO: u8 = 1;
/// It could not be asked: bad arguments (clap's code too), or a registry that does not answer.
const UNASKED: u8 = 2;

/// What a command found.
#[derive(Debug)]
struct Report {
    /// For people.
    text: String,
    /// For programs.
    json: serde_json::Value,
    code: u8,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.verbose {
        tracing_subscriber::fmt().with_writer(io::stderr).init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(run(&args.command)),
        Err(error) => return failed(&format!("this program cannot work here: {error}")),
    };
    match report {
        Ok(report) if args.json => say(&format!("{:#}\n", report.json), report.code),
        Ok(report) => say(&report.text, report.code),
        Err(why) => failed(&why),
    }
}

async fn run(command: &Command) -> Result<Report, String> {
    match command {
        Command::Ls(order) => ls::report(order).await,
        Command::Why(order) => why::report(order).await,
        Command::Doctor(order) => doctor::report(order).await,
    }
}

/// Nobody to read it is no reason to fail.
fn say(text: &str, code: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::from(code)
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "mainstay: {why}");
    ExitCode::from(UNASKED)
}
