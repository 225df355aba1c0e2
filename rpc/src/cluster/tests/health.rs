//! Instances that do badly: breakers, and those that are left out.

use super::*;
use crate::{
    client::Avoided,
    policy::{BreakerOptions, BreakerState, OutlierOptions},
};

/// A client that does not try again.
fn client(world: &World, set_up: impl FnOnce(Builder) -> Builder) -> Client {
    world.client_with(|builder| set_up(builder.retries(0)))
}

fn avoided(client: &Client) -> Vec<Option<Avoided>> {
    client.connectivity().into_iter().map(|state| state.avoided).collect()
}

/// So many calls, 2 ms apart; how many failed.
async fn load(client: &Client, calls: usize) -> usize {
    let mut failed = 0;
    for _ in 0..calls {
        let client = client.with(timeout(50 * MS));
        failed += usize::from(unary(&client, READ).await.is_err());
        sleep(2 * MS).await; // slow on purpose: a load of 500 calls per second
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn one_of_three_that_fails_half_of_its_calls_is_left_out_and_comes_back() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).serve(2, Way::After(MS)).serve(3, Way::After(MS));
    let client = client(&world, |builder| builder.balance(crate::client::Balance::Random));
    assert_eq!(load(&client, 500).await, 0);
    world.turn(2, Way::Half(false));
    load(&client, 1000).await;
    assert_eq!(avoided(&client), [None, Some(Avoided::LeftOut), None]);
    assert_eq!(load(&client, 400).await, 0, "nobody calls it");
    world.turn(2, Way::After(MS));
    sleep(5 * S).await; // slow on purpose: that is how long it is left out
    let before = world.seen(2).len();
    assert_eq!((load(&client, 300).await, avoided(&client)), (0, vec![None; 3]));
    assert!(world.seen(2).len() > before + 20);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_left_out_after_a_few_calls() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).serve(2, Way::Never).serve(3, Way::After(MS));
    let client = client(&world, |builder| builder.balance(crate::client::Balance::Random));
    let failed = load(&client, 500).await;
    assert!((5..=7).contains(&failed), "{failed}");
    assert_eq!(avoided(&client), [None, Some(Avoided::LeftOut), None]);
}

#[tokio::test(start_paused = true)]
async fn who_only_observes_leaves_nobody_out() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).serve(2, Way::Unavailable);
    let options = OutlierOptions { observe: true, ..OutlierOptions::default() };
    let client = client(&world, |builder| {
        builder.balance(crate::client::Balance::Random).outliers(options).breaker(BreakerOptions::new().observe())
    });
    let failed = load(&client, 400).await;
    assert!((150..250).contains(&failed), "{failed}");
    assert_eq!(avoided(&client), [None, None]);
    assert_eq!(client.connectivity()[1].breaker, BreakerState::Open, "it tells what it would have done");
}

#[tokio::test(start_paused = true)]
async fn the_last_one_is_not_left_out_but_its_breaker_opens_and_closes() {
    let mut world = World::default();
    world.serve(1, Way::Unavailable);
    let client = client(&world, |builder| builder);
    assert_eq!(load(&client, 100).await, 100);
    assert_eq!(world.seen(1).len(), 20, "then nothing is sent any more");
    assert_eq!(avoided(&client), [Some(Avoided::BreakerOpen)]);
    let began = Instant::now();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!((status.reason(), status.reached_server()), (Reason::BreakerOpen, false));
    assert!(began.elapsed() < MS, "nobody waits for it");
    world.turn(1, Way::After(MS));
    sleep(S).await; // slow on purpose: that is how long it is open
    assert_eq!((load(&client, 10).await, avoided(&client)), (0, vec![None]));
    assert_eq!(client.connectivity()[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_fails_half_of_its_calls_and_is_all_there_is_stays() {
    let mut world = World::default();
    world.serve(1, Way::Half(true)).serve(2, Way::Half(true));
    let client = client(&world, |builder| builder);
    let failed = load(&client, 1000).await;
    assert!((400..600).contains(&failed), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_method_s_breaker_is_of_that_method_alone() {
    let mut world = World::default();
    world.serve(1, Way::Unavailable);
    let strict = BreakerOptions::new().at_least(2);
    let client = client(&world, |builder| builder.method_breaker("Write", strict));
    for _ in 0..4 {
        assert!(unary(&client, WRITE).await.is_err());
    }
    assert_eq!(world.seen(1), ["write", "write"]);
    world.turn(1, Way::After(MS));
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    assert_eq!(unary(&client, WRITE).await.unwrap_err().reason(), Reason::BreakerOpen);
}
