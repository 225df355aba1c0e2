//! What applications do while a master is replaced: they write where they can and keep what was acknowledged, and they
//! look for the master by the sentinels.
//!
//! Each is a thread at its place. Moments are on one clock, so what different ones saw can be compared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::{Client, Reply};
use super::group::NAME;
use crate::Place;
use crate::wait::eventually;

/// The longest wait for a reply: a stopped server is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait for a connection, and for an answer of somebody who is only looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Between two tries where nothing is taken.
const AGAIN: Duration = Duration::from_micros(300);
/// `WAIT` waits so many milliseconds.
const WAIT_MS: &str = "500";
/// Keys that are looked for in one command.
const BATCH: usize = 500;

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct Writes {
    /// What its keys begin with.
    pub tag: &'static str,
    /// With so many replicas `WAIT` must confirm a write, or it does not count.
    pub confirmed_by: Option<u32>,
    /// Between two writes.
    pub pause: Duration,
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// The number of its key.
    pub key: u64,
    /// Which server took it.
    pub by: usize,
    /// When the acknowledgement was read.
    pub at: Instant,
}

/// A client with a connection to each of some servers, that writes where writes are taken.
#[derive(Debug)]
pub struct Writer {
    how: Writes,
    acknowledged: Arc<AtomicUsize>,
    thread: Thread<Vec<Ack>>,
}

impl Writer {
    /// Starts one. With one server it stays with that, come what may.
    pub fn start(place: &Place, servers: &[SocketAddr], how: Writes) -> Writer {
        let acknowledged = Arc::<AtomicUsize>::default();
        let (servers, wants, count) = (servers.to_vec(), how.clone(), acknowledged.clone());
        let thread = Thread::start(place, move |stop| write(&servers, &wants, stop, &count));
        Writer { how, acknowledged, thread }
    }

    /// Waits until so many writes were acknowledged.
    ///
    /// # Panics
    /// When they are not within a minute.
    #[track_caller]
    pub fn wrote(&self, many: usize) {
        eventually(PATIENCE, "writes to be acknowledged", || self.acknowledged.load(Ordering::Relaxed) >= many);
    }

    /// Tells it to write no more, without waiting for it.
    pub fn stop(&self) {
        self.thread.stop.store(true, Ordering::Relaxed);
    }

    /// What was acknowledged, in order.
    pub fn end(self) -> Vec<Ack> {
        self.thread.end()
    }

    /// As [`end`](Self::end), and how many of them are not at `server`.
    ///
    /// # Panics
    /// When that server does not answer.
    #[track_caller]
    pub fn end_and_lost(self, mut server: Client) -> (Vec<Ack>, usize) {
        let tag = self.how.tag;
        let acks = self.end();
        let there = acks.chunks(BATCH).map(|some| {
            let keys = some.iter().map(|a| format!("{tag}{}", a.key));
            let words: Vec<String> = std::iter::once("EXISTS".to_owned()).chain(keys).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match server.call(&words) {
                Ok(Reply::Int(n)) => n as usize,
                other => panic!("the keys cannot be looked for: {other:?}"),
            }
        });
        let lost = acks.len() - there.sum::<usize>();
        (acks, lost)
    }
}

fn write(servers: &[SocketAddr], how: &Writes, stop: &AtomicBool, count: &AtomicUsize) -> Vec<Ack> {
    let (mut acks, mut at, mut key) = (Vec::new(), 0, 0);
    let mut clients: Vec<Option<Client>> = servers.iter().map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        // A key is used once: a write that was not acknowledged may be there all the same.
        key += 1;
        match set(&mut clients[at], servers[at], how, key) {
            Taken::Yes => {
                acks.push(Ack { key, by: at, at: Instant::now() });
                count.store(acks.len(), Ordering::Relaxed);
                std::thread::sleep(how.pause);
            }
            Taken::Unconfirmed => {}
            Taken::No => {
                at = (at + 1) % servers.len();
                std::thread::sleep(AGAIN);
            }
        }
    }
    acks
}

enum Taken {
    Yes,
    Unconfirmed,
    No,
}

/// Writes one key. An open connection that says no stays open: that is how long a gap is for clients that have several.
fn set(client: &mut Option<Client>, server: SocketAddr, how: &Writes, key: u64) -> Taken {
    if client.is_none() {
        *client = Client::connect_for(server, LOOK, PATIENCE).ok();
    }
    let Some(open) = client else { return Taken::No };
    let key = format!("{}{key}", how.tag);
    let taken = open.call(&["SET", &key, "v"]).and_then(|reply| match (reply, how.confirmed_by) {
        (Reply::Text(_), None) => Ok(Taken::Yes),
        (Reply::Text(_), Some(k)) => Ok(match open.call(&["WAIT", &k.to_string(), WAIT_MS])? {
            Reply::Int(n) if n >= i64::from(k) => Taken::Yes,
            Reply::Int(_) => Taken::Unconfirmed,
            _ => Taken::No,
        }),
        _ => Ok(Taken::No),
    });
    taken.unwrap_or_else(|_| {
        *client = None;
        Taken::No
    })
}

/// What a client found that asks the sentinels for the master.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The new master.
    pub master: SocketAddr,
    /// When it took a write.
    pub written: Instant,
    /// When every sentinel that was asked had shown it.
    pub agreed: Instant,
}

/// A client that asks sentinels in turn until one shows another master that takes a write, and goes on asking until all
/// show it.
#[derive(Debug)]
pub struct Seeker(Thread<Option<Found>>);

impl Seeker {
    /// Starts one that looks for a master other than `old`.
    pub fn start(place: &Place, sentinels: &[SocketAddr], old: SocketAddr) -> Seeker {
        let sentinels = sentinels.to_vec();
        Seeker(Thread::start(place, move |stop| seek(&sentinels, old, stop)))
    }

    /// What it found; waits until it has found everything.
    ///
    /// # Panics
    /// When it has not within a minute.
    #[track_caller]
    pub fn found(self) -> Found {
        eventually(PATIENCE, "a write at another master, and the sentinels to agree", || self.0.thread.is_finished());
        self.0.end().unwrap_or_else(|| panic!("it was told to stop"))
    }
}

fn seek(sentinels: &[SocketAddr], old: SocketAddr, stop: &AtomicBool) -> Option<Found> {
    let mut clients: Vec<Option<Client>> = sentinels.iter().map(|_| None).collect();
    let mut written = None;
    while !stop.load(Ordering::Relaxed) {
        let mut all = true;
        for (client, sentinel) in clients.iter_mut().zip(sentinels) {
            let master = shown(client, *sentinel).filter(|m| *m != old);
            if written.is_none() && master.is_some_and(writable) {
                written = master.map(|m| (m, Instant::now()));
            }
            all &= master.is_some() && master == written.map(|(m, _)| m);
        }
        if let Some((master, written)) = written.filter(|_| all) {
            return Some(Found { master, written, agreed: Instant::now() });
        }
        std::thread::sleep(AGAIN);
    }
    None
}

fn shown(client: &mut Option<Client>, sentinel: SocketAddr) -> Option<SocketAddr> {
    if client.is_none() {
        *client = Client::connect(sentinel, LOOK).ok();
    }
    let reply = client.as_mut()?.call(&["SENTINEL", "get-master-addr-by-name", NAME]);
    if reply.is_err() {
        *client = None;
    }
    match reply.ok()?.items() {
        [host, port] => Some((host.text().parse::<std::net::IpAddr>().ok()?, port.text().parse().ok()?).into()),
        _ => None,
    }
}

fn writable(server: SocketAddr) -> bool {
    let set = Client::connect(server, LOOK).and_then(|mut c| c.call(&["SET", "sought", "v"]));
    set.is_ok_and(|r| r.text() == "OK")
}

/// A thread at a place that is told when to stop.
#[derive(Debug)]
struct Thread<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Thread<T> {
    fn start(place: &Place, run: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Thread<T> {
        let stop = Arc::<AtomicBool>::default();
        let (told, place) = (stop.clone(), place.clone());
        let thread = std::thread::spawn(move || {
            place.within(|| run(&told)).unwrap_or_else(|e| panic!("entering the host: {e}"))
        });
        Thread { stop, thread }
    }

    fn end(self) -> T {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
