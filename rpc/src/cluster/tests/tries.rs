//! The time of one try, through the whole stack.

use super::*;
use crate::client::{Avoided, Balance};

#[tokio::test(start_paused = true)]
async fn one_that_hangs_costs_its_callers_the_time_of_a_try_and_is_left_out() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).serve(2, Way::After(MS)).serve(3, Way::After(MS));
    let client = world.client_with(|builder| builder.per_try_timeout(20 * MS).balance(Balance::Random));
    for _ in 0..40 {
        unary(&client, READ).await.unwrap();
    }
    world.turn(2, Way::Never);
    let mut slow = 0;
    for _ in 0..200 {
        let began = Instant::now();
        let answer = unary(&client, READ).await.unwrap();
        assert!(answer != 2 && began.elapsed() <= 30 * MS, "{:?}", began.elapsed());
        slow += usize::from(began.elapsed() >= 20 * MS);
    }
    assert!((5..=7).contains(&slow), "{slow} of 200 asked the one that hangs");
    assert_eq!(client.connectivity()[1].avoided, Some(Avoided::LeftOut));
    until("the server hears that it may stop", || world.servers[&2].1.calls() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_instance_is_no_try_yet() {
    let mut world = World::default();
    world.black_hole(1);
    let client = world.client_with(|builder| builder.per_try_timeout(20 * MS).patience(S));
    let began = Instant::now();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!((status.reason(), began.elapsed().as_secs()), (Reason::ConnectFailed, 1), "{status}");
    assert_eq!(world.dials(1), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_given_up() {
    let mut world = World::default();
    world.serve(1, Way::After(100 * MS)).serve(2, Way::After(100 * MS));
    let client = world.client_with(|builder| builder.per_try_timeout(20 * MS));
    unary(&client, WRITE).await.unwrap();
    assert_eq!(world.seen(1).len() + world.seen(2).len(), 1);
}
