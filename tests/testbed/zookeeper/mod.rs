//! ZooKeeper under test: one server or an ensemble of three, from Debian's package, each in a directory of its own.

mod server;

use std::time::Duration;

pub use server::Server;

use crate::{ports, wait::eventually};

/// How long a server may take to start, and an ensemble to elect.
const START: Duration = Duration::from_secs(90);
/// How often ports that another took meanwhile are replaced.
const TRIES: usize = 5;

/// Three servers, of which two are enough.
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<Server>,
}

impl Ensemble {
    /// Starts three on free ports of 127.0.0.1, and waits until one of them leads.
    ///
    /// # Panics
    /// When Debian's `zookeeper` is not there, or they do not start.
    #[track_caller]
    pub fn start(name: &str) -> Ensemble {
        for _ in 0..TRIES {
            let ports = ports::frees::<9>().unwrap_or_else(|e| panic!("{e}"));
            let peers: Vec<String> = (0..3)
                .map(|n| format!("server.{}=127.0.0.1:{}:{}", n + 1, ports[3 * n + 1], ports[3 * n + 2]))
                .collect();
            let lines = format!("initLimit=40\nsyncLimit=10\n{}", peers.join("\n"));
            let servers = (0..3).map(|n| Server::prepare(&format!("{name}-{}", n + 1), ports[3 * n], &lines, n + 1));
            let mut ensemble = Ensemble { servers: servers.collect() };
            let started = ensemble.servers.iter_mut().all(Server::launch);
            if started && ensemble.servers.iter_mut().all(Server::answers) {
                eventually(START, "the ensemble to elect", || ensemble.leader().is_some());
                return ensemble;
            }
        }
        panic!("{name}: no free ports in {TRIES} tries");
    }

    /// Their addresses, as a URL has them.
    pub fn addresses(&self) -> String {
        self.servers.iter().map(|server| server.address().to_string()).collect::<Vec<_>>().join(",")
    }

    /// Which one leads.
    pub fn leader(&self) -> Option<usize> {
        self.servers.iter().position(|server| server.mode() == "leader")
    }

    /// How many serve.
    pub fn serving(&self) -> usize {
        self.servers.iter().filter(|server| !server.mode().is_empty()).count()
    }

    /// Starts all of them again, which must have ended, and waits until one of them leads.
    ///
    /// # Panics
    /// When they do not start.
    #[track_caller]
    pub fn again(&mut self) {
        assert!(self.servers.iter_mut().all(Server::launch) && self.servers.iter_mut().all(Server::answers));
        eventually(START, "the ensemble to elect", || self.leader().is_some());
    }

    /// One of them.
    pub fn server(&mut self, at: usize) -> &mut Server {
        &mut self.servers[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_comes_back_on_its_port_with_its_data_or_without() {
        let mut server = Server::start("zookeeper");
        assert_eq!(server.mode(), "standalone");
        let nodes = server.count();
        server.process().kill().unwrap();
        assert_eq!(server.mode(), "");
        server.again();
        assert_eq!(server.count(), nodes);
        server.process().kill().unwrap();
        server.empty();
        server.again();
        assert_eq!(server.mode(), "standalone");
    }

    #[test]
    fn an_ensemble_elects_another_leader() {
        let mut ensemble = Ensemble::start("ensemble");
        let first = ensemble.leader().unwrap();
        ensemble.server(first).process().kill().unwrap();
        eventually(START, "another leader", || ensemble.leader().is_some_and(|leader| leader != first));
    }
}
