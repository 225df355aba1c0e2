//! What happens to servers, wires and passwords.

use std::{path::Path, time::Duration};

use mainstay_registry::{Discover, LeaseState, Registry, connect};
use testbed::{Nacos, Proxy, Scratch, nacos::USER};
use tokio::time::Instant;

use crate::{
    bed::{KEY, hub, lookup, namespace, never_down, shared, weighs},
    support::{DEADLINE, eventually, follow_until, stock},
};

/// Within this time everything is as it was, once a server is ready.
const BACK: Duration = Duration::from_secs(20);

/// Kills the server, starts it again, and sees that nobody was lost meanwhile.
async fn restarted(nacos: &mut Nacos, with_data: bool) {
    let namespace = namespace();
    let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    nacos.process().kill().unwrap();
    eventually("the consumer knows", async || consumer.survey("a.B").unwell.is_some()).await;
    eventually("the provider knows", async || lease.trouble().is_some()).await;
    assert!(consumer.survey("a.B").hold.is_some_and(|hold| hold.count == 1), "{:?}", consumer.survey("a.B"));
    if with_data {
        nacos.again()
    } else {
        nacos.afresh()
    }
    let ready = Instant::now();
    eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none()).await;
    println!("registered {:?} after the server was ready, with data: {with_data}", ready.elapsed());
    lease.set_weight(7);
    never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(7)).await);
    println!("  and seen after {:?}", ready.elapsed());
    assert!(ready.elapsed() < BACK, "{:?}", ready.elapsed());
    let mut late = vec![];
    follow_until(&mut hub(nacos.address(), &namespace).subscribe(lookup()), &mut late, "by others", weighs(7)).await;
    lease.withdraw(DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_with_its_data_or_empty_costs_nothing() {
    let mut nacos = Nacos::start("nacos");
    restarted(&mut nacos, true).await;
    restarted(&mut nacos, false).await;
}

/// The wire of the provider is cut for longer than the server waits: others do not see it any more, until it heals. The
/// connection that was cut does not keep what it offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_cut_off_comes_back_by_itself() {
    let (nacos, namespace) = (shared(), namespace());
    let wire = Proxy::start(nacos.grpc_address()).unwrap();
    let provider = hub(nacos.address(), format!("{namespace}?grpc-port={}", wire.addr().port()));
    let consumer = hub(nacos.address(), &namespace);
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    wire.black_hole();
    eventually("it knows", async || lease.trouble().is_some_and(|why| why.contains("no sign of life"))).await;
    wire.cut();
    follow_until(&mut changes, &mut known, "it is down", <[_]>::is_empty).await;
    wire.heal();
    eventually("what was held back is counted", async || wire.counts().held > 0).await;
    follow_until(&mut changes, &mut known, "it is up again", |known| known.len() == 1).await;
    eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none()).await;
    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "it left", <[_]>::is_empty).await;
}

/// The wire of the consumer is cut: it keeps what it knew, says so, and hears of what happened meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_cut_off_keeps_what_it_knew() {
    let (nacos, namespace) = (shared(), namespace());
    let wire = Proxy::start(nacos.grpc_address()).unwrap();
    let consumer = hub(nacos.address(), format!("{namespace}?grpc-port={}", wire.addr().port()));
    let provider = hub(nacos.address(), &namespace);
    let mut lease = provider.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    wire.black_hole();
    eventually("it knows", async || consumer.survey("a.B").unwell.is_some()).await;
    eventually("it is kept", async || consumer.survey("a.B").hold.is_some_and(|hold| hold.count == 1)).await;
    lease.set_weight(7);
    wire.heal();
    eventually("what was held back is counted", async || wire.counts().held > 0).await;
    never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(7)).await);
    eventually("it is well", async || consumer.survey("a.B").unwell.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_costs_nobody_his_providers() {
    let (nacos, namespace) = (shared(), namespace());
    let wire = Proxy::start(nacos.grpc_address()).unwrap();
    let hub = hub(nacos.address(), format!("{namespace}?grpc-port={}", wire.addr().port()));
    let mut lease = hub.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let (mut changes, mut known) = (hub.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    for weight in 1..=5 {
        assert!(wire.reset() > 0, "there was no connection to reset");
        lease.set_weight(weight);
        never_down(&follow_until(&mut changes, &mut known, "the new weight", weighs(weight)).await);
    }
    assert!(wire.counts().reset >= 5, "{:?}", wire.counts());
    eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut nacos = Nacos::start("nacos");
    nacos.process().kill().unwrap();
    let namespace = namespace();
    let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
    let since = Instant::now();
    let mut lease = provider.register(stock("one", &[KEY]));
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    eventually("why is said", async || lease.trouble().is_some_and(|why| why.contains("refused"))).await;
    eventually("why is said", async || consumer.survey("a.B").unwell.is_some_and(|why| why.contains("refused"))).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(lease.state(), LeaseState::Pending);
    nacos.again();
    let ready = Instant::now();
    follow_until(&mut changes, &mut known, "they find each other", |known| known.len() == 1).await;
    println!("found {:?} after the server was ready", ready.elapsed());
    lease.registered(DEADLINE).await.unwrap();
    assert!(ready.elapsed() < BACK, "{:?}", ready.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_and_a_wrong_password_is_told_in_the_servers_words() {
    let nacos = Nacos::guarded("nacos", "open sesame");
    let (namespace, dir) = (namespace(), Scratch::new("secrets").unwrap());
    let user = dir.write("user", USER).unwrap();
    let url = |password: &Path| {
        let (user, password) = (user.display(), password.display());
        format!("nacos://{}/{namespace}?user=file:{user}&password=file:{password}", nacos.address())
    };
    let good = connect(&url(&dir.write("good", "open sesame\n").unwrap())).unwrap();
    let mut lease = good.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    let mut known = vec![];
    follow_until(&mut good.subscribe(lookup()), &mut known, "it is up", |known| known.len() == 1).await;

    let nobody = hub(nacos.address(), &namespace);
    let bad = connect(&url(&dir.write("bad", "simsala").unwrap())).unwrap();
    for (hub, words) in [(bad, "HTTP 403: user not found!"), (nobody, "403: user not found!")] {
        let since = Instant::now();
        let mut refused = hub.register(stock("two", &[KEY]));
        let _changes = hub.subscribe(lookup());
        let says = |text: Option<String>| text.is_some_and(|why| why.contains(words));
        eventually("why is said to the provider", async || says(refused.trouble())).await;
        eventually("and to the consumer", async || says(hub.survey("a.B").unwell)).await;
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert_eq!(refused.state(), LeaseState::Pending);
        let shown = format!("{hub:?} {:?} {}", refused.trouble(), Registry::describe(&hub));
        assert!(!shown.contains("simsala"), "{shown}");
        assert!(refused.registered(Duration::from_secs(1)).await.is_err());
    }
}
