//! The open loop: calls start when they are due, however late the answers are. Each is timed from the moment it was
//! due, so that a stall shows in the latency of every call that it kept waiting.
//!
//! A thread keeps the schedule: the runtime's timers tick once a millisecond, which is far above what is measured.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::args::Load;
use super::report::Tally;
use super::{Failure, Peer};

/// The shortest sleep of the schedule: what falls due within it starts together.
const QUANTUM: Duration = Duration::from_micros(100);
/// Calls that may be out at a time. More is no latency, it is collapse.
const LIMIT: usize = 50_000;

pub(super) async fn run<P: Peer>(
    load: &Load,
    connections: &[P::Connection],
    time: Duration,
    rate: f64,
) -> Result<Tally, Failure> {
    let (due, mut calls) = mpsc::unbounded_channel();
    let schedule = std::thread::spawn(move || keep(time, rate, &due));
    let body = Bytes::from(vec![7; load.bytes]);
    let mut tally = Tally::new()?;
    let mut out = JoinSet::new();
    let mut nth = 0;
    loop {
        tokio::select! {
            call = calls.recv() => match call {
                Some(due) => {
                    if out.len() >= LIMIT {
                        return Err(format!("{LIMIT} calls are out: {rate} calls/s is more than it can take").into());
                    }
                    let mut to = connections[nth % connections.len()].clone();
                    nth += 1;
                    let body = body.clone();
                    out.spawn(async move { P::echo(&mut to, body, 0).await.map(|_| due) });
                }
                None => break,
            },
            Some(done) = out.join_next() => tally.call(done??.elapsed(), false),
        }
    }
    while let Some(done) = out.join_next().await {
        tally.call(done??.elapsed(), false);
    }
    schedule.join().map_err(|_| "the schedule's thread panicked")?;
    Ok(tally)
}

/// Sends the moment of each call when it has come.
fn keep(time: Duration, rate: f64, due: &mpsc::UnboundedSender<Instant>) {
    let start = Instant::now();
    for n in 0.. {
        let at = Duration::from_secs_f64(f64::from(n) / rate);
        if at >= time {
            return;
        }
        let early = (start + at).saturating_duration_since(Instant::now());
        if early > Duration::ZERO {
            std::thread::sleep(early.max(QUANTUM));
        }
        if due.send(start + at).is_err() {
            return;
        }
    }
}
