//! A `redis-server` under test.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::client::Client;
use super::{START, TRIES, serve};
use crate::wait::eventually;
use crate::{Place, Process, Scratch, ports};

/// A `redis-server` of one's own, without files but its configuration, in a directory of its own.
#[derive(Debug)]
pub struct Server {
    process: Process,
    place: Place,
    port: u16,
    conf: PathBuf,
    name: String,
    _dir: Scratch,
}

impl Server {
    /// Starts one on a free port of 127.0.0.1, with further lines of configuration.
    ///
    /// # Panics
    /// When Debian's `redis-server` is not there or does not start.
    #[track_caller]
    pub fn start(name: &str, lines: &[&str]) -> Server {
        Server::at(&Place::Here, name, lines)
    }

    /// Starts one at a place.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[track_caller]
    pub fn at(place: &Place, name: &str, lines: &[&str]) -> Server {
        let dir = Scratch::new(name).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let text = format!(
                "port {port}\nbind {}\nprotected-mode no\ndir {}\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n{}\n",
                place.ip(),
                dir.path().display(),
                lines.join("\n")
            );
            let conf = dir.write("redis.conf", text).unwrap_or_else(|e| panic!("{e}"));
            if let Some(process) = serve(place, name, "redis-server", &conf, port) {
                return Server { process, place: place.clone(), port, conf, name: name.to_owned(), _dir: dir };
            }
        }
        panic!("{name}: no free port in {TRIES} tries");
    }

    /// Starts one that follows `master`.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[track_caller]
    pub fn replica(name: &str, master: &Server, lines: &[&str]) -> Server {
        Server::replica_at(&Place::Here, name, master, lines)
    }

    /// Starts one at a place that follows `master`.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[track_caller]
    pub fn replica_at(place: &Place, name: &str, master: &Server, lines: &[&str]) -> Server {
        let follow = format!("replicaof {} {}", master.place.ip(), master.port);
        Server::at(place, name, &[&[follow.as_str()], lines].concat())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address(self.port)
    }

    /// The process, to be killed or stopped.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again on the same port, with the configuration as it has rewritten it.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn again(&mut self) {
        let started = serve(&self.place, &self.name, "redis-server", &self.conf, self.port);
        self.process = started.unwrap_or_else(|| panic!("{}: port {} is taken", self.name, self.port));
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn client(&self) -> Client {
        self.place.client(self.port).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// A field of its INFO; empty when there is none or it does not answer.
    pub fn info(&self, field: &str) -> String {
        let text =
            self.place.client(self.port).and_then(|mut c| c.call(&["INFO"])).map(|r| r.text()).unwrap_or_default();
        let found = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    /// Waits until it is a replica with its link up.
    ///
    /// # Panics
    /// When it is not within 20 s.
    #[track_caller]
    pub fn synced(&self) {
        eventually(START, &format!("{} to be in sync", self.name), || self.info("master_link_status") == "up");
    }
}
