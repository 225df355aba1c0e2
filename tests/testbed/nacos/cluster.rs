//! Three servers that are one registry: each has the whole of the data, and two are enough.

use std::sync::PoisonError;

use super::{Nacos, START, STARTING, STARTS, free};
use crate::wait::eventually;

/// How many servers there are.
const SIZE: usize = 3;

/// Three servers on free ports, with the database that each brings and their agreement on what is in it.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Nacos>,
}

impl Cluster {
    /// Starts them, and waits until they have agreed on who leads.
    ///
    /// # Panics
    /// When it is not installed or they do not start.
    #[track_caller]
    pub fn start(name: &str) -> Cluster {
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..STARTS {
            let ports: Vec<u16> = (0..SIZE).map(|_| free(name)).collect();
            let member = |at: usize| Nacos::launched(&format!("{name}-{}", at + 1), None, ports[at], &ports);
            let mut cluster = Cluster { servers: (0..SIZE).map(member).collect() };
            if cluster.servers.iter_mut().all(Nacos::comes_up) {
                cluster.servers.iter_mut().for_each(Nacos::wait);
                eventually(START, "the cluster to elect", || cluster.writes());
                return cluster;
            }
        }
        panic!("{name} ended {STARTS} times while it started");
    }

    /// Their addresses, as a URL has them.
    pub fn addresses(&self) -> String {
        self.servers.iter().map(|server| server.address().to_string()).collect::<Vec<_>>().join(",")
    }

    /// One of them.
    pub fn server(&mut self, at: usize) -> &mut Nacos {
        &mut self.servers[at]
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.servers.len()
    }

    fn writes(&self) -> bool {
        let form = [("dataId", "elected"), ("group", "test"), ("content", "yes")];
        self.servers.iter().all(|server| server.ask("POST", "/nacos/v1/cs/configs", &form).body == "true")
    }
}
