//! What peers should not write, and do.

use mainstay_registry::{Discover, Lookup, Registry, ServiceKey, connect, dubbo::escape::encode};
use testbed::zookeeper::Server;

use crate::{
    conform::SESSION,
    raw,
    support::{DEADLINE, eventually, follow_until, stock},
};

#[tokio::test]
async fn garbage_is_skipped_for_a_reason_and_good_ones_are_found() {
    let server = Server::start("zookeeper");
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
    let url = format!("zookeeper://{}{chroot}?{SESSION}&register-mode=interface", server.address());
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
