//! Everything at once: the leader of the registry's ensemble dies while the shop is restarted process by process, and a
//! master of Redis dies meanwhile.

use std::time::Duration;

use testbed::{
    Place, Scenario,
    redis::{Group, Writer, Writes},
    scenario::Check,
    zookeeper,
};
use tokio::task::spawn_blocking;

use crate::rolling::{loses_nothing, rolls};

/// Calls a second: beside them sixteen processes start, elect and are replaced.
const RATE: u32 = 200;
/// Writes before the master dies.
const MANY: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_and_a_master_that_die_in_a_rolling_restart_lose_nothing() {
    let scenario = Scenario::new(
        "a_leader_and_a_master_that_die_in_a_rolling_restart_lose_nothing",
        "All processes of the shop are replaced; meanwhile the leader of three ZooKeeper servers and a Redis master die.",
    );
    let (ensemble, group) = spawn_blocking(|| {
        let ours = [Group::ours(), Group::ours(), Group::ours()];
        let group = Group::start(&ours, &[("down-after-milliseconds", "500"), ("failover-timeout", "10000")]);
        (zookeeper::Ensemble::start("ensemble"), group)
    })
    .await
    .unwrap();
    let url = format!("zookeeper://{}/combined?session=2000", ensemble.addresses());
    let (mut ensemble, mut group) = (ensemble, group);
    loses_nothing(scenario, url, RATE, move |shop, scenario| {
        let how = Writes { tag: "k", confirmed_by: Some(1), pause: Duration::from_millis(5) };
        let writer = Writer::start(&Place::Here, &group.addresses(), how);
        writer.wrote(MANY);
        let (old, leader, from) = (group.servers[0].port(), ensemble.leader().unwrap(), scenario.now());
        group.servers[0].process().kill().unwrap();
        ensemble.server(leader).process().kill().unwrap();
        rolls(shop, scenario);
        let next = group.agreed(old);
        scenario.fault("the master dies", from..scenario.now(), 1, "masters");
        let another = ensemble.leader().is_some_and(|now| now != leader);
        scenario.fault("the leader dies", from..scenario.now(), another.into(), "leaders that were followed");
        let (acks, lost) = writer.end_and_lost(group.servers[next].client());
        let after = acks.iter().filter(|ack| ack.by == next).count();
        scenario.check(Check::none("confirmed writes that are lost", lost));
        scenario.check(Check::at_least("writes at the new master", after as f64, 1.0, ""));
        ensemble
    })
    .await;
}
