//! Masters of Redis and the sentinels that watch them are killed, stopped and cut off while clients write.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use testbed::{
    Hosts, Place, Scenario, Scratch, eventually,
    redis::{Ack, Group, Seeker, Sentinel, Writer, Writes},
    scenario::{Check, Sample},
    wait,
};

/// How long anything may take that follows from a fault.
const SOON: Duration = Duration::from_secs(60);
/// A master that answers nothing for so long is down.
const DOWN_AFTER: (&str, &str) = ("down-after-milliseconds", "300");
/// Writes before anything is done, and after all is done.
const MANY: usize = 300;

fn ours() -> [std::path::PathBuf; 3] {
    [Group::ours(), Group::ours(), Group::ours()]
}

/// A client that goes wherever writes are taken, and counts those that a replica has confirmed.
fn confirmed(group: &Group) -> Writer {
    let how = Writes { tag: "k", confirmed_by: Some(1), pause: Duration::from_millis(2) };
    let writer = Writer::start(&Place::Here, &group.addresses(), how);
    writer.wrote(MANY);
    writer
}

/// A write counts where it was acknowledged; it took as long as there had been none.
fn samples(acks: &[Ack], began: Instant) -> impl Iterator<Item = Sample> {
    acks.windows(2).map(move |pair| Sample {
        due: pair[0].at.saturating_duration_since(began),
        took: pair[1].at - pair[0].at,
        fine: true,
    })
}

fn longest(acks: &[Ack]) -> Duration {
    acks.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default()
}

/// What was confirmed is where writes go now; the writer went on.
fn nothing_is_lost(scenario: &mut Scenario, group: &Group, writer: Writer, master: usize) {
    let (acks, lost) = writer.end_and_lost(group.servers[master].client());
    let began = acks[0].at;
    scenario.calls("confirmed writes", began, samples(&acks, began));
    println!("{} writes; none for {:?} at most", acks.len(), longest(&acks));
    scenario.check(Check::none("confirmed writes that are lost", lost));
    let at_the_new = acks.iter().filter(|ack| ack.by == master).count();
    scenario.check(Check::at_least("writes at the new master", at_the_new as f64, 1.0, ""));
}

#[test]
fn a_killed_master_loses_no_confirmed_write() {
    let mut scenario = Scenario::new(
        "a_killed_master_loses_no_confirmed_write",
        "The master of two replicas is killed while a client writes, with a replica's confirmation of each.",
    );
    let mut group = Group::start(&ours(), &[DOWN_AFTER, ("failover-timeout", "10000")]);
    let writer = confirmed(&group);
    let (old, from) = (group.servers[0].port(), scenario.now());
    group.servers[0].process().kill().unwrap();
    let next = group.agreed(old);
    let took = scenario.now() - from;
    scenario.fault("the master is killed", from..from + took, 1, "masters");
    scenario.check(Check::within("all sentinels show another master", took, Duration::from_secs(3)));
    group.servers[0].again();
    group.settled(next, &[0, 1, 2]);
    nothing_is_lost(&mut scenario, &group, writer, next);
    scenario.end();
}

#[test]
fn a_master_that_is_stopped_and_wakes_takes_no_write_any_more() {
    let mut scenario = Scenario::new(
        "a_master_that_is_stopped_and_wakes_takes_no_write_any_more",
        "The master is stopped until another one is promoted; then it goes on, and is demoted before it takes a write.",
    );
    let settings = [DOWN_AFTER, ("failover-timeout", "10000"), ("fencing", "on-return")];
    let mut group = Group::start(&ours(), &settings);
    let old = group.servers[0].address();
    // Clients that stay with the old one, come what may.
    let stale = Writes { tag: "stale", confirmed_by: None, pause: Duration::from_millis(1) };
    let stale = Writer::start(&Place::Here, &[old], stale);
    stale.wrote(MANY);
    let from = scenario.now();
    group.servers[0].process().stop().unwrap();
    let next = group.agreed(old.port());
    let (to, woke) = (scenario.now(), Instant::now());
    scenario.fault("the master is stopped", from..to, 1, "masters");
    group.servers[0].process().cont().unwrap();
    group.settled(next, &[0, 1, 2]);
    let demoted = woke.elapsed();
    let acks = stale.end();
    // What was under way when it was stopped is answered when it wakes; the demotion was waiting there before.
    let late = acks.iter().filter(|ack| ack.at > woke).count();
    scenario.calls("writes at the old master", acks[0].at, samples(&acks, acks[0].at));
    scenario.check(Check::within("it follows the new one", demoted, Duration::from_secs(5)));
    scenario.check(Check::at_most("writes that it took after it woke", late as f64, 1.0, ""));
    scenario.end();
}

#[test]
fn a_master_that_is_cut_off_takes_no_write_after_another_does() {
    let mut scenario = Scenario::new(
        "a_master_that_is_cut_off_takes_no_write_after_another_does",
        "The master and a client are cut off from the rest, which promotes another; a gate keeps the old one from writes.",
    );
    let hosts = Arc::new(Hosts::new(&["h0", "h1", "h2"]).unwrap());
    let places = ["h0", "h1", "h2"].map(|name| Place::On(hosts.clone(), name.to_owned()));
    let settings = [DOWN_AFTER, ("failover-timeout", "10000"), ("fencing", "gate 1")];
    let group = Group::at(&places, &ours(), &settings);
    let old = group.servers[0].address();
    for server in &group.servers {
        eventually(SOON, "the gate to be set", || {
            let reply = server.client().call(&["CONFIG", "GET", "min-replicas-to-write"]);
            reply.is_ok_and(|reply| reply.items().get(1).is_some_and(|value| value.text() == "1"))
        });
    }
    let stale = Writes { tag: "stale", confirmed_by: None, pause: Duration::from_millis(1) };
    let stale = Writer::start(&places[0], &[old], stale);
    stale.wrote(MANY);
    let asked: Vec<_> = group.sentinels[1..].iter().map(Sentinel::address).collect();
    let seeker = Seeker::start(&places[1], &asked, old);
    let from = scenario.now();
    hosts.partition(&["h0"], &["h1", "h2"]).unwrap();
    let found = seeker.found();
    let (to, dropped) = (scenario.now(), hosts.dropped("h0").unwrap());
    scenario.fault("the master's host is cut off", from..to, dropped, "packets");
    hosts.heal().unwrap();
    let next = group.servers.iter().position(|server| server.address() == found.master).unwrap();
    group.settled(next, &[0, 1, 2]);
    let acks = stale.end();
    let late = acks.iter().filter(|ack| ack.at > found.written).count();
    scenario.calls("writes at the old master", acks[0].at, samples(&acks, acks[0].at));
    scenario.check(Check::none("writes at the old master after the first at the new", late));
    scenario.end();
}

#[test]
fn without_a_quorum_nothing_is_promoted() {
    let mut scenario = Scenario::new(
        "without_a_quorum_nothing_is_promoted",
        "Two of three sentinels are stopped and the master killed: nothing is promoted until one of the two goes on.",
    );
    let mut group = Group::start(&ours(), &[DOWN_AFTER, ("failover-timeout", "3000")]);
    let writer = confirmed(&group);
    let (old, from) = (group.servers[0].port(), scenario.now());
    for sentinel in &mut group.sentinels[1..] {
        sentinel.process().stop().unwrap();
    }
    group.servers[0].process().kill().unwrap();
    eventually(SOON, "the third notices", || group.sentinels[0].process_output().contains("+sdown master"));
    let promoted = || group.servers[1..].iter().any(|server| server.info("role") == "master");
    let early = wait::poll(Duration::from_secs(4), || promoted().then_some(())).is_some();
    let alone = group.sentinels[0].master("mymaster") == Some(old);
    scenario.fault("two of three sentinels are stopped", from..scenario.now(), 2, "sentinels");
    scenario.check(Check::none("promotions without a quorum", early.into()));
    scenario.check(Check::all("the third shows the old master", alone.into(), 1));
    group.sentinels[1].process().cont().unwrap();
    eventually(SOON, "a promotion", promoted);
    group.sentinels[2].process().cont().unwrap();
    let next = group.agreed(old);
    group.servers[0].again();
    group.settled(next, &[0, 1, 2]);
    nothing_is_lost(&mut scenario, &group, writer, next);
    scenario.end();
}

/// A script that notes that it ran, and succeeds once it is allowed to.
fn fence(dir: &Scratch) -> String {
    let here = dir.path().display();
    let path = dir.write("fence.sh", format!("#!/bin/sh\necho ran >> {here}/ran\ntest -e {here}/allowed\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn ran(dir: &Path) -> bool {
    dir.join("ran").exists()
}

#[test]
fn a_leader_that_dies_in_its_failover_is_followed_by_another() {
    let mut scenario = Scenario::new(
        "a_leader_that_dies_in_its_failover_is_followed_by_another",
        "The master is killed; the sentinel that leads the failover waits for a fence, and is killed there.",
    );
    let dir = Scratch::new("fence").unwrap();
    let fencing = format!("command {}", fence(&dir));
    let mut group = Group::start(&ours(), &[DOWN_AFTER, ("failover-timeout", "2000"), ("fencing", &fencing)]);
    let writer = confirmed(&group);
    let (old, from) = (group.servers[0].port(), scenario.now());
    group.servers[0].process().kill().unwrap();
    eventually(SOON, "the fence to be tried", || ran(dir.path()));
    let leads = |sentinel: &Sentinel| sentinel.process_output().contains("+elected-leader");
    let leader = group.sentinels.iter().position(leads).expect("somebody leads");
    group.sentinels[leader].process().kill().unwrap();
    let died = scenario.now();
    let untouched = group.servers[1..].iter().all(|server| server.info("role") == "slave");
    dir.write("allowed", "").unwrap();
    let others: Vec<&Sentinel> =
        group.sentinels.iter().enumerate().filter(|(n, _)| *n != leader).map(|(_, s)| s).collect();
    eventually(SOON, "the others show another master", || {
        others.iter().all(|sentinel| sentinel.master("mymaster").is_some_and(|port| port != old))
    });
    let took = scenario.now() - died;
    scenario.fault("the master is killed", from..died, 1, "masters");
    scenario.fault("the leader is killed", died..died + took, untouched.into(), "failovers under way");
    // The others give the dead leader twice the failover's time.
    scenario.check(Check::within("another leads it to its end", took, Duration::from_secs(15)));
    let program = Group::ours();
    group.sentinels[leader].again(&program);
    let next = group.agreed(old);
    group.servers[0].again();
    group.settled(next, &[0, 1, 2]);
    nothing_is_lost(&mut scenario, &group, writer, next);
    scenario.end();
}
