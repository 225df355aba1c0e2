//! Redis under test: servers, sentinels of either make, a client, and what an application does meanwhile.

mod client;
mod group;
mod load;
mod sentinel;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub use client::{Client, Reply};
pub use group::{Group, NAME};
pub use load::{Ack, Found, Seeker, Writer, Writes};
pub use sentinel::Sentinel;
pub use server::Server;

use crate::wait::eventually;
use crate::{Place, Process};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// How often a port that another took meanwhile is replaced.
const TRIES: usize = 5;

impl Place {
    /// A port there.
    fn address(&self, port: u16) -> SocketAddr {
        (self.ip(), port).into()
    }

    /// A connection to a port there, from there.
    fn client(&self, port: u16) -> io::Result<Client> {
        self.within(|| Client::connect(self.address(port), client::PATIENCE))?
    }
}

/// Starts a program on its file, and waits until its port answers; none when the port was taken.
#[track_caller]
fn serve(place: &Place, name: &str, program: impl AsRef<Path>, conf: &Path, port: u16) -> Option<Process> {
    let mut command = place.command(program.as_ref());
    command.arg(conf);
    let mut process = Process::spawn(name, command).unwrap_or_else(|e| panic!("{e}"));
    let mut taken = false;
    eventually(START, &format!("{name} to listen on {port}\n{}", process.stdout()), || {
        taken = process.ended().is_some();
        taken || place.client(port).and_then(|mut c| c.call(&["PING"])).is_ok()
    });
    let said = process.stdout() + &process.stderr();
    assert!(!taken || said.contains("in use"), "{name} ended: {said}");
    (!taken).then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_follows_and_a_redis_sentinel_sees_both() {
        let master = Server::start("master", &[]);
        let replica = Server::replica("replica", &master, &[]);
        replica.synced();
        assert_eq!(master.client().call(&["SET", "k", "v"]).unwrap(), Reply::Text("OK".into()));
        eventually(START, "the write to arrive", || replica.client().call(&["GET", "k"]).unwrap().text() == "v");
        let lines = format!("sentinel monitor m 127.0.0.1 {} 1", master.port());
        let sentinel = Sentinel::start("sentinel", Path::new("redis-sentinel"), &lines);
        sentinel.knows("m", 1, 0);
        assert_eq!(sentinel.master("m"), Some(master.port()));
        assert!(sentinel.conf().contains("known-replica"));
    }

    #[test]
    fn a_server_comes_back_on_its_port() {
        let mut server = Server::start("server", &[]);
        server.process().kill().unwrap();
        assert!(Client::to(server.port()).is_err());
        server.again();
        assert_eq!(server.info("role"), "master");
    }
}
