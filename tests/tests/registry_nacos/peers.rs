//! Where others write too: garbage, crowds, operators, and what Nacos' own client for Rust sees of us.

use std::time::Duration;

use mainstay_registry::{Change, Discover, Instance, InstanceId, LeaseState, Registration, Registry, ServiceKey};
use testbed::Proxy;
use tokio::time::Instant;

use crate::{
    ENTRY,
    bed::{KEY, hub, lookup, namespace, shared},
    child::Provider,
    raw,
    support::{DEADLINE, eventually, follow_until, stock},
};

/// The service that providers of [`KEY`] stand under.
const PROVIDERS: &str = "providers:a.B:1:";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_skipped_for_a_reason_and_hides_nobody() {
    let (nacos, namespace) = (shared(), namespace());
    let good = r#"{"protocol":"tri","path":"a.B","version":"1"}"#;
    for (port, metadata) in [
        ("1", "{}"),
        ("2", r#"{"protocol":"dubbo","path":"a.B","version":"1"}"#),
        ("3", r#"{"protocol":"tri","path":"a.B","version":"1","weight":"much"}"#),
        ("4", r#"{"protocol":"tri","path":"a.B","version":"1","side":"consumer"}"#),
        ("5", r#"{"protocol":"tri","path":"a.B","version":"1","mainstay.epoch":"-1"}"#),
        ("6", good),
    ] {
        raw::put(&nacos, &namespace, PROVIDERS, ("10.0.0.1", port), metadata);
    }
    let consumer = hub(nacos.address(), &namespace);
    let mut changes = consumer.subscribe(lookup());
    let mut known = vec![];
    follow_until(&mut changes, &mut known, "the good one", |known| known.len() == 1).await;
    assert_eq!((known[0].host.as_str(), known[0].port), ("10.0.0.1", 6));
    let reasons = async || {
        let mut reasons: Vec<_> = consumer.survey("a.B").skipped.into_iter().map(|(_, reason)| reason).collect();
        reasons.sort_unstable();
        reasons
    };
    let expected = ["not-a-provider", "parameter", "parameter", "protocol", "protocol"];
    eventually("all reasons", async || reasons().await == expected).await;
}

/// A thousand registrations of one service are a handful of requests, and nobody is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_instances() {
    const COUNT: usize = 1000;
    let (nacos, namespace) = (shared(), namespace());
    let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    let since = Instant::now();
    let one = |n: usize| {
        let port = u16::try_from(20_000 + n).unwrap();
        let instance = Instance::new("stock", "127.0.0.1", port).with_id(InstanceId::new(n.to_string()));
        provider.register(Registration::new(instance, [KEY.parse::<ServiceKey>().unwrap()]))
    };
    let mut leases: Vec<_> = (0..COUNT).map(one).collect();
    follow_until(&mut changes, &mut known, "all are up", |known| known.len() == COUNT).await;
    println!("{COUNT} instances known after {:?}", since.elapsed());
    for lease in &mut leases {
        lease.registered(DEADLINE).await.unwrap();
    }
    let late = Instant::now();
    let mut others = vec![];
    follow_until(&mut hub(nacos.address(), &namespace).subscribe(lookup()), &mut others, "all", |known| {
        known.len() == COUNT
    })
    .await;
    println!("a new consumer knows them after {:?}", late.elapsed());
    let half = leases.split_off(COUNT / 2);
    drop(half);
    follow_until(&mut changes, &mut known, "half of them left", |known| known.len() == COUNT / 2).await;
    assert!(leases.iter().all(|lease| lease.state() == LeaseState::Registered && lease.repairs() == 0));
}

/// An operator takes an instance off by hand, under its application and under its interface: nobody calls it, it is not
/// fought over, and it comes back when he says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_an_operator_switched_off_stays_off() {
    let (nacos, namespace) = (shared(), namespace());
    let wire = Proxy::start(nacos.address()).unwrap();
    let behind = format!("{namespace}?grpc-port={}", nacos.grpc_address().port());
    let (provider, consumer) = (hub(wire.addr(), behind), hub(nacos.address(), &namespace));
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    let port = known[0].port.to_string();
    let services = [PROVIDERS, "stock"];
    let metadata = services.map(|service| raw::hosts(&nacos, &namespace, service)[0]["metadata"].to_string());
    for (enabled, count) in [("false", 0), ("true", 1)] {
        for (service, metadata) in services.iter().zip(&metadata) {
            let form = [
                ("namespaceId", namespace.as_str()),
                ("serviceName", service),
                ("ip", "127.0.0.1"),
                ("port", &port),
                ("ephemeral", "true"),
                ("enabled", enabled),
                ("metadata", metadata),
            ];
            assert_eq!(nacos.ask("PUT", "/nacos/v1/ns/instance", &form).body, "ok");
        }
        follow_until(&mut changes, &mut known, enabled, |known| known.len() == count).await;
        // It is read back meanwhile: each look is a connection.
        let looks = wire.counts().accepted;
        eventually("it is read back", async || wire.counts().accepted > looks + 4).await;
    }
    assert_eq!((lease.state(), lease.repairs()), (LeaseState::Registered, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_metadata_than_the_server_takes_is_told() {
    let (nacos, namespace) = (shared(), namespace());
    let provider = hub(nacos.address(), &namespace);
    let mut registration = stock("one", &[KEY]);
    registration.instance.labels.insert("note".to_owned(), "x".repeat(1000));
    let mut lease = provider.register(registration);
    eventually("it is told", async || lease.trouble().is_some_and(|why| why.contains("at most 1024 are taken"))).await;
    lease.update(|instance| instance.labels.clear());
    lease.registered(DEADLINE).await.unwrap();
}

/// Two instances of one process under one service: the server keeps one entry per connection, and both are in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_of_one_process_are_two_and_leave_one_by_one() {
    let (nacos, namespace) = (shared(), namespace());
    let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    let mut leases = Vec::new();
    for (id, port) in [("one", 7001), ("two", 7002)] {
        let mut registration = stock(id, &[KEY]);
        registration.instance.port = port;
        let mut lease = provider.register(registration);
        lease.registered(DEADLINE).await.unwrap();
        leases.push(lease);
    }
    follow_until(&mut changes, &mut known, "both are up", |known| known.len() == 2).await;
    leases.remove(0).withdraw(DEADLINE).await.unwrap();
    let heard = follow_until(&mut changes, &mut known, "one is left", |known| known.len() == 1).await;
    assert!(matches!(&heard[..], [Change::Down(id, _)] if id.as_str() == "one"), "{heard:?}");
    leases.remove(0).withdraw(Duration::from_secs(5)).await.unwrap();
    follow_until(&mut changes, &mut known, "nobody is left", <[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_process_is_found_and_says_goodbye() {
    let (nacos, namespace) = (shared(), namespace());
    let consumer = hub(nacos.address(), &namespace);
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    let provider = Provider::start(ENTRY, &format!("nacos://{}/{namespace}", nacos.address()), "one", KEY);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    provider.leave();
    follow_until(&mut changes, &mut known, "it left", <[_]>::is_empty).await;
}
