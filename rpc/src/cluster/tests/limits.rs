//! Limits of servers and clients, through the whole of both stacks.

use super::*;
use crate::policy::{ConcurrencyOptions, Rate};

#[tokio::test(start_paused = true)]
async fn a_server_refuses_above_its_rate_and_says_when_to_come_again() {
    let mut world = World::default();
    world.serve_as(1, Way::After(Duration::ZERO), |server| server.rate(Rate::per_second(2).burst(1)));
    let (client, _) = world.client();
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.retry_after().is_some_and(|after| (400 * MS..=500 * MS).contains(&after)), "{status:?}");
    sleep(status.retry_after().unwrap() + MS).await; // slow on purpose: the server said so
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    assert_eq!(world.seen(1), ["read", "read"], "nothing is sent again against a rate");
    assert_eq!(world.servers[&1].1.layers()[3..], ["rate", "dispatch"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_holds_calls_back_and_refuses_when_its_line_is_full() {
    let mut world = World::default();
    let options = ConcurrencyOptions::fixed(1).line(2);
    world.serve_as(1, Way::After(10 * MS), |server| server.concurrency(options));
    let (client, _) = world.client();
    assert_eq!(unary(&client, WRITE).await.unwrap(), 1);
    let began = Instant::now();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { unary(&client, WRITE).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().map_err(|status| status.code()));
    }
    assert_eq!(answers, [Ok(1), Ok(1), Ok(1), Err(Code::Unavailable)]);
    assert_eq!(began.elapsed().as_millis() / 10, 3, "one after the other");
}

#[tokio::test(start_paused = true)]
async fn a_client_spreads_its_calls_out_and_keeps_to_its_places() {
    let mut world = World::default();
    world.serve(1, Way::After(10 * MS));
    let client = world.client_with(|builder| {
        let paced = Rate::per_second(1000).paced(S).only("Read");
        builder.rate(paced).concurrency(ConcurrencyOptions::adaptive(1..=8))
    });
    assert_eq!(client.layers()[3..6], ["rate", "concurrency", "retry"]);
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    let began = Instant::now();
    let all = futures_util::future::join_all((0..3).map(|_| unary(&client, READ))).await;
    assert!(all.iter().all(|answer| answer.is_ok()), "{all:?}");
    assert_eq!(began.elapsed().as_millis() / 10, 3, "it begins with one place");
    assert_eq!(world.seen(1).len(), 4);
}
