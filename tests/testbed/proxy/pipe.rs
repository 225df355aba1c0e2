//! One connection through the proxy: per direction a thread that reads and one that writes, with the delayed pieces
//! queued between them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Lane, Link, Shared, Way, lock};

/// The largest piece, and how many may wait per direction: beyond that the sender feels it.
const PIECE: usize = 16 * 1024;
const QUEUE: usize = 64;

/// Opens the server's side of an accepted connection and pumps both ways until both have ended.
pub(super) fn connect(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) {
    // A black hole swallows the handshake too: no connection to the server while the way up is stalled.
    let mut held = false;
    wait_while(shared, Way::Up, None, |lane| {
        held |= lane.stalled;
        lane.stalled
    });
    if held {
        shared.counts.held.fetch_add(1, Ordering::Relaxed);
    }
    let Ok(server) = TcpStream::connect(server) else { return };
    for socket in [&client, &server] {
        // Small writes go out at once; it is a hint, and failing to set it changes nothing but speed.
        let _ = socket.set_nodelay(true);
    }
    let link = Arc::new(Link { client, server, mute: AtomicBool::new(false) });
    {
        let mut links = lock(&shared.links);
        links.retain(|l| l.strong_count() > 0);
        links.push(Arc::downgrade(&link));
    }
    for way in [Way::Up, Way::Down] {
        let (queue, pieces) = sync_channel(QUEUE);
        let (reading, writing) = (link.clone(), link.clone());
        let (own, other) = (shared.clone(), shared.clone());
        std::thread::spawn(move || read(&reading, way, &own, &queue));
        std::thread::spawn(move || write(&writing, way, &other, pieces));
    }
}

type Piece = (Instant, Vec<u8>);

/// Reads pieces and stamps each with the time it may leave. An empty piece is the end.
fn read(link: &Link, way: Way, shared: &Shared, queue: &SyncSender<Piece>) {
    let mut from = link.from(way);
    let mut buffer = vec![0; PIECE];
    loop {
        let n = from.read(&mut buffer).unwrap_or(0);
        let delay = lock(&shared.faults).delay(way);
        if queue.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() || n == 0 {
            return;
        }
    }
}

/// Hands each piece over when it is due, nothing holds it, and the throttle lets it.
fn write(link: &Link, way: Way, shared: &Shared, pieces: Receiver<Piece>) {
    let mut to = link.to(way);
    let mut free_at = Instant::now();
    for (n, (due, mut piece)) in (1..).zip(pieces) {
        let now = Instant::now();
        let rate = lock(&shared.faults).lane(way).rate;
        count_if(due > now, &shared.counts.delayed);
        count_if(rate > 0 && free_at > now, &shared.counts.throttled);
        // A limit lifted meanwhile, or the end of the proxy, also ends the wait.
        wait_while(shared, way, Some(due.max(free_at)), |lane| lane.rate == rate);
        let mut held = false;
        wait_while(shared, way, None, |lane| {
            held |= lane.stalled;
            lane.stalled
        });
        count_if(held, &shared.counts.held);
        if piece.is_empty() {
            let linger = lock(&shared.faults).linger;
            count_if(!linger.is_zero(), &shared.counts.lingered);
            wait_while(shared, way, Some(Instant::now() + linger), |_| true);
            break;
        }
        let corrupt = lock(&shared.faults).lane(way).corrupt;
        if corrupt > 0 && n % corrupt == 0 {
            piece[0] ^= 0xff;
            shared.counts.corrupted.fetch_add(1, Ordering::Relaxed);
        }
        let passed = match way {
            Way::Up => &shared.counts.up,
            Way::Down => &shared.counts.down,
        };
        // Before the write: whoever has read the bytes finds them counted.
        passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if to.write_all(&piece).is_err() {
            break;
        }
        if rate > 0 {
            free_at = Instant::now() + Duration::from_secs_f64(piece.len() as f64 / rate as f64);
        }
    }
    // Half-close: the other direction may still have much to say. An error means that it is closed already. Not after a reset,
    // since a FIN would go out before the RST, nor to who is to be told nothing.
    if !link.mute.load(Ordering::SeqCst) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Waits while `held` says so of this direction, at most until `end`.
fn wait_while(shared: &Shared, way: Way, end: Option<Instant>, mut held: impl FnMut(Lane) -> bool) {
    let mut faults = lock(&shared.faults);
    while !faults.over && held(faults.lane(way)) {
        let left = match end {
            None => Duration::from_secs(1),
            Some(end) => match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => left,
                _ => return,
            },
        };
        faults = shared.changed.wait_timeout(faults, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn count_if(fired: bool, counter: &AtomicU64) {
    if fired {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Link {
    fn from(&self, way: Way) -> &TcpStream {
        match way {
            Way::Up => &self.client,
            Way::Down => &self.server,
        }
    }

    fn to(&self, way: Way) -> &TcpStream {
        match way {
            Way::Up => &self.server,
            Way::Down => &self.client,
        }
    }
}
