//! What happens to wires.

use mainstay_registry::{Discover, LeaseState, Registry};
use testbed::Proxy;

use crate::{
    bed::{KEY, hub, lookup, namespace, never_down, shared, weighs},
    support::{DEADLINE, eventually, follow_until, stock},
};

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
    // The beat of the connection finds out, or a question over it that comes first.
    let silent = |why: String| why.contains("no sign of life") || why.contains("no answer within");
    eventually("it knows", async || lease.trouble().is_some_and(silent)).await;
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
