//! Who can reach whom, and how long a message takes.
//!
//! Between two hosts messages can be cut in one direction or both. Messages between sentinels are lost, doubled and
//! reordered; those of a connection to a server keep their order, and in a cut they are lost or wait for its end, as
//! data in a kernel's buffer does.

use super::{MS, Micros};
use crate::rng::Rng;

/// An end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A sentinel.
    Node(usize),
    /// A data server.
    Server(usize),
    /// The client.
    Client,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Net {
    /// Sentinels, servers, the client.
    hosts: Vec<Host>,
    sentinels: usize,
    /// By pair: nothing passes.
    cut: Vec<bool>,
    lossy: u64,
    /// By pair: the last arrival, for order within a connection.
    last: Vec<Micros>,
    /// How long a message takes at most, in microseconds.
    pub(crate) slowest: Micros,
}

impl Net {
    pub(crate) fn new(sentinels: usize, servers: usize, lossy: u64) -> Self {
        let hosts = (0..sentinels).map(Host::Node).chain((0..servers).map(Host::Server)).chain([Host::Client]);
        let hosts: Vec<Host> = hosts.collect();
        let pairs = hosts.len() * hosts.len();
        Self { hosts, sentinels, cut: vec![false; pairs], lossy, last: vec![0; pairs], slowest: 2 * MS }
    }

    fn pair(&self, from: Host, to: Host) -> usize {
        let place = |host: Host| match host {
            Host::Node(i) => i,
            Host::Server(i) => self.sentinels + i,
            Host::Client => self.hosts.len() - 1,
        };
        place(from) * self.hosts.len() + place(to)
    }

    /// Cuts `side` off from everybody else, both ways.
    pub(crate) fn cut_off(&mut self, side: &[Host]) {
        for a in self.hosts.clone() {
            for b in self.hosts.clone() {
                if side.contains(&a) != side.contains(&b) {
                    self.cut_one_way(a, b);
                }
            }
        }
    }

    /// Cuts one direction of one pair.
    pub(crate) fn cut_one_way(&mut self, from: Host, to: Host) {
        let pair = self.pair(from, to);
        self.cut[pair] = true;
    }

    pub(crate) fn heal(&mut self) {
        self.cut.fill(false);
    }

    pub(crate) fn reaches(&self, from: Host, to: Host) -> bool {
        !self.cut[self.pair(from, to)]
    }

    fn delay(&self, rng: &mut Rng) -> Micros {
        let common = 100 + rng.below(400);
        // Now and then one is slow.
        if rng.below(50) == 0 { common + rng.below(self.slowest) } else { common }
    }

    /// When the copies of a message between sentinels arrive.
    pub(crate) fn datagram(&self, rng: &mut Rng, now: Micros, from: Host, to: Host) -> Vec<Micros> {
        if !self.reaches(from, to) || rng.below(1_000) < self.lossy {
            return Vec::new();
        }
        let copies = if rng.below(1_000) < self.lossy { 2 } else { 1 };
        (0..copies).map(|_| now + self.delay(rng)).collect()
    }

    /// When a message on a connection arrives that takes `extra` longer than others; `None`: never.
    pub(crate) fn stream(&mut self, rng: &mut Rng, now: Micros, from: Host, to: Host, extra: Micros) -> Option<Micros> {
        let pair = self.pair(from, to);
        if self.cut[pair] {
            return None;
        }
        let at = (now + extra + self.delay(rng)).max(self.last[pair] + 1);
        self.last[pair] = at;
        Some(at)
    }
}
