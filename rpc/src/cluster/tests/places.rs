//! A limit of calls at each instance: who is full is passed over, and those that find all full stand in line.

use super::*;
use crate::{
    client::{Avoided, Balance, FaultPolicy},
    policy::{ConcurrencyOptions, OutlierOptions},
};
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::{task::JoinHandle, time::timeout as within};

/// Servers that answer so, from port 1 on, and a client that is connected to all of them.
async fn world(ways: &[Way], set_up: impl FnOnce(Builder) -> Builder) -> (World, Client) {
    let mut world = World::default();
    ways.iter().zip(1..).for_each(|(_, port)| drop(world.serve(port, Way::After(MS)).seen(port)));
    let client = world.client_with(|builder| set_up(builder.breaker(None).balance(Balance::Random)));
    until("all are connected", || {
        let open = client.connectivity().iter().filter(|state| state.connections > 0).count();
        drop(begin(&client, READ));
        open == ways.len()
    })
    .await;
    sleep(50 * MS).await; // slow on purpose: what was begun ends
    ways.iter().zip(1..).for_each(|(way, port)| world.turn(port, *way));
    world.servers.values().for_each(|(stock, _)| stock.seen.lock().unwrap().clear());
    (world, client)
}

fn begin(client: &Client, index: usize) -> JoinHandle<Result<u32, Status>> {
    let client = client.clone();
    tokio::spawn(async move { unary(&client, index).await })
}

fn fixed(limit: usize, line: usize) -> impl FnOnce(Builder) -> Builder {
    move |builder| builder.endpoint_concurrency(ConcurrencyOptions::fixed(limit).line(line))
}

fn seen(world: &World) -> Vec<usize> {
    world.servers.keys().map(|port| world.seen(*port).len()).collect()
}

fn avoided(client: &Client) -> Vec<Option<Avoided>> {
    client.connectivity().into_iter().map(|state| state.avoided).collect()
}

#[tokio::test(start_paused = true)]
async fn who_is_full_is_passed_over_and_those_that_find_all_full_take_the_first_place() {
    // A call of no priority may use three quarters of a line, rounded up: eight of ten places.
    let (world, client) = world(&[Way::After(10 * MS), Way::After(10 * MS)], fixed(2, 5)).await;
    let began = Instant::now();
    let calls: Vec<_> = (0..12).map(|_| begin(&client, WRITE)).collect();
    sleep(MS).await; // slow on purpose: all are on their way
    assert_eq!(seen(&world), [2, 2], "never more than two at once at one");
    assert_eq!(avoided(&client), [Some(Avoided::Full); 2]);
    let states: Vec<_> = client.connectivity().iter().map(|state| (state.calls, state.limit)).collect();
    assert_eq!(states, [(2, Some(2)); 2]);
    let limits: Vec<_> =
        Channel::from(client.clone()).limits().into_iter().map(|limit| (limit.rule, limit.line)).collect();
    assert_eq!(limits, [("fixed, line 5, at each instance".to_owned(), 8)]);
    let status = unary(&client, WRITE).await.unwrap_err();
    assert_eq!((status.reason(), status.reached_server()), (Reason::ConcurrencyLimited, false), "the line is full");
    assert!(began.elapsed() < 5 * MS, "and says so at once");
    assert!(join_all(calls).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    assert_eq!((began.elapsed().as_millis() / 10, seen(&world)), (3, vec![6, 6]));
    assert_eq!(avoided(&client), [None, None]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_before_those_that_call_again_at_once() {
    let (_world, client) = world(&[Way::After(MS)], fixed(2, 64)).await;
    // Twelve callers, each of which calls again as soon as it is answered: each waits for five turns.
    let mut callers: FuturesUnordered<_> = (0..12)
        .map(|_| {
            let client = client.clone();
            async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..20 {
                    let began = Instant::now();
                    unary(&client, WRITE).await.unwrap();
                    slowest = slowest.max(began.elapsed());
                }
                slowest
            }
        })
        .collect();
    while let Some(slowest) = callers.next().await {
        assert!(slowest <= 8 * MS, "{slowest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_comes_free_however_its_call_ends() {
    let (world, client) = world(&[Way::Never], fixed(1, 8)).await;
    let hangs = begin(&client, WRITE);
    let mut waits = begin(&client, WRITE);
    sleep(MS).await; // slow on purpose: both are on their way
    assert!(!waits.is_finished() && seen(&world) == [1]);
    hangs.abort();
    until("the next one has its place", || seen(&world) == [2]).await;
    // Who goes away out of the line, or after it was given a place, holds nobody up.
    let gone = begin(&client, WRITE);
    let last = begin(&client, WRITE);
    sleep(MS).await; // slow on purpose: both stand in line
    waits.abort();
    gone.abort();
    world.turn(1, Way::After(MS));
    assert_eq!(within(S, last).await.unwrap().unwrap().unwrap(), 1);
    waits = begin(&client, READ);
    assert_eq!(within(S, waits).await.unwrap().unwrap().unwrap(), 1);
    assert_eq!(client.connectivity()[0].calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_its_place_to_its_last_frame() {
    let (_world, client) = world(&[Way::After(Duration::ZERO)], fixed(1, 8)).await;
    let mut stream = client.server_streaming::<u32, u32, Status>(WATCH, 1).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(1));
    let waits = begin(&client, READ);
    sleep(100 * MS).await; // slow on purpose: the stream goes on
    assert!(!waits.is_finished());
    drop(stream);
    assert_eq!(within(S, waits).await.unwrap().unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_ends_with_the_patience_and_the_deadline() {
    let (_world, client) = world(&[Way::Never], fixed(1, 8)).await;
    let _hangs = begin(&client, WRITE);
    sleep(MS).await; // slow on purpose: it has the place
    let began = Instant::now();
    let status = client.with(timeout(9 * S)).unary::<u32, u32, Status>(WRITE, 1).await.unwrap_err().into_status();
    assert_eq!((status.reason(), began.elapsed().as_secs()), (Reason::ConcurrencyLimited, 2), "{status}");
    let status = client.with(timeout(S)).unary::<u32, u32, Status>(WRITE, 1).await.unwrap_err().into_status();
    assert_eq!(status.reason(), Reason::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_empty_is_shed() {
    let (_world, client) = world(&[Way::After(10 * MS)], fixed(1, 200)).await;
    let calls: Vec<_> = (0..100).map(|_| begin(&client, WRITE)).collect();
    let answers: Vec<_> = join_all(calls).await.into_iter().map(|answer| answer.unwrap()).collect();
    let shed = answers.iter().filter_map(|answer| answer.as_ref().err()).filter(|s| s.reason() == Reason::Shed);
    let (shed, served) = (shed.count(), answers.iter().filter(|answer| answer.is_ok()).count());
    assert!(shed + served == 100 && shed > 60 && served >= 15, "{shed} {served}");
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_is_no_refuge_and_who_comes_back_is() {
    let left_out = |builder: Builder| {
        let options = OutlierOptions { in_a_row: 3, ..OutlierOptions::default() };
        fixed(1, 8)(builder.outliers(options).retries(0))
    };
    let (world, client) = world(&[Way::Unavailable, Way::After(10 * MS)], left_out).await;
    until("one is left out", || {
        drop(begin(&client, READ));
        avoided(&client)[0] == Some(Avoided::LeftOut)
    })
    .await;
    sleep(200 * MS).await; // slow on purpose: what was begun ends
    let before = seen(&world);
    let calls: Vec<_> = (0..5).map(|_| begin(&client, READ)).collect();
    assert!(join_all(calls).await.into_iter().all(|answer| answer.unwrap().is_ok()), "they wait for the other one");
    assert_eq!(seen(&world), [before[0], before[1] + 5]);
}

#[tokio::test(start_paused = true)]
async fn the_limit_grows_and_shrinks_by_latency() {
    let adaptive = |builder: Builder| builder.endpoint_concurrency(ConcurrencyOptions::adaptive(1..=8));
    let (_world, client) = world(&[Way::After(10 * MS)], adaptive).await;
    for _ in 0..40 {
        let answers = join_all((0..6).map(|_| unary(&client, READ))).await;
        assert!(answers.iter().all(|answer| answer.is_ok()), "{answers:?}");
    }
    let limit = client.connectivity()[0].limit.unwrap();
    assert!((2..=8).contains(&limit), "{limit}");
}

#[tokio::test(start_paused = true)]
async fn forks_take_a_place_each_and_a_broadcast_waits_for_one_at_each() {
    let policies = |builder: Builder| {
        let builder = builder.method_fault_policy("Read", FaultPolicy::Forking { forks: 3, writes: false });
        fixed(1, 8)(builder.method_fault_policy("Write", FaultPolicy::Broadcast))
    };
    let (world, client) = world(&[Way::After(10 * MS); 3], policies).await;
    let (one, other) = tokio::join!(unary(&client, READ), unary(&client, READ));
    assert!(one.is_ok() && other.is_ok());
    let before = seen(&world);
    assert_eq!(before.iter().sum::<usize>(), 4, "the second one finds all full, and waits for one place");
    let began = Instant::now();
    let (one, other) = tokio::join!(unary(&client, WRITE), unary(&client, WRITE));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(began.elapsed().as_millis() / 10, 2, "one after the other");
    assert_eq!(seen(&world), before.iter().map(|seen| seen + 2).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_sticky_client_or_one_that_takes_the_first_does_not_pick_says_so() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).serve(2, Way::After(MS)).serve(3, Way::After(MS));
    let client = world.client_with(|builder| builder.sticky(true));
    assert_eq!(unary(&client, READ).await.unwrap(), unary(&client, READ).await.unwrap());
    let it = unary(&client, READ).await.unwrap() as usize;
    let mut expected = [Some(Avoided::StaysElsewhere); 3];
    expected[it - 1] = None;
    assert_eq!(avoided(&client), expected);
    let available = |builder: Builder| builder.fault_policy(FaultPolicy::Available);
    let client = world.client_with(available);
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    assert_eq!(avoided(&client), [None, Some(Avoided::NotFirst), Some(Avoided::NotFirst)]);
    world.kill(1).await;
    assert_eq!(unary(&client, READ).await.unwrap(), 2);
    assert_eq!(avoided(&client), [Some(Avoided::NotConnected), None, Some(Avoided::NotFirst)]);
    // Of one method alone it says nothing of the instance.
    let several = world.client_with(|builder| available(builder).method_fault_policy("Write", FaultPolicy::Failover));
    assert_eq!(unary(&several, READ).await.unwrap(), 2);
    assert_ne!(avoided(&several)[2], Some(Avoided::NotFirst));
}
