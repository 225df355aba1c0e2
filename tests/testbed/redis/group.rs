//! One master, two replicas and three sentinels with quorum 2: what most tests of a failover begin with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Sentinel, Server};
use crate::wait::{eventually, eventually_some};
use crate::{Place, tree};

/// The master's name.
pub const NAME: &str = "mymaster";
/// How long anything that follows from a fault may take.
const SOON: Duration = Duration::from_secs(60);

/// The group.
#[derive(Debug)]
pub struct Group {
    /// The servers; the first one is the master at the start.
    pub servers: Vec<Server>,
    /// The sentinels.
    pub sentinels: Vec<Sentinel>,
}

impl Group {
    /// Starts one on this machine's loopback. `settings` are those of `sentinel.conf` for the master, such as
    /// `down-after-milliseconds 200`, without the words before and between.
    ///
    /// # Panics
    /// When anything does not start, or the sentinels do not find everybody.
    #[track_caller]
    pub fn start(programs: &[PathBuf; 3], settings: &[(&str, &str)]) -> Group {
        Group::at(&[Place::Here, Place::Here, Place::Here], programs, settings)
    }

    /// Starts one with a server and a sentinel at each place.
    ///
    /// # Panics
    /// As [`Group::start`].
    #[track_caller]
    pub fn at(places: &[Place; 3], programs: &[PathBuf; 3], settings: &[(&str, &str)]) -> Group {
        let master = Server::at(&places[0], "redis-0", &[]);
        let mut servers = vec![];
        for (i, place) in places.iter().enumerate().skip(1) {
            servers.push(Server::replica_at(place, &format!("redis-{i}"), &master, &[]));
        }
        servers.iter().for_each(Server::synced);
        let at = master.address();
        servers.insert(0, master);
        let mut lines = format!("sentinel monitor {NAME} {} {} 2\n", at.ip(), at.port());
        settings.iter().for_each(|(key, value)| lines += &format!("sentinel {key} {NAME} {value}\n"));
        let start = |i: usize| Sentinel::at(&places[i], &format!("sentinel-{i}"), &programs[i], &lines);
        let sentinels: Vec<Sentinel> = (0..3).map(start).collect();
        sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
        Group { servers, sentinels }
    }

    /// The program of ours that was built with the test.
    pub fn ours() -> PathBuf {
        tree::built("mainstay-sentinel")
    }

    /// The program of Redis.
    pub fn theirs() -> PathBuf {
        "redis-sentinel".into()
    }

    /// Where the servers listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// The index of the server that all sentinels show as the master, once that is not the one at `old`.
    ///
    /// # Panics
    /// When they do not agree within a minute.
    #[track_caller]
    pub fn agreed(&self, old: u16) -> usize {
        eventually_some(SOON, "the sentinels agree on another master", || {
            let shown: Vec<Option<u16>> = self.sentinels.iter().map(|s| s.master(NAME)).collect();
            let first = shown[0].filter(|port| *port != old && shown.iter().all(|s| *s == Some(*port)))?;
            self.servers.iter().position(|s| s.port() == first)
        })
    }

    /// Waits until the servers of these indices follow `master`, and all sentinels hold the same epoch.
    ///
    /// # Panics
    /// When they do not within a minute.
    #[track_caller]
    pub fn settled(&self, master: usize, alive: &[usize]) {
        assert_eq!(self.servers[master].info("role"), "master");
        for &i in alive.iter().filter(|i| **i != master) {
            eventually(SOON, "a replica to follow the new master", || self.follows(i, master));
        }
        eventually(SOON, "one configuration epoch everywhere", || {
            let epochs: Vec<_> = self.sentinels.iter().map(|s| s.field(NAME, "config-epoch")).collect();
            epochs[0].is_some() && epochs.iter().all(|e| *e == epochs[0])
        });
    }

    /// Whether a server follows another one and is in sync.
    pub fn follows(&self, replica: usize, master: usize) -> bool {
        let (replica, port) = (&self.servers[replica], self.servers[master].port());
        replica.info("master_port") == port.to_string() && replica.info("master_link_status") == "up"
    }
}
