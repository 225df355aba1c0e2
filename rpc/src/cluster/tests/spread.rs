//! Calls that go to several instances, and what callers get instead of failures, through the whole stack.

use super::*;
use crate::client::{Degrade, FailbackOptions, FaultPolicy};

const NOW: Way = Way::After(Duration::ZERO);

/// Servers that answer so, from port 1 on.
fn world(ways: &[Way]) -> World {
    let mut world = World::default();
    ways.iter().zip(1..).for_each(|(way, port)| drop(world.serve(port, *way).seen(port)));
    world
}

/// A client that is connected to all of so many.
async fn connected(world: &World, count: usize, set_up: impl FnOnce(Builder) -> Builder) -> Client {
    let client = world.client_with(|builder| set_up(builder.outliers(None).breaker(None)));
    for _ in 0..200 {
        if client.connectivity().iter().filter(|state| state.connections > 0).count() == count {
            break;
        }
        // What is not watched here goes to one of all.
        let _ = client.with(timeout(MS)).unary::<u32, u32, Status>(WRITE, 1).await;
    }
    client
}

fn counts(world: &World, name: &str) -> Vec<usize> {
    world.servers.keys().map(|port| world.seen(*port).iter().filter(|seen| **seen == name).count()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_of_two_counts_and_the_other_is_cancelled() {
    let world = world(&[Way::Never, NOW]);
    let forking =
        |builder: Builder| builder.method_fault_policy("Read", FaultPolicy::Forking { forks: 2, writes: false });
    let client = connected(&world, 2, forking).await;
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(unary(&client, READ).await.unwrap(), 2);
    }
    assert_eq!((began.elapsed(), counts(&world, "read")), (Duration::ZERO, vec![10, 10]));
    until("the others are cancelled", || client.connectivity().iter().all(|state| state.calls == 0)).await;
    world.turn(1, Way::Unavailable);
    world.turn(2, Way::Unavailable);
    let error = unary(&client, READ).await.unwrap_err();
    assert_eq!((error.reason(), counts(&world, "read")), (Reason::RemoteUnavailable, vec![11, 11]), "once each");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_idempotent_is_asked_of_one_unless_that_is_allowed() {
    for (writes, total) in [(false, 1), (true, 3)] {
        let world = world(&[NOW, NOW, NOW]);
        let client =
            connected(&world, 3, |builder| builder.fault_policy(FaultPolicy::Forking { forks: 3, writes })).await;
        let before: usize = counts(&world, "write").iter().sum();
        unary(&client, WRITE).await.unwrap();
        until("all have seen it", || counts(&world, "write").iter().sum::<usize>() == before + total).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_everybody_once_and_tells_of_each_failure() {
    let world = world(&[NOW, NOW, NOW]);
    // Nobody is connected yet.
    let client = world.client_with(|builder| builder.method_fault_policy("Write", FaultPolicy::Broadcast));
    assert_eq!(unary(&client, WRITE).await.unwrap(), 1, "the answer of the first");
    assert_eq!(counts(&world, "write"), [1, 1, 1]);
    world.turn(2, Way::Unavailable);
    let error = unary(&client, WRITE).await.unwrap_err();
    assert_eq!((error.message(), error.retryable()), ("1 of 3 instances failed, one with: not today", false));
    assert_eq!(counts(&world, "write"), [2, 2, 2], "and nobody twice");
    world.kill(3).await;
    let error = unary(&client, WRITE).await.unwrap_err();
    assert!(error.message().starts_with("2 of 3 instances failed"), "{error}");
    let nobody = World::default().client_with(|builder| builder.fault_policy(FaultPolicy::Broadcast));
    assert_eq!(unary(&nobody, WRITE).await.unwrap_err().reason(), Reason::NoInstance);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_can_be_used_takes_all_until_it_cannot() {
    let world = world(&[NOW, NOW]);
    let client = world.client_with(|builder| builder.fault_policy(FaultPolicy::Available));
    for _ in 0..20 {
        unary(&client, READ).await.unwrap();
    }
    assert_eq!(counts(&world, "read"), [20, 0]);
    world.kill(1).await;
    for _ in 0..5 {
        let _ = unary(&client, READ).await;
    }
    assert_eq!(unary(&client, READ).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_fast_is_tried_once_and_one_that_fails_safe_answers_nothing() {
    let world = world(&[Way::Unavailable]);
    let client = world.client_with(|builder| {
        let builder = builder.fault_policy(FaultPolicy::Failsafe).method_fault_policy("Read", FaultPolicy::Failfast);
        builder.outliers(None).breaker(None)
    });
    assert_eq!(client.layers()[2], "failure");
    assert_eq!(unary(&client, READ).await.unwrap_err().reason(), Reason::RemoteUnavailable);
    assert_eq!(unary(&client, WRITE).await.unwrap(), 0, "an empty message");
    let stream = client.server_streaming::<u32, u32, Status>(WATCH, 1).await.unwrap();
    assert_eq!(stream.collect().await.unwrap(), [0u32; 0]);
    assert_eq!(world.seen(1), ["read", "write", "watch"]);
}

#[tokio::test(start_paused = true)]
async fn what_must_only_arrive_is_sent_again_later() {
    let world = world(&[Way::Unavailable]);
    let options = FailbackOptions { waiting: 2, ..FailbackOptions::default() };
    let client =
        world.client_with(|builder| builder.fault_policy(FaultPolicy::Failback(options)).outliers(None).breaker(None));
    let began = Instant::now();
    assert_eq!(unary(&client, READ).await.unwrap(), 0);
    // What may have been carried out already fails, as does what there is no place for.
    assert_eq!(unary(&client, WRITE).await.unwrap_err().reason(), Reason::RemoteUnavailable);
    assert_eq!(unary(&client, READ).await.unwrap(), 0);
    assert_eq!(unary(&client, READ).await.unwrap_err().reason(), Reason::RemoteUnavailable);
    assert_eq!((began.elapsed(), counts(&world, "read")), (Duration::ZERO, vec![3]));
    sleep(7 * S).await; // slow on purpose: they are sent again after five
    assert_eq!(counts(&world, "read"), [5]);
    world.turn(1, NOW);
    sleep(5 * S).await; // slow on purpose: and once more
    assert_eq!(counts(&world, "read"), [7]);
    sleep(60 * S).await; // slow on purpose: those that arrived are not sent again
    assert_eq!(counts(&world, "read"), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_answered_by_a_value_or_a_function_and_an_answer_is_not() {
    let world = world(&[Way::Unavailable]);
    let set_up = |builder: Builder| {
        let function = Degrade::function(|fallen: &crate::client::Fallen<'_>| {
            assert_eq!(fallen.status().unwrap().reason(), Reason::RemoteUnavailable);
            Ok(fallen.request::<u32>()? + 41)
        });
        let builder = builder.retries(0).outliers(None).breaker(None);
        builder.degrade("Read", Degrade::value(&7u32)).degrade("Write", function)
    };
    let client = world.client_with(set_up);
    assert_eq!((unary(&client, READ).await.unwrap(), unary(&client, WRITE).await.unwrap()), (7, 42));
    world.turn(1, NOW);
    assert_eq!(unary(&client, READ).await.unwrap(), 1, "an answer is an answer");
    world.turn(1, Way::Half(false));
    let off = world.client_with(|builder| builder.degrade("Read", Degrade::value(&9u32).always()));
    let before = world.seen(1).len();
    assert_eq!((unary(&off, READ).await.unwrap(), world.seen(1).len()), (9, before), "nobody is called");
}

#[tokio::test]
async fn what_cannot_be_said_of_a_method_is_told_when_the_client_is_built() {
    let world = World::default();
    let build = |set_up: fn(Builder) -> Builder| {
        let builder = connect::<Client>(&DEFINITION, "").registry(world.registry.clone());
        set_up(builder).build().map(drop).unwrap_err().to_string()
    };
    let error = build(|builder| builder.method_fault_policy("Raed", FaultPolicy::Failfast));
    assert!(error.contains("shop.Stock has no method `Raed`: it has Read, Write, Watch, Load"), "{error}");
    let error = build(|builder| builder.degrade("Watch", Degrade::value(&1u32)));
    assert!(error.contains("`Watch` answers with a stream"), "{error}");
}
