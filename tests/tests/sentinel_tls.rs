//! Everything encrypted: links to servers and between sentinels (`tls-replication`), ours and Redis' in one quorum.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use testbed::redis::{Group, NAME, Sentinel, Server};
use testbed::{Scratch, eventually, eventually_some, ports};

const SOON: Duration = Duration::from_secs(30);

/// One certificate for everyone, which signs itself: Redis asks for it at both ends, and looks at no names.
fn certificate() -> Scratch {
    let dir = Scratch::new("tls").unwrap();
    let made = rcgen::generate_simple_self_signed(["redis.local".to_owned()]).unwrap();
    dir.write("cert", made.cert.pem()).unwrap();
    dir.write("key", made.signing_key.serialize_pem()).unwrap();
    dir
}

/// The directives of a server or a sentinel, and the port that it encrypts.
fn encrypted(certificate: &Scratch) -> (u16, String) {
    let port = ports::free().unwrap();
    let (cert, key) = (certificate.join("cert"), certificate.join("key"));
    let (cert, key) = (cert.display(), key.display());
    let files = format!("tls-cert-file {cert}\ntls-key-file {key}\ntls-ca-cert-file {cert}");
    (port, format!("tls-port {port}\ntls-replication yes\n{files}"))
}

#[test]
fn a_failover_over_encrypted_links() {
    let certificate = certificate();
    let (first, lines) = encrypted(&certificate);
    let mut master = Server::start("redis-0", &[&lines]);
    let replicas = ["redis-1", "redis-2"].map(|name| {
        let (port, lines) = encrypted(&certificate);
        (port, Server::start(name, &[&lines, &format!("replicaof 127.0.0.1 {first}")]))
    });
    replicas.iter().for_each(|(_, server)| server.synced());
    let watch = format!(
        "sentinel monitor {NAME} 127.0.0.1 {first} 2\nsentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 10000"
    );
    let sentinels = [Group::ours(), Group::ours(), Group::theirs()].map(|program| {
        let (_, lines) = encrypted(&certificate);
        Sentinel::start("sentinel", &program, &format!("{lines}\n{watch}"))
    });
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));

    master.process().kill().unwrap();
    let promoted = eventually_some(SOON, "the sentinels agree on another master", || {
        let shown: Vec<Option<u16>> = sentinels.iter().map(|s| s.master(NAME)).collect();
        replicas.iter().position(|(port, _)| shown.iter().all(|s| *s == Some(*port)))
    });
    let ((new, server), (_, other)) = (&replicas[promoted], &replicas[1 - promoted]);
    assert_eq!(server.info("role"), "master");
    eventually(SOON, "the other replica to follow over its encrypted port", || {
        other.info("master_port") == new.to_string() && other.info("master_link_status") == "up"
    });
}
