//! `cargo suite`: installs what the chosen groups need, builds once, runs everything, and says what passed.
//!
//! The test executables are built in one go for the whole workspace and then run one by one: choosing packages on cargo's
//! command line would change the features of shared dependencies and rebuild them for each group. Adding a group is a
//! row in `groups.rs`.

mod args;
mod beside;
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
use beside::Beside;
use build::Executable;
use groups::{Group, Pace};
use report::Report;
use run::Run;
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
        Ok(report) => report.close(args.rows.as_deref()),
        Err(code) => code,
    }
}

fn suite(args: &Args) -> Result<Report, ExitCode> {
    let chosen = args.chosen(groups::GROUPS);
    let mut report = Report::new();
    needs::debian(&chosen, args)?;
    // A group may build for itself what it runs.
    let any = chosen.iter().any(|g| g.steps.iter().any(|s| args.runs(g.name, s.when) && s.kind.is_built_before()));
    // Peers are mostly waited for, so the tests are built beside.
    let (lacking, built) = std::thread::scope(|scope| {
        let peers = scope.spawn(|| needs::peers(&chosen, args));
        let built = if any { build::tests() } else { Ok(Vec::new()) };
        (peers.join().unwrap_or_else(|_| vec!["installing peers panicked".to_owned()]), built)
    });
    lacking.iter().for_each(|failed| report.failed("needs", failed));
    let built = match built {
        Ok(built) => built,
        Err(e) => {
            // Without the executables the rest would only repeat it.
            report.failed("build", &e);
            return Ok(report);
        }
    };
    groups(&chosen, args, &built, &mut report);
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

/// Runs the groups: first those that wait, with those that build beside them.
fn groups(chosen: &[&Group], args: &Args, built: &[Executable], report: &mut Report) {
    let (builds, others) = beside::shared(chosen);
    let mut company = None;
    if !builds.is_empty() {
        match Beside::begin(&builds, args) {
            Ok(begun) => company = Some(begun),
            Err(e) => report.failed("house", &e),
        }
    }
    for group in others {
        if group.pace == Pace::Alone
            && let Some(company) = company.take()
        {
            company.ended(report);
        }
        report.add(Run { args, built, beside: company.as_ref().map(Beside::pid) }.group(group));
    }
    if let Some(company) = company {
        company.ended(report);
    }
}
