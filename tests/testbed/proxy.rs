//! A TCP proxy that breaks on command: latency, throttle, one-way stall, black hole, cut, reset, refusal.
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
}

/// A proxy in front of one server. Dropping it cuts all its connections.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    /// Rings whenever `faults` changed.
    changed: Condvar,
    links: Mutex<Vec<Weak<Link>>>,
    counts: Counters,
}

/// What is wrong with the wire now.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    up: Lane,
    down: Lane,
    refuse: bool,
    over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    latency: Duration,
    /// Bytes per second; 0 is no limit.
    rate: u64,
    stalled: bool,
}

/// One connection through the proxy: both its sockets, closed when the last thread lets go.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Set before a reset wakes the threads.
    reset: AtomicBool,
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
        Ok(Proxy { addr, shared })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Delays each piece on its way by `delay`; order is kept.
    pub fn latency(&self, way: Way, delay: Duration) {
        self.shared.change(|f| f.lane_mut(way).latency = delay);
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
            link.reset.store(true, Ordering::SeqCst);
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
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
