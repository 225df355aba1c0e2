//! `cargo suite`: installs what the chosen groups need, builds once, runs everything, and says what passed.
//!
//! The test executables are built in one go for the whole workspace and then run one by one: choosing packages on cargo's
//! command line would change the features of shared dependencies and rebuild them for each group. Adding a group is a
//! row in `groups.rs`.

mod args;
mod build;
mod checks;
mod execute;
mod groups;
mod mutations;
mod needs;
mod report;
mod run;

use std::process::ExitCode;

use args::Args;
use report::Report;
use testbed::reap;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args().skip(1), groups::GROUPS) {
        Ok(args) => args,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    if args.help {
        println!("{}", args::USAGE);
        return ExitCode::SUCCESS;
    }
    if args.list {
        report::list(groups::GROUPS);
        return ExitCode::SUCCESS;
    }
    if let Err(e) = reap::adopt_orphans_and_end_them_on_signals() {
        eprintln!("setting up signals: {e}");
        return ExitCode::FAILURE;
    }
    match suite(&args) {
        Ok(report) => report.close(),
        Err(code) => code,
    }
}

fn suite(args: &Args) -> Result<Report, ExitCode> {
    let chosen = args.chosen(groups::GROUPS);
    let mut report = Report::new();
    needs::debian(&chosen, args)?;
    for failed in needs::peers(&chosen, args) {
        report.failed("needs", &failed);
    }
    // A group may build for itself what it runs.
    let any = chosen.iter().any(|g| g.steps.iter().any(|s| args.runs(g.name, s.when) && s.kind.is_built_before()));
    let built = match if any { build::tests() } else { Ok(Vec::new()) } {
        Ok(built) => built,
        Err(e) => {
            // Without the executables the rest would only repeat it.
            report.failed("build", &e);
            return Ok(report);
        }
    };
    for group in &chosen {
        report.add(run::group(group, args, &built));
    }
    if let Some(folder) = &args.report
        && let Err(e) = checks::copied(folder)
    {
        report.failed("chaos", &e);
    }
    let strays = build::strays(&built, groups::GROUPS);
    if !strays.is_empty() {
        report.failed("house", &format!("tests that no group runs: {}", strays.join(", ")));
    }
    Ok(report)
}
