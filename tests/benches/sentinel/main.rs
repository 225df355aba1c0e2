//! `cargo bench-sentinel`: what a failover costs beside Debian's redis-sentinel, in one run on one machine.
//!
//! Each run has a master, two replicas and three sentinels of its own. The candidates take turns in each round, so that what
//! drifts on the machine drifts for both.

mod args;
mod crowd;
mod report;
mod rows;
mod run;

use std::collections::BTreeMap;
use std::process::ExitCode;

use args::Args;
use rows::{ROWS, Row};
use run::{Figures, Programs};
use testbed::{reap, words};

/// What was measured: by the index of the row, a value for each run.
type Measured = BTreeMap<usize, Vec<Figures>>;

fn main() -> ExitCode {
    words::run(args::parse(std::env::args().skip(1)), |args| {
        reap::adopt_orphans_and_end_them_on_signals().map_err(|e| e.to_string())?;
        bench(args)
    })
}

fn bench(args: &Args) -> Result<(), String> {
    let chosen: Vec<usize> = (0..ROWS.len()).filter(|r| args.wants(&ROWS[*r].label())).collect();
    let many = args.wants(crowd::LABEL);
    if chosen.is_empty() && !many {
        return Err(format!("no row matches; the rows are {}, {}", rows::labels().join(", "), crowd::LABEL));
    }
    let programs = Programs::get(args.program.as_ref())?;
    let runs = |row: &Row| args.runs.unwrap_or(row.scenario.runs());
    let rounds = chosen.iter().map(|r| runs(&ROWS[*r])).max().unwrap_or(0);
    let mut measured = Measured::new();
    for round in 0..rounds {
        // Each round begins with another one: being first or last in a row must not matter.
        for turn in 0..chosen.len() {
            let r = chosen[(turn + round) % chosen.len()];
            if round < runs(&ROWS[r]) {
                let figures = run::run(&ROWS[r], &programs, args, round)?;
                eprintln!("{} of {rounds}: {:<34} {}", round + 1, ROWS[r].label(), report::figures(&figures));
                measured.entry(r).or_default().push(figures);
            }
        }
    }
    let crowds = (0..if many { args.runs.unwrap_or(3) } else { 0 })
        .map(|_| {
            let figures = crowd::run(&programs, args.away)?;
            eprint!("{}", crowd::lines(&[figures]));
            Ok(figures)
        })
        .collect::<Result<Vec<_>, String>>()?;
    let lines = report::lines(&measured);
    print!("{}{}", report::table(&lines), crowd::lines(&crowds));
    if args.json {
        println!("{}", report::json(&lines, crowd::json(&crowds)));
    }
    Ok(())
}
