//! Sentinels publish primary and replicas into a registry; a consumer follows a failover and a switchover there, once
//! each. In the embedded one, in a real ZooKeeper, and in a real Nacos.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay::backend::{PrimaryWatch, ReplicaWatch, Replicas};
use mainstay::registry::{Change, Changes, Discover, Hub, Instance, InstanceId, Lookup, Role, ServiceKey, connect};
use testbed::redis::{Sentinel, Server};
use testbed::{Scratch, eventually, nacos, tree, zookeeper};
use tokio::time::timeout;

/// Also for a session of ZooKeeper to expire.
const SOON: Duration = Duration::from_secs(60);
const NAME: &str = "mymaster";

async fn soon<T>(what: &str, future: impl Future<Output = Option<T>>) -> T {
    match timeout(SOON, future).await {
        Ok(Some(found)) => found,
        Ok(None) => panic!("the registry is gone before {what}"),
        Err(_) => panic!("waited {SOON:?} in vain for {what}"),
    }
}

/// Waits until the replicas are these.
async fn become_these(watch: &mut ReplicaWatch, ports: [u16; 2], epoch: impl Fn(u64) -> bool) -> Replicas {
    soon("the replicas", async {
        loop {
            let told = watch.next().await?;
            if epoch(told.epoch) && told.addresses.iter().map(|a| a.port).eq(ports) {
                return Some(told);
            }
        }
    })
    .await
}

/// Everything that is said of the backend, by whomever.
struct Claims {
    changes: Changes,
    known: BTreeMap<InstanceId, (u16, Role, u64)>,
}

impl Claims {
    fn of(hub: &Hub) -> Claims {
        Claims { changes: hub.subscribe(Lookup::new(ServiceKey::backend(NAME))), known: BTreeMap::new() }
    }

    /// Waits until what is said is such.
    async fn are(&mut self, what: &str, such: impl Fn(&[(u16, Role, u64)]) -> bool) {
        let Claims { changes, known } = self;
        let becomes = async {
            while !such(&known.values().copied().collect::<Vec<_>>()) {
                match changes.next().await? {
                    Change::Snapshot(all) => known.extend(all.into_iter().map(said)),
                    Change::Up(one) => known.extend([said(one)]),
                    Change::Down(id, _) => drop(known.remove(&id)),
                    _ => {}
                }
            }
            Some(())
        };
        let became = timeout(SOON, becomes).await;
        assert!(matches!(became, Ok(Some(()))), "waited in vain for {what}: {known:?}");
    }
}

fn said(instance: Arc<Instance>) -> (InstanceId, (u16, Role, u64)) {
    let (role, epoch) = instance.standing().unwrap();
    (instance.id.clone(), (instance.port, role, epoch))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_once_and_a_stale_sentinel_does_not_turn_it_back() {
    let dir = Scratch::new("registry").unwrap();
    followed(format!("file://{}", dir.join("r").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_zookeeper() {
    let server = tokio::task::spawn_blocking(|| zookeeper::Server::start("zookeeper")).await.unwrap();
    followed(format!("zookeeper://{}", server.address())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_nacos() {
    let server = tokio::task::spawn_blocking(|| nacos::Nacos::start("nacos")).await.unwrap();
    followed(format!("nacos://{}/sentinels", server.address())).await;
}

async fn followed(url: String) {
    let hub = connect(&url).unwrap();
    let mut primaries = PrimaryWatch::new(&hub, NAME);
    let mut replicas = ReplicaWatch::new(&hub, NAME);

    let mut master = Server::start("redis-0", &[]);
    let others = [Server::replica("redis-1", &master, &[]), Server::replica("redis-2", &master, &[])];
    others.iter().for_each(Server::synced);
    let old = master.port();
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {old} 2\nsentinel down-after-milliseconds {NAME} 500\n\
         sentinel failover-timeout {NAME} 10000\nsentinel registry {url}"
    );
    let ours = tree::built("mainstay-sentinel");
    let mut sentinels: Vec<_> = (0..3).map(|i| Sentinel::start(&format!("sentinel-{i}"), &ours, &lines)).collect();
    sentinels.iter().for_each(|s| s.knows(NAME, 2, 2));

    let first = soon("the primary", primaries.next()).await;
    assert_eq!((first.address.port, first.epoch), (old, 0));
    let mut ports = [others[0].port(), others[1].port()];
    ports.sort_unstable();
    become_these(&mut replicas, ports, |epoch| epoch == 0).await;
    assert!(sentinels.iter().all(|s| s.conf().contains(&format!("sentinel registry {url}\n"))), "a line is lost");

    // One sentinel misses what follows.
    sentinels[2].process().kill().unwrap();
    master.process().kill().unwrap();
    let second = soon("the next primary", primaries.next()).await;
    let new = second.address.port;
    assert!(ports.contains(&new) && second.epoch > 0, "{second:?}");
    let shown = || sentinels[..2].iter().all(|s| s.master(NAME) == Some(new));
    eventually(SOON, "the sentinels to show the same", shown);
    master.again();
    let mut rest = [old, *ports.iter().find(|p| **p != new).unwrap()];
    rest.sort_unstable();
    become_these(&mut replicas, rest, |epoch| epoch == second.epoch).await;

    // Then an operator wants another one.
    let ask = || sentinels[0].client().call(&["SENTINEL", "SWITCHOVER", NAME]).is_ok_and(|said| said.text() == "OK");
    eventually(SOON, "a switchover to be possible", ask);
    let third = soon("the primary after the switchover", primaries.next()).await;
    assert!(rest.contains(&third.address.port) && third.epoch > second.epoch, "{third:?}");
    let new = third.address.port;
    let mut rest = [old, ports[0], ports[1]].into_iter().filter(|p| *p != new);
    let rest = [rest.next().unwrap(), rest.next().unwrap()];
    let rest = [rest[0].min(rest[1]), rest[0].max(rest[1])];
    become_these(&mut replicas, rest, |epoch| epoch == third.epoch).await;
    eventually(SOON, "the sentinels to show the same", || sentinels[..2].iter().all(|s| s.master(NAME) == Some(new)));

    // It comes back with what held before, and says so for as long as nobody can tell it otherwise.
    let mut claims = Claims::of(&hub);
    sentinels[..2].iter_mut().for_each(|s| s.process().stop().unwrap());
    sentinels[2].again(&ours);
    claims.are("the stale claim", |said| said.contains(&(old, Role::Primary, 0))).await;
    assert!(timeout(Duration::ZERO, primaries.next()).await.is_err(), "turned back: {:?}", primaries.current());
    sentinels[..2].iter_mut().for_each(|s| s.process().cont().unwrap());
    eventually(SOON, "the stale sentinel to learn", || sentinels[2].master(NAME) == Some(new));
    claims.are("all to say the same", |said| said.iter().all(|(.., epoch)| *epoch == third.epoch)).await;
    assert!(timeout(Duration::ZERO, primaries.next()).await.is_err(), "told again: {:?}", primaries.current());
    assert_eq!(primaries.current(), Some(&third));

    // Nobody is left to say anything: what was known stays.
    for sentinel in &mut sentinels {
        sentinel.process().kill().unwrap();
    }
    claims.are("an empty registry", <[_]>::is_empty).await;
    assert!(timeout(Duration::ZERO, primaries.next()).await.is_err());
    assert!(timeout(Duration::ZERO, replicas.next()).await.is_err());
}
