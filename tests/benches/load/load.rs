//! The load generator that every echo program of the benchmark shares, so that only what is measured differs: the same
//! command line, workers, clock, histogram and allocator.
//!
//! A program implements [`Peer`] and calls [`main`]; `serve` answers, `load` measures and prints one line of JSON.

mod args;
mod closed;
mod open;
mod report;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;

use args::{Command, Load};
use report::{Report, Tally};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What failed, in words: it ends the run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many messages one call of the streaming rows carries.
const MESSAGES: u32 = 10_000;
/// A call that computes does so for this long, on the thread that polls it.
const COMPUTE: Duration = Duration::from_millis(20);

/// One way to answer and make the calls of the benchmark.
pub(crate) trait Peer: 'static {
    /// One connection; clones share it.
    type Connection: Clone + Send + Sync + 'static;

    /// Answers on this listener until the process is ended.
    fn serve(listener: TcpListener) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Opens one connection.
    fn connect(addr: SocketAddr) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;

    /// Sends `body`, has the server compute for `compute_us`, and returns the length of what came back.
    fn echo(
        connection: &mut Self::Connection,
        body: Bytes,
        compute_us: u32,
    ) -> impl Future<Output = Result<usize, Failure>> + Send;

    /// Asks for `body` `repeat` times on one stream, and returns how many messages came.
    fn stream(
        connection: &mut Self::Connection,
        body: Bytes,
        repeat: u32,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// The layers that a call goes through, printed by what was built. Empty where nobody can say.
    fn layers() -> Vec<String> {
        Vec::new()
    }
}

/// The whole program: reads the command line, serves or measures.
pub(crate) fn main<P: Peer>() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e),
    };
    let done = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Serve(listen)) => runtime.block_on(serve::<P>(listen)),
        Ok(Command::Load(load)) => runtime.block_on(measure::<P>(load)),
        Err(e) => Err(e.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&*e),
    }
}

/// What a server does for a call that computes: it keeps its thread busy, as a real computation would.
pub(crate) fn compute(micros: u32) {
    if micros > 0 {
        let end = Instant::now() + Duration::from_micros(micros.into());
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(&format!(": {e}"));
        cause = e.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}

async fn serve<P: Peer>(listen: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    println!("listening {}", listener.local_addr()?);
    P::serve(listener).await
}

async fn measure<P: Peer>(load: Load) -> Result<(), Failure> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(P::connect(load.addr).await?);
    }
    // Warm up: connections, allocator, caches, and the branch predictor of both sides.
    run::<P>(&load, &connections, load.warm_up).await?;
    let before = report::cpu(load.server)?;
    let start = Instant::now();
    let tally = run::<P>(&load, &connections, load.time).await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = report::cpu(load.server)?;
    println!("{}", Report { tally, seconds, before, after, layers: P::layers() }.json());
    Ok(())
}

async fn run<P: Peer>(load: &Load, connections: &[P::Connection], time: Duration) -> Result<Tally, Failure> {
    match load.rate {
        Some(rate) => open::run::<P>(load, connections, time, rate).await,
        None => closed::run::<P>(load, connections, time).await,
    }
}

/// Where a server listens when it is told nothing.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
