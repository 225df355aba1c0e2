//! Planned switchovers of real Redis servers under load: nothing acknowledged is lost, and the gap is short.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use testbed::redis::{Client, Reply, Sentinel, Server};
use testbed::{eventually, eventually_some, tree};

const SOON: Duration = Duration::from_secs(30);
const NAME: &str = "mymaster";

/// A client that writes one key after the other, wherever a write is taken, and keeps those that were acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    thread: JoinHandle<(Vec<String>, Duration)>,
}

impl Writer {
    fn start(ports: Vec<u16>) -> Writer {
        let stop = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<AtomicUsize>::default();
        let (told, count) = (stop.clone(), acknowledged.clone());
        Writer { stop, acknowledged, thread: std::thread::spawn(move || write(&ports, &told, &count)) }
    }

    /// Waits until so many writes were acknowledged.
    fn wrote(&self, many: usize) {
        eventually(SOON, "writes to be acknowledged", || self.acknowledged.load(Ordering::Relaxed) >= many);
    }

    /// The keys that were acknowledged, and the longest time between two acknowledgements.
    fn end(self) -> (Vec<String>, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn write(ports: &[u16], stop: &AtomicBool, count: &AtomicUsize) -> (Vec<String>, Duration) {
    let (mut keys, mut gap, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
    let mut at = 0;
    let mut clients: Vec<Option<Client>> = ports.iter().map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("k{}", keys.len());
        let client = &mut clients[at];
        if client.is_none() {
            *client = Client::to(ports[at]).ok();
        }
        // An open connection that says READONLY stays open: that is how long the gap is for clients that have several.
        let reply = client.as_mut().map(|c| c.call(&["SET", &key, "v"]));
        match reply {
            Some(Ok(Reply::Text(_))) => {
                gap = gap.max(last.elapsed());
                last = Instant::now();
                keys.push(key);
                count.store(keys.len(), Ordering::Relaxed);
                continue;
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => *client = None,
        }
        at = (at + 1) % ports.len();
    }
    (keys, gap)
}

#[test]
fn a_switchover_loses_nothing() {
    let ours = tree::built("mainstay-sentinel");
    let master = Server::start("redis-0", &[]);
    let servers = [Server::replica("redis-1", &master, &[]), Server::replica("redis-2", &master, &[]), master];
    servers[..2].iter().for_each(Server::synced);
    let mut port = servers[2].port();
    let lines = format!("sentinel monitor {NAME} 127.0.0.1 {port} 2\nsentinel failover-timeout {NAME} 10000");
    let sentinels = [0, 1, 2].map(|i| Sentinel::start(&format!("sentinel-{i}"), &ours, &lines));
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
    let ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let runs = if std::env::var_os(testbed::seed::LONG).is_some() { 20 } else { 5 };
    let mut gaps = Vec::new();
    for run in 0..runs {
        let writer = Writer::start(ports.clone());
        writer.wrote(200);
        let asked = &sentinels[run % 3];
        eventually(SOON, "a switchover to be taken on", || {
            asked.client().call(&["SENTINEL", "FAILOVER", NAME]).unwrap().text() == "OK"
        });
        port = eventually_some(SOON, "the sentinels to agree on another master", || {
            let shown = sentinels[0].master(NAME).filter(|p| *p != port)?;
            sentinels.iter().all(|s| s.master(NAME) == Some(shown)).then_some(shown)
        });
        let next = servers.iter().find(|s| s.port() == port).unwrap();
        for other in servers.iter().filter(|s| s.port() != port) {
            eventually(SOON, "a replica to follow", || {
                other.info("master_port") == port.to_string() && other.info("master_link_status") == "up"
            });
        }
        let (keys, gap) = writer.end();
        let mut client = next.client();
        let lost = keys.iter().filter(|k| client.call(&["EXISTS", k]).unwrap() != Reply::Int(1)).count();
        assert_eq!(lost, 0, "run {run}: {lost} of {} acknowledged writes lost", keys.len());
        client.call(&["FLUSHALL"]).unwrap();
        // The next is asked of another sentinel, which must have heard of the end of this one.
        eventually(SOON, "the sentinels to be at rest with one epoch", || {
            let seen: Vec<_> =
                sentinels.iter().map(|s| (s.field(NAME, "flags"), s.field(NAME, "config-epoch"))).collect();
            seen.iter().all(|one| *one == seen[0] && one.0.as_deref() == Some("master"))
        });
        gaps.push(gap.as_millis());
    }
    gaps.sort_unstable();
    println!("longest gap between two acknowledgements, ms: {gaps:?}");
    assert!(gaps[gaps.len() / 2] < 250, "{gaps:?}");
}
