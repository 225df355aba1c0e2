//! A client that writes one thing after the other, asks the sentinels where to when something fails, and remembers what
//! was acknowledged and what was confirmed.

use super::net::Host;
use super::server::ToServer;
use super::{MS, Sim, What, server_at};

/// The pause between two writes.
const PACE: u64 = 60 * MS;
/// How long an answer is waited for.
const PATIENCE: u64 = 300 * MS;

/// What arrives at the client.
#[derive(Debug, Clone, Hash)]
pub(crate) enum ToClient {
    /// Time for the next write, unless an answer came first.
    Next { attempt: u32 },
    /// The write was taken.
    Acknowledged { id: u32, attempt: u32 },
    /// So many replicas as wanted have it.
    Confirmed { id: u32 },
    /// The server takes no writes, or is gone.
    Refused { attempt: u32 },
}

/// The client.
#[derive(Debug)]
pub(crate) struct Client {
    target: usize,
    attempt: u32,
    /// The last write was not acknowledged.
    in_doubt: bool,
    confirm: Option<usize>,
    /// Writes that were confirmed by replicas.
    pub(crate) confirmed: Vec<u32>,
    /// Writes that were acknowledged.
    pub(crate) acknowledged: Vec<u32>,
}

impl Client {
    pub(crate) fn new(confirm: Option<usize>) -> Self {
        Self { target: 0, attempt: 0, in_doubt: false, confirm, confirmed: Vec::new(), acknowledged: Vec::new() }
    }
}

impl Sim {
    pub(crate) fn client_message(&mut self, message: ToClient) {
        match message {
            ToClient::Next { attempt } if attempt == self.client.attempt => {
                if self.client.in_doubt {
                    self.client_resolves();
                }
                self.client_writes();
            }
            ToClient::Acknowledged { id, attempt } if attempt == self.client.attempt => {
                self.client.acknowledged.push(id);
                self.client.in_doubt = false;
                let attempt = self.client_turn();
                self.at(self.now + PACE, What::Client(ToClient::Next { attempt }));
            }
            ToClient::Confirmed { id } if self.client.confirm.is_some() => self.client.confirmed.push(id),
            ToClient::Refused { attempt } if attempt == self.client.attempt => {
                let attempt = self.client_turn();
                self.at(self.now + PACE, What::Client(ToClient::Next { attempt }));
            }
            _ => {}
        }
    }

    fn client_turn(&mut self) -> u32 {
        self.client.attempt += 1;
        self.client.attempt
    }

    fn client_writes(&mut self) {
        let attempt = self.client_turn();
        self.client.in_doubt = true;
        let (to, server) = (Host::Server(self.client.target), self.client.target);
        let message = ToServer::Write { id: attempt, attempt };
        if let Some(at) = self.net.stream(&mut self.rng, self.now, Host::Client, to, 0) {
            self.at(at, What::Server { server, from: Host::Client, message });
        }
        self.at(self.now + PATIENCE, What::Client(ToClient::Next { attempt }));
    }

    /// Asks a sentinel within reach.
    fn client_resolves(&mut self) {
        let first = self.rng.below(self.nodes.len() as u64) as usize;
        for i in 0..self.nodes.len() {
            let i = (first + i) % self.nodes.len();
            let there = self.net.reaches(Host::Client, Host::Node(i)) && self.net.reaches(Host::Node(i), Host::Client);
            if let Some(address) = self.nodes[i].tells().filter(|_| there) {
                self.client.target = server_at(&address);
                return;
            }
        }
    }
}
