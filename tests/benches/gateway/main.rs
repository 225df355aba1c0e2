//! `cargo bench-gateway`: what a request costs the gateway, beside nginx and haproxy doing the same, in front of the same server,
//! in the same run.
//!
//! The proxy under test has one core for itself. The servers behind and the load share the other: each of them needs less for a
//! request than a proxy does, so that it is the proxy that is busy. Wants two cores, `taskset`, nginx and haproxy.
//!
//! | file | what |
//! |---|---|
//! | `peers.rs` | who is measured, and what each is told |
//! | `load.rs` | the load, from a process of its own |
//! | `routes.rs` | ten thousand routes |
//! | `report.rs` | the table, and the line of JSON |

mod args;
mod load;
mod peers;
mod report;
mod routes;

use args::{Args, Ask, Load};
use peers::{Backends, CHAIN, Figures, Peer, Programs, Server};
use report::{Alone, Row, what};
use std::process::ExitCode;
use testbed::{reap, stats::median, words};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;
/// Rounds in which rules of risk are measured: a median of many short ones.
const CEL_ROUNDS: usize = 2_000;
/// The rows: what is asked, and of whom.
const ROWS: [(Ask, Peer); 7] = [
    (Ask::Http1, Peer::Nginx),
    (Ask::Http1, Peer::Haproxy),
    (Ask::Http1, Peer::Mainstay(&[])),
    (Ask::Http1, Peer::Mainstay(CHAIN)),
    (Ask::Grpc, Peer::Nginx),
    (Ask::Grpc, Peer::Haproxy),
    (Ask::Grpc, Peer::Mainstay(&[])),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    // The load is this program again.
    if words.next().as_deref() == Some("load") {
        return words::run(args::load(words), load::run);
    }
    words::run(args::parse(std::env::args().skip(1)), |args| {
        reap::adopt_orphans_and_end_them_on_signals().map_err(|e| e.to_string())?;
        bench(args)
    })
}

fn bench(args: &Args) -> Result<(), String> {
    let wanted = ROWS.into_iter().filter(|(ask, _)| args.wants(what(*ask)));
    let row = |(ask, peer)| (ask, Row { what: what(ask), peer, connections: CONNECTIONS, rounds: Vec::new() });
    let mut rows: Vec<_> = wanted.map(row).collect();
    let mut alone = Alone::default();
    if args.wants("match") {
        alone.route_match_ns = Some(routes::match_ns(args.rounds)?);
    }
    if args.wants("cel") {
        let cost = mainstay_gateway::rule_cost(50, CEL_ROUNDS).ok_or("the rules are none")?;
        alone.cel_50_rules_ratio = Some(cost.ratio());
    }
    if !rows.is_empty() || args.wants("transcode") {
        let programs = Programs::build()?;
        let behind = Backends::start(&programs)?;
        for round in 0..args.rounds as usize {
            eprintln!("round {} of {}", round + 1, args.rounds);
            // Each round begins with another one: being first or last must not matter.
            let count = rows.len();
            for turn in 0..count {
                let (ask, row) = &mut rows[(turn + round) % count];
                let server = Server::start(row.peer, *ask == Ask::Grpc, &behind, &programs)?;
                let figures = server.load(&asked(*ask, &server, CONNECTIONS, args));
                row.rounds.push(figures.map_err(|e| format!("{} {}: {e}", row.what, row.peer.name()))?);
            }
        }
        if args.wants("transcode") {
            alone.transcode_added_p50_us = Some(transcoding(args, &behind, &programs)?);
        }
    }
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    print!("{}", report::table(&rows, &alone));
    if args.json {
        println!("{}", report::json(&rows, &alone));
    }
    Ok(())
}

/// What JSON adds to gRPC, through one gateway, round by round.
fn transcoding(args: &Args, behind: &Backends, programs: &Programs) -> Result<f64, String> {
    let server = Server::start(Peer::Mainstay(&[]), true, behind, programs)?;
    let one = |ask| -> Result<Figures, String> { server.load(&asked(ask, &server, 1, args)) };
    let mut added = Vec::new();
    for _ in 0..args.rounds {
        added.push(one(Ask::Json)?.p50_us - one(Ask::Grpc)?.p50_us);
    }
    Ok(median(added.into_iter()))
}

fn asked(ask: Ask, server: &Server, connections: usize, args: &Args) -> Load {
    Load { ask, at: server.address, connections, seconds: args.seconds, server: 0 }
}
