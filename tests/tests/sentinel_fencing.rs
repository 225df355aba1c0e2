//! Fences against real Redis servers: a master that is stopped and wakes, and one that a script must make sure of.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use testbed::redis::{Group, NAME, Server};
use testbed::{Scratch, eventually};

const SOON: Duration = Duration::from_secs(30);

/// A group of ours with a fence.
fn fenced(fencing: &str) -> Group {
    let settings = [("down-after-milliseconds", "300"), ("failover-timeout", "10000"), ("fencing", fencing)];
    Group::start(&[Group::ours(), Group::ours(), Group::ours()], &settings)
}

/// The server all sentinels show, once that is not the first one.
fn promoted(group: &Group) -> &Server {
    &group.servers[group.agreed(group.servers[0].port())]
}

/// A script that notes its arguments in `ran`, and succeeds once `allowed` exists.
fn script(dir: &Scratch) -> String {
    let text = format!("#!/bin/sh\necho \"$@\" >> {0}/ran\ntest -e {0}/allowed\n", dir.path().display());
    let path = dir.write("fence.sh", text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn nothing_is_promoted_before_the_fence_script_succeeds() {
    let dir = Scratch::new("fence").unwrap();
    let mut group = fenced(&format!("command {}", script(&dir)));
    let old = group.servers[0].port();
    group.servers[0].process().stop().unwrap();
    eventually(SOON, "the script to be tried again", || lines(&dir.join("ran")).len() > 1);
    assert!(group.servers[1..].iter().all(|s| s.info("role") == "slave"));
    assert!(group.sentinels.iter().all(|s| s.master(NAME) == Some(old)));
    dir.write("allowed", "").unwrap();
    let next = promoted(&group);
    assert_eq!(next.info("role"), "master");
    let last = lines(&dir.join("ran")).pop().unwrap();
    assert_eq!(last, format!("{NAME} 127.0.0.1 {old} 127.0.0.1 {}", next.port()));
}

#[test]
fn a_stopped_master_that_wakes_finds_its_demotion_waiting() {
    let mut group = fenced("on-return");
    group.servers[0].process().stop().unwrap();
    let next = promoted(&group).port().to_string();
    group.servers[0].process().cont().unwrap();
    let begin = Instant::now();
    eventually(SOON, "the old master to follow", || group.servers[0].info("master_port") == next);
    // A redis-sentinel takes ten seconds for it.
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn the_gate_is_set_everywhere_and_waited_for_only_without_proof_of_death() {
    let mut group = fenced("gate 1");
    for server in &group.servers {
        eventually(SOON, "the gate to be set", || {
            let get = |key| server.client().call(&["CONFIG", "GET", key]).unwrap().items()[1].text();
            (get("min-replicas-to-write"), get("min-replicas-max-lag")) == ("1".into(), "1".into())
        });
    }
    let begin = Instant::now();
    group.servers[0].process().stop().unwrap();
    let next = promoted(&group).port();
    assert!(begin.elapsed() > Duration::from_secs(3), "{:?}: the gate had not closed yet", begin.elapsed());
    group.servers[0].process().cont().unwrap();
    let follows = |i: usize| group.servers[i].info("master_port") == next.to_string();
    let others = (0..3).filter(|i| group.servers[*i].port() != next).collect::<Vec<_>>();
    eventually(SOON, "the others to follow", || others.iter().all(|i| follows(*i)));
}

#[test]
fn a_master_that_is_proved_dead_is_not_waited_for() {
    let mut group = fenced("gate 1");
    let begin = Instant::now();
    group.servers[0].process().kill().unwrap();
    promoted(&group);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
