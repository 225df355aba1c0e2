//! `cargo bench-layers`: what each layer of a client costs, in one process over memory.
//!
//! The full stack is compared with calls on bare connections, in turns; a layer alone with the service below it. Picks are
//! timed in directories of 10 to 10 000 instances.

mod figures;
mod layers;
mod recorder;
mod stack;

use mainstay::bench::Field;
use mainstay::call::{Frame, Invocation, Kind, Method, Payload};
use mainstay::client::Balance;
use std::process::ExitCode;
use std::time::Instant;

use figures::Figures;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
cargo bench-layers [--rounds N] [--json]

  --rounds N   alternating rounds (15)
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
pub(crate) const SIZES: [usize; 4] = [10, 100, 1000, 10_000];

fn main() -> ExitCode {
    let (mut rounds, mut json) = (15, false);
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
            _ => return usage(),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    recorder::install();
    let stacks = runtime.block_on(stack::measure(rounds));
    let layers = runtime.block_on(layers::measure(rounds));
    let picks = BALANCERS.map(|(name, balance)| (name, SIZES.map(|size| pick(size, balance))));
    let figures = Figures { stacks, layers, picks: picks.into(), update_us: update() };
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
    let field = Field::new(instances, balance);
    let (method, frame) = method();
    let call = call(&method, &frame);
    let times = 2_000_000 / instances.max(100);
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
