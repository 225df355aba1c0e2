//! Who can reach whom, and how long a message takes.
//!
//! Between two hosts messages can be cut in one direction or both. Messages between sentinels are lost, doubled and
//! reordered; those of a connection to a server keep their order, and in a cut they are lost or wait for its end, as
//! data in a kernel's buffer does.

use std::collections::{BTreeMap, BTreeSet};

use super::{MS, Micros};
use crate::core::rng::Rng;

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
    hosts: Vec<Host>,
    cut: BTreeSet<(Host, Host)>,
    lossy: u64,
    /// The last arrival per pair, for order within a connection.
    last: BTreeMap<(Host, Host), Micros>,
    /// How long a message takes at most, in microseconds.
    pub(crate) slowest: Micros,
}

impl Net {
    pub(crate) fn new(sentinels: usize, servers: usize, lossy: u64) -> Self {
        let hosts = (0..sentinels).map(Host::Node).chain((0..servers).map(Host::Server)).chain([Host::Client]);
        Self { hosts: hosts.collect(), cut: BTreeSet::new(), lossy, last: BTreeMap::new(), slowest: 2 * MS }
    }

    /// Cuts `side` off from everybody else, both ways.
    pub(crate) fn cut_off(&mut self, side: &[Host]) {
        for a in &self.hosts {
            for b in &self.hosts {
                if side.contains(a) != side.contains(b) {
                    self.cut.insert((*a, *b));
                }
            }
        }
    }

    /// Cuts one direction of one pair.
    pub(crate) fn cut_one_way(&mut self, from: Host, to: Host) {
        self.cut.insert((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn reaches(&self, from: Host, to: Host) -> bool {
        !self.cut.contains(&(from, to))
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
        if !self.reaches(from, to) {
            return None;
        }
        let at = (now + extra + self.delay(rng)).max(self.last.get(&(from, to)).map_or(0, |last| last + 1));
        self.last.insert((from, to), at);
        Some(at)
    }
}
