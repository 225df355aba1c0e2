//! `cargo bench-registries`: what a consumer of a hundred services pays for a registry with many instances, on real servers.
//!
//! Each row has a server of its own, a process that is the crowd, and one that is the consumer and is measured: how long
//! until it knows everybody, how soon it hears of a change, and what that costs it. The same with a tenth of the instances
//! tells whether it pays for what changes or for what there is.

mod args;
mod consumer;
mod crowd;
mod raw;
mod report;
mod services;

use std::process::{Command, ExitCode};
use std::time::Duration;

use serde_json::Value;
use testbed::{Nacos, Process, Scratch, reap, words, zookeeper};

use args::{Args, Kind};

/// How long the crowd may take to gather, and a consumer to be done.
const PATIENCE: Duration = Duration::from_secs(150);

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    // The processes of a row are this program again.
    match words.next().as_deref() {
        Some("crowd") => done(crowd::run(words)),
        Some("consumer") => done(consumer::run(words)),
        _ => words::run(args::parse(std::env::args().skip(1)), |args| {
            reap::adopt_orphans_and_end_them_on_signals().map_err(|e| e.to_string())?;
            bench(args)
        }),
    }
}

fn done(ended: Result<(), String>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), String> {
    let mut rows = Vec::new();
    for kind in &args.kinds {
        for count in &args.instances {
            let row = row(*kind, count / services::COUNT, args.changes)?;
            eprint!("{}", report::line(&row));
            rows.push(row);
        }
    }
    print!("{}{}", report::head(), rows.iter().map(report::line).collect::<String>());
    if args.json {
        println!("{}", Value::from(rows));
    }
    Ok(())
}

/// A server, its crowd, and what the consumer has measured.
fn row(kind: Kind, each: usize, changes: usize) -> Result<Value, String> {
    match kind {
        Kind::Zookeeper => {
            let server = zookeeper::Server::start("zookeeper");
            measured("ZooKeeper", &format!("zookeeper://{}", server.address()), each, changes)
        }
        Kind::Nacos => {
            let server = Nacos::start("nacos");
            measured("Nacos", &format!("nacos://{}", server.address()), each, changes)
        }
    }
}

fn measured(name: &str, url: &str, each: usize, changes: usize) -> Result<Value, String> {
    let (each, changes) = (each.to_string(), changes.to_string());
    let cache = Scratch::new("cache").map_err(|e| e.to_string())?;
    let mut crowd = start(&["crowd", url, &each], &cache)?;
    let control = crowd.line(PATIENCE, "ready ");
    let mut consumer = start(&["consumer", url, &each, &control, &changes], &cache)?;
    let said = consumer.line(PATIENCE, "measured ");
    let mut row: Value = serde_json::from_str(&said).map_err(|e| format!("{said}: {e}"))?;
    row["registry"] = name.into();
    Ok(row)
}

/// This program, with a cache that nobody else has.
fn start(arguments: &[&str], cache: &Scratch) -> Result<Process, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command.args(arguments).env("XDG_CACHE_HOME", cache.path());
    Process::spawn(arguments[0], command).map_err(|e| e.to_string())
}
