//! The writer: it appends numbers to a list of its own, wherever a write is taken, and notes what was acknowledged.
//!
//! It keeps a connection to each server open, as a client with a pool does, so that the gap is that of the servers and not
//! of its own way to find the master.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::door::Door;
use super::super::remote::{Remote, Unreachable};
use super::measure::{Measured, Write, measure};
use super::plan::Plan;

/// The list goes by itself after so many seconds.
const TTL: &str = "600";
/// How long one write may take before the next server is tried.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long replicas may take to confirm a write, in milliseconds.
const CONFIRM: &str = "100";
/// The wait between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(5);

/// The writer at work.
#[derive(Debug)]
pub(super) struct Canary {
    doors: Vec<Door>,
    key: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    task: JoinHandle<Vec<Write>>,
}

impl Canary {
    /// Begins to write.
    pub(super) fn start(doors: Vec<Door>, plan: &Plan) -> Canary {
        let doors: Vec<Door> = doors.into_iter().map(|door| Door { patience: PATIENCE, ..door }).collect();
        let key = format!("mainstay:drill:{:016x}", rand::random::<u64>());
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let writer = Writer {
            connections: doors.iter().map(|door| (door.clone(), None)).collect(),
            key: key.clone(),
            confirm: plan.confirm.map(|k| k.to_string()),
            every: plan.every,
            writes: Vec::new(),
        };
        let task = tokio::spawn(writer.run(stop.clone(), count.clone()));
        Canary { doors, key, stop, count, task }
    }

    /// So many writes were acknowledged so far.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many were; whether that came in time.
    pub(super) async fn wrote(&self, many: usize, within: Duration) -> bool {
        let enough = async {
            while self.count() < many {
                sleep(LOOK).await;
            }
        };
        timeout(within, enough).await.is_ok()
    }

    /// Stops, reads the list at this server, and removes it.
    pub(super) async fn end(self, at: Option<&str>) -> Option<Measured> {
        self.stop.store(true, Ordering::Relaxed);
        let writes = self.task.await.ok()?;
        let door = self.doors.iter().find(|door| at == Some(door.address.to_string().as_str()));
        let kept = match door {
            // A long list takes longer than a write.
            Some(door) => kept(&Door { patience: Duration::from_secs(10), ..door.clone() }, &self.key).await.ok(),
            None => None,
        };
        Some(measure(&writes, kept.as_ref()))
    }
}

async fn kept(door: &Door, key: &str) -> Result<BTreeSet<u64>, Unreachable> {
    let mut remote = Remote::connect(door).await?;
    let list = remote.call(&["LRANGE", key, "0", "-1"]).await?;
    let numbers = list.as_list().unwrap_or_default().iter().filter_map(|v| v.as_str()?.parse().ok()).collect();
    remote.call(&["DEL", key]).await?;
    Ok(numbers)
}

#[derive(Debug)]
struct Writer {
    connections: Vec<(Door, Option<Remote>)>,
    key: String,
    confirm: Option<String>,
    every: Duration,
    writes: Vec<Write>,
}

impl Writer {
    async fn run(mut self, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Vec<Write> {
        let (began, mut server, mut number) = (Instant::now(), 0, 0);
        while !stop.load(Ordering::Relaxed) {
            match self.write(server, number).await {
                Some(confirmed) => {
                    self.writes.push(Write { number, at: began.elapsed(), server, confirmed });
                    count.store(self.writes.len(), Ordering::Relaxed);
                    sleep(self.every).await;
                }
                None => {
                    server = (server + 1) % self.connections.len();
                    // Not a whole turn of refusals without a breath.
                    if server == 0 {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
            }
            // A number that was not acknowledged may have been taken all the same: it is not used again.
            number += 1;
        }
        self.writes
    }

    /// Whether the server acknowledged it, and then whether replicas confirmed it.
    async fn write(&mut self, server: usize, number: u64) -> Option<bool> {
        let (door, connection) = self.connections.get_mut(server)?;
        let mut remote = match connection.take() {
            Some(remote) => remote,
            None => Remote::connect(door).await.ok()?,
        };
        let reply = remote.call(&["RPUSH", &self.key, &number.to_string()]).await.ok()?;
        let taken = reply.as_error().is_none();
        if taken && self.writes.len().is_multiple_of(1_000) {
            remote.call(&["EXPIRE", &self.key, TTL]).await.ok()?;
        }
        let mut confirmed = false;
        if let (true, Some(k)) = (taken, &self.confirm) {
            let have = remote.call(&["WAIT", k, CONFIRM]).await.ok().and_then(|reply| reply.as_integer());
            confirmed = have.is_some_and(|have| k.parse().is_ok_and(|k: i64| have >= k));
        }
        *connection = Some(remote);
        taken.then_some(confirmed)
    }
}
