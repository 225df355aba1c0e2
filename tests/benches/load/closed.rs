//! The closed loop: so many workers, each with one call at a time. It shows throughput, and CPU per call.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::args::Load;
use super::report::Tally;
use super::{COMPUTE, Failure, MESSAGES, Peer};

pub(super) async fn run<P: Peer>(load: &Load, connections: &[P::Connection], time: Duration) -> Result<Tally, Failure> {
    let end = Instant::now() + time;
    let workers: Vec<_> = (0..load.in_flight)
        .map(|i| {
            let connection = connections[i % connections.len()].clone();
            let load = load.clone();
            tokio::spawn(async move {
                match load.stream {
                    true => stream::<P>(connection, &load, end).await,
                    false => unary::<P>(connection, &load, end, i as u64).await,
                }
            })
        })
        .collect();
    let mut all = Tally::new()?;
    for worker in workers {
        all.add(worker.await??)?;
    }
    Ok(all)
}

async fn unary<P: Peer>(mut to: P::Connection, load: &Load, end: Instant, nth: u64) -> Result<Tally, Failure> {
    let body = Bytes::from(vec![7; load.bytes]);
    let mut tally = Tally::new()?;
    let mut start = Instant::now();
    // Workers start at different points of the cycle: computing calls must not come in a burst.
    for n in nth.. {
        let computes = load.compute_every > 0 && n % load.compute_every == 0;
        let micros = if computes { COMPUTE.as_micros() as u32 } else { 0 };
        let got = P::echo(&mut to, body.clone(), micros).await?;
        if got != load.bytes {
            return Err(format!("sent {} bytes, got {got}", load.bytes).into());
        }
        let now = Instant::now();
        tally.call(now - start, computes);
        start = now;
        if now >= end {
            break;
        }
    }
    Ok(tally)
}

async fn stream<P: Peer>(mut to: P::Connection, load: &Load, end: Instant) -> Result<Tally, Failure> {
    let body = Bytes::from(vec![7; load.bytes]);
    let mut tally = Tally::new()?;
    while Instant::now() < end {
        let got = P::stream(&mut to, body.clone(), MESSAGES).await?;
        if got != u64::from(MESSAGES) {
            return Err(format!("asked for {MESSAGES} messages, got {got}").into());
        }
        tally.messages(got);
    }
    Ok(tally)
}
