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
use testbed::words;

/// What was measured: by row and candidate, a value for each round.
type Measured = BTreeMap<(usize, usize), Vec<Figures>>;

fn main() -> ExitCode {
    words::run(args::parse(std::env::args().skip(1)), bench)
}

fn bench(args: &Args) -> Result<(), String> {
    let rows: Vec<Row> = rows::ROWS.iter().copied().filter(|r| args.wants(&r.label())).collect();
    if rows.is_empty() {
        return Err(format!("no row matches; the rows are {}", rows::labels().join(", ")));
    }
    let programs = CANDIDATES.iter().map(peers::build).collect::<Result<Vec<_>, _>>()?;
    let mut measured = Measured::new();
    let (mut rate, mut failed) = (None, Vec::new());
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
            match take_turns(row, &servers, round, args.seconds, rate) {
                Ok(all) => all.into_iter().for_each(|(c, figures)| measured.entry((r, c)).or_default().push(figures)),
                Err(why) => failed.push(format!("round {} of {why}", round + 1)),
            }
        }
    }
    let lines = report::lines(&rows, &measured);
    print!("{}", report::table(&lines, rate));
    failed.iter().for_each(|why| println!("does not count: {why}"));
    if args.json {
        println!("{}", report::json(&lines));
    }
    match rows.iter().enumerate().find(|(r, _)| !measured.keys().any(|(measured, _)| measured == r)) {
        Some((_, row)) => Err(format!("no round of {} counts", row.label())),
        None => Ok(()),
    }
}

/// One round of a row: every candidate's figures, or none, since a ratio wants both in the same round.
fn take_turns(
    row: &Row,
    servers: &[peers::Server],
    round: u32,
    seconds: f64,
    rate: Option<f64>,
) -> Result<Vec<(usize, Figures)>, String> {
    // Each round begins with another one: being first or last in a row must not matter.
    let turns = (0..CANDIDATES.len()).map(|turn| (turn + round as usize) % CANDIDATES.len());
    let there = turns.filter(|&c| takes_part(&CANDIDATES[c], row));
    there.map(|c| servers[c].load(row, seconds, rate).map(|figures| (c, figures))).collect()
}

/// tonic's calls per second in a closed loop: the open loop runs at half of it, for everyone.
fn saturation(tonic: &peers::Server, args: &Args) -> Result<f64, String> {
    let row = Row { kind: Kind::Unary, bytes: 128, in_flight: 64, connections: 1 };
    tonic.load(&row, args.seconds, None).map(|f| f.calls_per_s)
}

fn takes_part(candidate: &Candidate, row: &Row) -> bool {
    row.kind != Kind::Stream || candidate.streams
}
