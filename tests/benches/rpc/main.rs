//! `cargo bench-rpc`: what a call costs beside raw tonic, under the same profile, allocator and load generator.
//!
//! Client and server are two processes. The candidates take turns in each round, and a ratio is the median of the ratios of the
//! rounds: what drifts on the machine drifts for all of them. Absolute figures are for this machine on this day.

mod args;
mod peers;
mod report;
mod rows;

use std::collections::BTreeMap;
use std::process::ExitCode;

use args::Args;
use peers::{CANDIDATES, Candidate, Figures};
use rows::{Kind, Row};

/// What was measured: by row and candidate, a value for each round.
type Measured = BTreeMap<(usize, usize), Vec<Figures>>;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), String> {
    let rows: Vec<Row> = rows::ROWS.iter().copied().filter(|r| args.wants(&r.label())).collect();
    if rows.is_empty() {
        return Err(format!("no row matches; the rows are {}", rows::labels().join(", ")));
    }
    let programs = CANDIDATES.iter().map(peers::build).collect::<Result<Vec<_>, _>>()?;
    let mut measured = Measured::new();
    let mut rate = None;
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        let mut servers = Vec::new();
        for (candidate, program) in CANDIDATES.iter().zip(&programs) {
            servers.push(peers::Server::start(candidate, program)?);
        }
        if rate.is_none() && rows.iter().any(|r| r.kind == Kind::Open) {
            rate = Some(saturation(&servers[0], args)? / 2.0);
        }
        for (r, row) in rows.iter().enumerate() {
            // Each round begins with another one: being first or last in a row must not matter.
            for turn in 0..CANDIDATES.len() {
                let c = (turn + round as usize) % CANDIDATES.len();
                if takes_part(&CANDIDATES[c], row) {
                    let figures = servers[c].load(row, args.seconds, rate)?;
                    measured.entry((r, c)).or_default().push(figures);
                }
            }
        }
    }
    let lines = report::lines(&rows, &measured);
    print!("{}", report::table(&lines, rate));
    if args.json {
        println!("{}", report::json(&lines));
    }
    Ok(())
}

/// tonic's calls per second in a closed loop: the open loop runs at half of it, for everyone.
fn saturation(tonic: &peers::Server, args: &Args) -> Result<f64, String> {
    let row = Row { kind: Kind::Unary, bytes: 128, in_flight: 64, connections: 1 };
    tonic.load(&row, args.seconds, None).map(|f| f.calls_per_s)
}

fn takes_part(candidate: &Candidate, row: &Row) -> bool {
    row.kind != Kind::Stream || candidate.streams
}
