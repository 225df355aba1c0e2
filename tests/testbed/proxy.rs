//! A TCP proxy that breaks on command: latency and jitter, throttle, one-way stall, black hole, cut, reset, refusal, bytes
//! that change on the way, connections that are open on one side only, and ends that are late.
//!
//! The kernels that tests run on often have no `netem`, so the wire is bent in user space. It counts what it did: a test that
//! injects a fault asserts that the fault really fired, or it has tested nothing. It runs on threads and the real
//! clock, so a test may pause its own runtime's.

mod pipe;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::Seed;

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What the proxy did so far. Each fault counts when it touched something, not when it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Bytes handed to the server.
    pub up: u64,
    /// Bytes handed to the client.
    pub down: u64,
    /// Pieces that waited for latency.
    pub delayed: u64,
    /// Pieces that waited for the throttle.
    pub throttled: u64,
    /// Pieces that a stall or black hole held back.
    pub held: u64,
    /// Connections ended in good order by a cut.
    pub cut: u64,
    /// Connections ended by a reset.
    pub reset: u64,
    /// Connections closed at once because the proxy refused.
    pub refused: u64,
    /// Pieces in which a byte was changed.
    pub corrupted: u64,
    /// Connections that were left open on the client's side only.
    pub half_open: u64,
    /// Ends that were handed on late.
    pub lingered: u64,
}

/// A proxy in front of one server. Dropping it cuts all its connections.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    server: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    /// Rings whenever `faults` changed.
    changed: Condvar,
    links: Mutex<Vec<Weak<Link>>>,
    /// Clients that think they are connected, once rightly: held, so that nobody tells them otherwise.
    misled: Mutex<Vec<Arc<Link>>>,
    /// Those that never were.
    unheard: Mutex<Vec<TcpStream>>,
    counts: Counters,
}

/// What is wrong with the wire now.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    up: Lane,
    down: Lane,
    refuse: bool,
    half_open: bool,
    /// How late an end is handed on.
    linger: Duration,
    over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    latency: Duration,
    /// At most so much is added to the latency.
    jitter: Duration,
    /// Where the chance of it is.
    chance: u64,
    /// One piece of so many is changed; 0 is none.
    corrupt: u64,
    /// Bytes per second; 0 is no limit.
    rate: u64,
    stalled: bool,
}

/// One connection through the proxy: both its sockets, closed when the last thread lets go.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Set before a reset wakes the threads, and where the client is told nothing: no end is handed on.
    mute: AtomicBool,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    delayed: AtomicU64,
    throttled: AtomicU64,
    held: AtomicU64,
    cut: AtomicU64,
    reset: AtomicU64,
    refused: AtomicU64,
    corrupted: AtomicU64,
    half_open: AtomicU64,
    lingered: AtomicU64,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1 that passes everything to `server`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(server: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        std::thread::spawn(move || accept(&listener, server, &own));
        Ok(Proxy { addr, server, shared })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it connects to.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Delays each piece on its way by `delay`; order is kept.
    pub fn latency(&self, way: Way, delay: Duration) {
        self.shared.change(|f| f.lane_mut(way).latency = delay);
    }

    /// Delays each piece on its way by up to `most` more, by chance; order is kept.
    pub fn jitter(&self, way: Way, most: Duration, seed: &mut Seed) {
        let chance = seed.next_u64();
        self.shared.change(|f| {
            let lane = f.lane_mut(way);
            (lane.jitter, lane.chance) = (most, chance);
        });
    }

    /// Changes the first byte of one piece of so many; 0 lifts it.
    pub fn corrupt(&self, way: Way, one_of: u64) {
        self.shared.change(|f| f.lane_mut(way).corrupt = one_of);
    }

    /// Hands the end of a connection on so much later.
    pub fn linger(&self, delay: Duration) {
        self.shared.change(|f| f.linger = delay);
    }

    /// Leaves each connection, and new ones, open on the client's side only, as a server does that lost its memory or a NAT
    /// its table: nothing is answered, and nobody is told. Returns how many there were.
    pub fn half_open(&self) -> usize {
        self.shared.change(|f| f.half_open = true);
        let links = self.shared.take_links();
        for link in &links {
            link.mute.store(true, Ordering::SeqCst);
            // An error means that it is closed already.
            let _ = link.server.shutdown(Shutdown::Both);
            self.shared.counts.half_open.fetch_add(1, Ordering::Relaxed);
        }
        let count = links.len();
        lock(&self.shared.misled).extend(links);
        count
    }

    /// Lets at most `bytes_per_second` through; 0 lifts the limit.
    pub fn throttle(&self, way: Way, bytes_per_second: u64) {
        self.shared.change(|f| f.lane_mut(way).rate = bytes_per_second);
    }

    /// Holds everything back one way. The sender's buffers fill, and it is told nothing.
    pub fn stall(&self, way: Way) {
        self.shared.change(|f| f.lane_mut(way).stalled = true);
    }

    /// Holds everything back both ways, as a network that drops packets does: nothing ends, nothing arrives, and what was sent
    /// arrives after [`heal`](Proxy::heal).
    pub fn black_hole(&self) {
        self.shared.change(|f| (f.up.stalled, f.down.stalled) = (true, true));
    }

    /// Closes each new connection at once.
    pub fn refuse(&self) {
        self.shared.change(|f| f.refuse = true);
    }

    /// Ends each connection in good order (FIN), both sides; new ones are accepted. Returns how many.
    pub fn cut(&self) -> usize {
        let links = self.shared.take_links();
        for link in &links {
            link.close(Shutdown::Both);
            self.shared.counts.cut.fetch_add(1, Ordering::Relaxed);
        }
        links.len()
    }

    /// Ends each connection with RST, both sides; new ones are accepted. Returns how many.
    pub fn reset(&self) -> usize {
        let links = self.shared.take_links();
        for link in &links {
            for socket in [&link.client, &link.server] {
                // With no linger the close sends RST. It fails only when the socket is already gone.
                let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            }
            link.mute.store(true, Ordering::SeqCst);
            // Wakes the reading threads and sends nothing; the sockets close when the last of them lets go.
            link.close(Shutdown::Read);
            self.shared.counts.reset.fetch_add(1, Ordering::Relaxed);
        }
        // Wakes the writing threads.
        self.shared.changed.notify_all();
        links.len()
    }

    /// Ends every lasting fault. What was held back goes on its way.
    pub fn heal(&self) {
        self.shared.change(|f| *f = Faults { over: f.over, ..Faults::default() });
        lock(&self.shared.misled).clear();
        lock(&self.shared.unheard).clear();
    }

    /// What it did so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts.read()
    }

    /// How many connections go through it now.
    pub fn open(&self) -> usize {
        lock(&self.shared.links).iter().filter(|l| l.strong_count() > 0).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|f| f.over = true);
        for link in self.shared.take_links() {
            link.close(Shutdown::Both);
        }
        // Wakes the accepting thread, which then ends.
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1));
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let faults = *lock(&shared.faults);
        if faults.over {
            return;
        }
        let Ok(client) = client else { continue };
        if faults.refuse {
            shared.counts.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        shared.counts.accepted.fetch_add(1, Ordering::Relaxed);
        if faults.half_open {
            shared.counts.half_open.fetch_add(1, Ordering::Relaxed);
            lock(&shared.unheard).push(client);
            continue;
        }
        let shared = shared.clone();
        std::thread::spawn(move || pipe::connect(client, server, &shared));
    }
}

impl Shared {
    fn change(&self, edit: impl FnOnce(&mut Faults)) {
        edit(&mut lock(&self.faults));
        self.changed.notify_all();
    }

    fn take_links(&self) -> Vec<Arc<Link>> {
        lock(&self.links).drain(..).filter_map(|l| l.upgrade()).collect()
    }
}

impl Faults {
    fn lane(&self, way: Way) -> Lane {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }

    /// How much later a piece may leave than it came.
    fn delay(&mut self, way: Way) -> Duration {
        let lane = self.lane_mut(way);
        let most = u64::try_from(lane.jitter.as_micros()).unwrap_or(u64::MAX);
        if most == 0 {
            return lane.latency;
        }
        let mut seed = Seed::of(lane.chance);
        let more = Duration::from_micros(seed.below(most));
        lane.chance = seed.next_u64();
        lane.latency + more
    }

    fn lane_mut(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Link {
    fn close(&self, how: Shutdown) {
        // An error means that the socket is closed already.
        let _ = self.client.shutdown(how);
        let _ = self.server.shutdown(how);
    }
}

impl Counters {
    fn read(&self) -> Counts {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counts {
            accepted: get(&self.accepted),
            up: get(&self.up),
            down: get(&self.down),
            delayed: get(&self.delayed),
            throttled: get(&self.throttled),
            held: get(&self.held),
            cut: get(&self.cut),
            reset: get(&self.reset),
            refused: get(&self.refused),
            corrupted: get(&self.corrupted),
            half_open: get(&self.half_open),
            lingered: get(&self.lingered),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
