//! Servers that want a password, hide a command under another name and forbid another: a failover all the same.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use testbed::redis::{Sentinel, Server};
use testbed::{eventually, eventually_some, tree};

const SOON: Duration = Duration::from_secs(30);
const NAME: &str = "mymaster";
const LINES: [&str; 5] = [
    "requirepass hunter2",
    "masterauth hunter2",
    "rename-command SLAVEOF hidden",
    "rename-command REPLICAOF hidden2",
    // Neither can its file be rewritten, so the transaction is refused as a whole.
    "rename-command CONFIG \"\"",
];

fn info(server: &Server, field: &str) -> String {
    let mut client = server.client();
    client.call(&["AUTH", "hunter2"]).unwrap();
    let text = client.call(&["INFO", "replication"]).unwrap().text();
    text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).unwrap_or_default().trim().to_owned()
}

fn sentinels(lines: &str) -> Vec<Sentinel> {
    let ours = tree::built("mainstay-sentinel");
    (0..3).map(|i| Sentinel::start(&format!("sentinel-{i}"), &ours, lines)).collect()
}

#[test]
fn passwords_and_renamed_commands() {
    let mut master = Server::start("redis-0", &LINES);
    let replicas = ["redis-1", "redis-2"].map(|name| Server::replica(name, &master, &LINES));
    for replica in &replicas {
        eventually(SOON, "a replica in sync", || info(replica, "master_link_status") == "up");
    }
    let old = master.port();
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {old} 2\nsentinel down-after-milliseconds {NAME} 500\n\
         sentinel failover-timeout {NAME} 10000\nsentinel auth-pass {NAME} hunter2\n\
         sentinel rename-command {NAME} SLAVEOF hidden"
    );
    let sentinels = sentinels(&lines);
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
    master.process().kill().unwrap();
    let new = eventually_some(SOON, "another master for all", || {
        let shown = sentinels[0].master(NAME).filter(|p| *p != old)?;
        sentinels.iter().all(|s| s.master(NAME) == Some(shown)).then_some(shown)
    });
    for replica in &replicas {
        let role = if replica.port() == new { "master" } else { "slave" };
        eventually(SOON, "the servers in their roles", || info(replica, "role") == role);
    }
    let other = replicas.iter().find(|r| r.port() != new).unwrap();
    eventually(SOON, "the other to follow", || info(other, "master_port") == new.to_string());
    assert!(sentinels.iter().all(|s| !s.process_output().contains("hunter2")), "a password is in a log");
}

#[test]
fn a_wrong_password_is_a_server_that_is_down() {
    let master = Server::start("redis-0", &LINES);
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {NAME} 300\n\
         sentinel auth-pass {NAME} wrong",
        master.port()
    );
    let sentinel = Sentinel::start("sentinel-0", &tree::built("mainstay-sentinel"), &lines);
    let flags = || sentinel.field(NAME, "flags").unwrap_or_default();
    eventually(SOON, "the master to be held for down", || flags().contains("s_down"));
    let set = |pass| sentinel.client().call(&["SENTINEL", "SET", NAME, "auth-pass", pass]).unwrap().text();
    assert_eq!(set("hunter2"), "OK");
    eventually(SOON, "the master to be well", || flags() == "master");
}

#[test]
fn a_name_that_does_not_resolve_is_a_server_that_is_down() {
    let master = Server::start("redis-0", &[]);
    // Reserved: no resolver knows it (RFC 6761).
    let lines = format!(
        "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
         sentinel monitor lost nowhere.invalid 6379 1\nsentinel down-after-milliseconds lost 300\n\
         sentinel monitor {NAME} localhost {} 1",
        master.port()
    );
    let sentinel = Sentinel::start("sentinel-0", &tree::built("mainstay-sentinel"), &lines);
    let flags = |name| sentinel.field(name, "flags").unwrap_or_default();
    eventually(SOON, "the lost one to be held for down", || flags("lost").contains("s_down"));
    eventually(SOON, "the other to be well", || flags(NAME) == "master");
    let address = |name: &str| {
        let reply = sentinel.client().call(&["SENTINEL", "get-master-addr-by-name", name]).unwrap();
        reply.items().iter().map(testbed::redis::Reply::text).collect::<Vec<_>>()
    };
    assert_eq!(address("lost"), ["nowhere.invalid", "6379"]);
    assert_eq!(address(NAME), ["localhost".to_owned(), master.port().to_string()]);
}
