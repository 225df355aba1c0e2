//! What peers should not write, and do.

use mainstay_registry::{
    Discover, Lookup, Registry, ServiceKey,
    config::{ConfigError, ConfigKey},
    connect,
    dubbo::escape::encode,
};
use testbed::zookeeper::Server;

use crate::{
    bed::{LONG, shared},
    levels::dubbo_go,
    raw,
    support::{DEADLINE, eventually, follow_until, stock},
};

#[tokio::test]
async fn garbage_is_skipped_for_a_reason_and_good_ones_are_found() {
    let server = shared();
    let chroot = raw::chroot();
    let client = raw::client(&server.address().to_string()).await;
    for (name, _) in GARBAGE {
        raw::write(&client, &chroot, "a.B", &encode(name)).await;
    }
    raw::write(&client, &chroot, "a.B", "%zz").await;
    raw::write(&client, &chroot, "a.B", "no URL at all").await;
    let long = format!("tri://h:1/a.B?x={}", "y".repeat(70_000));
    raw::write(&client, &chroot, "a.B", &encode(&long)).await;
    // What Dubbo's Python peer writes, and a path of an unknown level beside the known ones.
    raw::write(&client, &chroot, "a.B", &encode("tri://127.0.0.1:9?service=a.B")).await;
    raw::write(&client, &chroot, "a.B/surprise", "x").await;

    // At one level with the others: who is found by application is taken alone.
    let url = format!("zookeeper://{}{chroot}?{LONG}&register-mode=interface", server.address());
    let hub = connect(&url).unwrap();
    let mut lease = hub.register(stock("one", &["a.B"]));
    lease.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    let lookup = Lookup::new(ServiceKey::new("a.B"));
    let mut changes = hub.subscribe(lookup);
    follow_until(&mut changes, &mut known, "two are good", |known| known.len() == 2).await;
    eventually("the others are told", async || hub.survey("a.B").skipped.len() == GARBAGE.len() + 3).await;
    let skipped = hub.survey("a.B").skipped;
    for (name, reason) in GARBAGE.iter().copied().chain([("no URL", "not-a-url"), (&long, "too-long")]) {
        let start: String = encode(name).chars().take(20).collect();
        let told = |(node, why): &(String, &str)| node.replace(' ', "+").starts_with(&start) && *why == reason;
        assert!(skipped.iter().any(told), "{name} {reason}: {skipped:?}");
    }
    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "one is left", |known| known.len() == 1).await;
}

/// A server whose limit was raised lets through what no peer of Dubbo's would read: as an instance, as the name of a
/// provider, as a list of applications, as what an application offers, and as a rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ten_megabytes_is_skipped_for_a_reason_and_good_ones_are_found() {
    const LARGE: usize = 10 << 20;
    let server = Server::roomy("zookeeper", 4 * LARGE);
    let (chroot, client) = (raw::chroot(), raw::client(&server.address().to_string()).await);
    let large = "y".repeat(LARGE);
    raw::keep(&client, &format!("{chroot}/dubbo/mapping/a.B"), &format!("huge,go,{large}")).await;
    raw::live(&client, &format!("{chroot}/services/huge/127.0.0.1:1"), &large).await;
    raw::keep(&client, &format!("{chroot}/dubbo/go/go-2"), &large).await;
    raw::live(&client, &format!("{chroot}/services/go/127.0.0.1:2"), &dubbo_go(2).to_json(0)).await;
    raw::write(&client, &chroot, "a.B", &large).await;
    let rule = ConfigKey::new("a.B::.configurators").unwrap();
    raw::keep(&client, &format!("{chroot}/dubbo/config/dubbo/{}", rule.name()), &large).await;

    let hub = connect(&format!("zookeeper://{}{chroot}?{LONG}", server.address())).unwrap();
    let mut lease = hub.register(stock("one", &["a.B"]));
    lease.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    let mut changes = hub.subscribe(Lookup::new(ServiceKey::new("a.B")));
    follow_until(&mut changes, &mut known, "the good ones", |known| known.len() == 2).await;
    assert!(known.iter().any(|one| one.id.as_str() == "one") && known.iter().any(|one| one.port == 2), "{known:?}");
    let told =
        |who: &str| hub.survey("a.B").skipped.iter().any(|(name, why)| name.starts_with(who) && *why == "too-long");
    eventually("the instance is told", async || told("127.0.0.1:1 of huge")).await;
    eventually("the provider is told", async || told("yyyy")).await;
    let error = hub.config_center().unwrap().get(&rule).await.unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    let listing = hub.inspect().unwrap().list(None).await.unwrap();
    assert!(listing.offers.iter().any(|offer| offer.instance.id.as_str() == "one"), "{:?}", listing.offers);
    assert_eq!(lease.repairs(), 0, "no session was lost");
    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "one left", |known| known.len() == 1).await;
}

/// What stands there, and why it is not taken.
const GARBAGE: &[(&str, &str)] = &[
    ("tri://127.0.0.1:1/a.B?weight=heavy", "parameter"),
    ("tri://127.0.0.1/a.B?x=1", "no-port"),
    ("tri://127.0.0.1:99999/a.B?", "no-port"),
    ("dubbo://127.0.0.1:2/a.B?side=provider", "protocol"),
    ("tri://127.0.0.1:3/a.B?enabled=false", "disabled"),
    ("tri://127.0.0.1:4/a.B?category=routers", "not-a-provider"),
    ("tri://127.0.0.1:5/a.B?mainstay.epoch=x", "parameter"),
    ("tri://a b:6/a.B?", "not-a-url"),
    ("override://0.0.0.0/a.B?category=configurators&weight=200", "not-a-provider"),
];
