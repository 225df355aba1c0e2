//! Planned switchovers of real Redis servers under load: nothing acknowledged is lost, and the gap is short.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use testbed::redis::{NAME, Reply, Sentinel, Server, Writer, Writes};
use testbed::{Place, eventually, eventually_some, tree};

const SOON: Duration = Duration::from_secs(30);

/// What was acknowledged, and the longest time between two acknowledgements.
fn end(writer: Writer) -> (Vec<String>, Duration) {
    let acks = writer.end();
    let gap = acks.windows(2).map(|w| w[1].at - w[0].at).max().unwrap_or_default();
    (acks.iter().map(|a| format!("k{}", a.key)).collect(), gap)
}

#[test]
fn a_switchover_loses_nothing() {
    let ours = tree::built("mainstay-sentinel");
    let master = Server::start("redis-0", &[]);
    let servers = [Server::replica("redis-1", &master, &[]), Server::replica("redis-2", &master, &[]), master];
    servers[..2].iter().for_each(Server::synced);
    let mut port = servers[2].port();
    let lines = format!("sentinel monitor {NAME} 127.0.0.1 {port} 2\nsentinel failover-timeout {NAME} 10000");
    let sentinels = [0, 1, 2].map(|i| Sentinel::start(&format!("sentinel-{i}"), &ours, &lines));
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));
    let addresses: Vec<_> = servers.iter().map(Server::address).collect();
    let how = Writes { tag: "k", confirmed_by: None, pause: Duration::ZERO };
    let runs = if std::env::var_os(testbed::seed::LONG).is_some() { 20 } else { 5 };
    let mut gaps = Vec::new();
    for run in 0..runs {
        let writer = Writer::start(&Place::Here, &addresses, how.clone());
        writer.wrote(200);
        // Asked of another one each time, at once: it may not have heard that the last one is over.
        let asked = &sentinels[run % 3];
        eventually(SOON, "a switchover to be taken on", || {
            asked.client().call(&["SENTINEL", "FAILOVER", NAME]).unwrap().text() == "OK"
        });
        port = eventually_some(SOON, "the sentinels to agree on another master", || {
            let shown = sentinels[0].master(NAME).filter(|p| *p != port)?;
            sentinels.iter().all(|s| s.master(NAME) == Some(shown)).then_some(shown)
        });
        let next = servers.iter().find(|s| s.port() == port).unwrap();
        for other in servers.iter().filter(|s| s.port() != port) {
            eventually(SOON, "a replica to follow", || {
                other.info("master_port") == port.to_string() && other.info("master_link_status") == "up"
            });
        }
        let (keys, gap) = end(writer);
        let mut client = next.client();
        let lost = keys.iter().filter(|k| client.call(&["EXISTS", k]).unwrap() != Reply::Int(1)).count();
        assert_eq!(lost, 0, "run {run}: {lost} of {} acknowledged writes lost", keys.len());
        client.call(&["FLUSHALL"]).unwrap();
        gaps.push(gap.as_millis());
    }
    gaps.sort_unstable();
    println!("longest gap between two acknowledgements, ms: {gaps:?}");
    assert!(gaps[gaps.len() / 2] < 250, "{gaps:?}");
}
