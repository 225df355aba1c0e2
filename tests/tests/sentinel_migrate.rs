//! From redis-sentinel to ours and back, one sentinel at a time, on the same files, with a failover in each state.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use testbed::redis::{Sentinel, Server};
use testbed::{eventually, eventually_some, tree};

const SOON: Duration = Duration::from_secs(40);
const NAME: &str = "mymaster";

/// Kills the master, waits until all agree on another one, starts the old one again and waits until it follows.
fn failover(servers: &mut [Server], sentinels: &[Sentinel]) {
    let old = eventually_some(SOON, "one master for all", || agreed(sentinels));
    let at = servers.iter().position(|s| s.port() == old).unwrap();
    servers[at].process().kill().unwrap();
    eventually(SOON, "another master for all", || agreed(sentinels).is_some_and(|p| p != old));
    servers[at].again();
    // A quorum that is not all ours may change its mind once more meanwhile: what counts is where it ends.
    eventually(SOON, "one master, and the others following it", || {
        agreed(sentinels).is_some_and(|new| servers.iter().all(|s| s.port() == new || follows(s, new)))
    });
    eventually(SOON, "one epoch, and the old master known as a replica that is well", || {
        let field = |s: &Sentinel, f| s.field(NAME, f).unwrap_or_default();
        let epochs: Vec<_> = sentinels.iter().map(|s| field(s, "config-epoch")).collect();
        epochs.iter().all(|e| *e == epochs[0])
            && sentinels.iter().all(|s| field(s, "flags") == "master" && field(s, "num-slaves") == "2")
    });
}

fn follows(server: &Server, master: u16) -> bool {
    server.info("master_port") == master.to_string() && server.info("master_link_status") == "up"
}

fn agreed(sentinels: &[Sentinel]) -> Option<u16> {
    let first = sentinels[0].master(NAME)?;
    sentinels.iter().all(|s| s.master(NAME) == Some(first)).then_some(first)
}

/// Both programs ask and tell more often than by default, until they end: a master that comes back is turned into a
/// replica after four hellos.
fn hurry(sentinel: &Sentinel) {
    let words = ["SENTINEL", "DEBUG", "info-period", "1000", "publish-period", "400"];
    assert_eq!(sentinel.client().call(&words).unwrap().text(), "OK");
}

/// Ends a sentinel and starts another program on its file; ids stay.
fn replace(sentinel: &mut Sentinel, program: &Path) {
    let id = |s: &Sentinel| s.client().call(&["SENTINEL", "MYID"]).unwrap().text();
    let before = id(sentinel);
    sentinel.process().end(SOON);
    sentinel.again(program);
    hurry(sentinel);
    assert_eq!(id(sentinel), before);
    sentinel.knows(NAME, 2, 2);
}

#[test]
fn one_at_a_time_there_and_back() {
    let (ours, theirs) = (tree::built("mainstay-sentinel"), PathBuf::from("redis-sentinel"));
    let master = Server::start("redis-0", &[]);
    let replicas = [Server::replica("redis-1", &master, &[]), Server::replica("redis-2", &master, &[])];
    replicas.iter().for_each(Server::synced);
    let lines = format!(
        "# ours to keep\nsentinel monitor {NAME} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 3000",
        master.port()
    );
    let mut servers: Vec<Server> = [master].into_iter().chain(replicas).collect();
    let mut sentinels = [0, 1, 2].map(|i| Sentinel::start(&format!("sentinel-{i}"), &theirs, &lines));
    sentinels.iter().for_each(hurry);
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
    failover(&mut servers, &sentinels);
    for program in [&ours, &theirs] {
        for i in 0..3 {
            replace(&mut sentinels[i], program);
            failover(&mut servers, &sentinels);
        }
    }
    assert!(sentinels.iter().all(|s| s.conf().contains("# ours to keep\n")));
}
