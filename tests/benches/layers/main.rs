//! `cargo bench-layers`: what each layer of a client costs, in one process over memory.
//!
//! The full stack is compared with calls on bare connections, in turns; a layer alone with the service below it. Picks are
//! timed in directories of 10 to 10 000 instances.

mod figures;
mod layers;
mod memory;
mod recorder;
mod stack;
mod token;

use mainstay::bench::Field;
use mainstay::call::{Frame, Invocation, Kind, Method, Payload};
use mainstay::client::Balance;
use std::process::ExitCode;
use std::time::Instant;

use figures::{Figures, Picks};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
cargo bench-layers [--rounds N] [--only stacks|layers|picks] [--json]

  --rounds N   alternating rounds (15)
  --only WHAT  a part of it; the figures of the others are not there
  --json       one line of JSON at the end";

/// The balancers that are timed, and the sizes of the directories.
const BALANCERS: [(&str, Balance); 6] = [
    ("p2c", Balance::P2c),
    ("random", Balance::Random),
    ("least_active", Balance::LeastActive),
    ("shortest_response", Balance::ShortestResponse),
    ("consistent_hash", Balance::ConsistentHash),
    ("round_robin", Balance::RoundRobin),
];
/// A rule under which picks are timed.
const CANARY: &str = "configVersion: v3.1\nconditions:\n  - from: {match: \"attachments[dubbo.tag]=v2\"}\n    to: [{match: \
                      \"env=v2\"}]\n  - to:\n      - {match: \"env=v1\", weight: 95}\n      - {match: \"env=v2\", weight: 5}\n";
/// What can be asked for alone.
const PARTS: [&str; 3] = ["stacks", "layers", "picks"];
pub(crate) const SIZES: [usize; 4] = [10, 100, 1000, 10_000];

fn main() -> ExitCode {
    let (mut rounds, mut json, mut only) = (15, false, None);
    let mut args = std::env::args().skip(1).enumerate();
    while let Some((i, arg)) = args.next() {
        match arg.as_str() {
            // The alias ends in `--`; whoever writes one more means the same.
            "--" if i == 0 => {}
            "--json" => json = true,
            "--rounds" => match args.next().and_then(|(_, value)| value.parse().ok()).filter(|rounds| *rounds > 0) {
                Some(value) => rounds = value,
                None => return usage(),
            },
            "--only" => match args.next().map(|(_, part)| part).filter(|part| PARTS.contains(&&**part)) {
                Some(part) => only = Some(part),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    recorder::install();
    // The first of all: what it measures is what the process grows by.
    let known_mb = wanted("picks").then(|| runtime.block_on(memory::measure()));
    let stacks = wanted("stacks").then(|| runtime.block_on(stack::measure(rounds)));
    let layers = wanted("layers").then(|| {
        let mut all = runtime.block_on(layers::measure(rounds));
        all.extend(token::measure(rounds));
        all
    });
    let picks = wanted("picks").then(|| Picks {
        by: BALANCERS.map(|(name, balance)| (name, SIZES.map(|size| pick(size, balance)))).into(),
        ruled: SIZES.map(|size| timed(&Field::ruled(size, Balance::P2c, CANARY))),
        update_us: update(),
    });
    let figures = Figures { stacks, layers: layers.unwrap_or_default(), picks, known_mb };
    print!("{}", figures.table());
    if json {
        println!("{}", figures.json());
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// A call of one small message.
pub(crate) fn call(method: &Method, frame: &Frame) -> Invocation {
    Invocation::new(method.clone(), Payload::One(frame.clone()))
}

pub(crate) fn method() -> (Method, Frame) {
    (Method::new("bench.v1.Echo", "Echo", Kind::Unary).expect("a path").made_idempotent(), Frame::from_message(&[]))
}

/// The time of one pick in nanoseconds.
fn pick(instances: usize, balance: Balance) -> f64 {
    timed(&Field::new(instances, balance))
}

/// The time of one pick in a directory, in nanoseconds.
fn timed(field: &Field) -> f64 {
    let (method, frame) = method();
    let call = call(&method, &frame);
    let times = 20_000;
    let run = || {
        let began = Instant::now();
        (0..times).for_each(|_| assert!(std::hint::black_box(field.pick(&call)).is_some()));
        began.elapsed().as_secs_f64() * 1e9 / times as f64
    };
    testbed::stats::median((0..9).map(|_| run()))
}

/// The time in which one of 10 000 instances changes, in microseconds.
fn update() -> f64 {
    let mut field = Field::new(10_000, Balance::P2c);
    let mut run = |turn: usize| {
        let began = Instant::now();
        field.update(turn * 97 % 10_000, 50 + turn as u32 % 100);
        began.elapsed().as_secs_f64() * 1e6
    };
    testbed::stats::median((0..101).map(&mut run).collect::<Vec<_>>().into_iter())
}
