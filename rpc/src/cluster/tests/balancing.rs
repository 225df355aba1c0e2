//! Who gets the calls, through the whole stack: zones, keys, warm-up, and who stays.

use super::*;
use crate::{
    call::{CallService, Invocation, Reply},
    client::Balance,
    policy::Key,
};
use std::{
    task::{Context, Poll},
    time::SystemTime,
};
use tower_service::Service;

/// How often each server answered, of so many calls with each of these requests.
async fn spread(client: &Client, calls: usize, requests: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for request in (0..calls).flat_map(|_| requests) {
        let answer = client.unary::<u32, u32, Status>(READ, *request).await.unwrap();
        *counts.entry(answer).or_default() += 1;
    }
    counts
}

fn world(ports: u16) -> World {
    let mut world = World::default();
    (1..=ports).for_each(|port| drop(world.serve(port, Way::After(Duration::ZERO)).seen(port)));
    world
}

/// Milliseconds since the epoch, so long ago.
fn ago(time: Duration) -> u64 {
    (SystemTime::now() - time).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[tokio::test(start_paused = true)]
async fn the_same_key_goes_to_the_same_instance_and_moves_only_with_it() {
    let world = world(4);
    let client = world.client_with(|builder| builder.balance(Balance::ConsistentHash).hash_by(Key::Field(1)));
    // Until all that are wanted are connected.
    spread(&client, 3, &(1..40).collect::<Vec<_>>()).await;
    let mut owners = BTreeMap::new();
    for key in 1..40 {
        let counts = spread(&client, 3, &[key]).await;
        assert_eq!(counts.len(), 1, "{key}: {counts:?}");
        owners.insert(key, *counts.keys().next().unwrap());
    }
    let used: std::collections::BTreeSet<_> = owners.values().collect();
    assert_eq!(used.len(), 4, "{owners:?}");
    world.kill(2).await;
    for (key, owner) in owners.into_iter().filter(|(_, owner)| *owner != 2) {
        assert_eq!(spread(&client, 1, &[key]).await.into_keys().collect::<Vec<_>>(), [owner], "{key}");
    }
}

/// Gives all calls of a client one affinity.
#[derive(Clone)]
struct Together<S>(S, u64);

impl<S: CallService> Service<Invocation> for Together<S> {
    type Response = Reply;
    type Error = Status;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> S::Future {
        call.affinity = Some(self.1);
        self.0.call(call)
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_affinity_go_to_one_instance_from_the_first_on_and_move_only_with_it() {
    let world = world(4);
    let (_, cluster) = world.client();
    let of = |session: u64| Client::new(&DEFINITION, Channel::new(Together(cluster.clone(), session)));
    let mut owners = BTreeMap::new();
    for session in 0..40 {
        // Nobody is connected at first.
        let counts = spread(&of(session), 3, &[1]).await;
        assert_eq!(counts.len(), 1, "{session}: {counts:?}");
        owners.insert(session, *counts.keys().next().unwrap());
    }
    let used: std::collections::BTreeSet<_> = owners.values().collect();
    assert_eq!(used.len(), 4, "{owners:?}");
    world.kill(2).await;
    for (session, owner) in owners {
        let now = *spread(&of(session), 1, &[1]).await.keys().next().unwrap();
        assert!(if owner == 2 { now != 2 } else { now == owner }, "{session} was with {owner} and is with {now}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_affinity_whose_instance_cannot_be_connected_to_are_held_up_for_a_moment_and_go_to_another() {
    let mut world = world(2);
    world.black_hole(3);
    let (_, cluster) = world.client();
    let of = |session: u64| Client::new(&DEFINITION, Channel::new(Together(cluster.clone(), session)));
    let mut held_up = 0;
    for session in 0..40 {
        let began = Instant::now();
        assert!(spread(&of(session), 1, &[1]).await.into_keys().all(|server| server < 3), "{session}");
        assert!(began.elapsed() <= Duration::from_millis(260), "{session}: {:?}", began.elapsed());
        held_up += usize::from(began.elapsed() >= Duration::from_millis(250));
    }
    assert!(world.dials(3) > 0 && (1..40).contains(&held_up), "{held_up}");
}

#[tokio::test(start_paused = true)]
async fn the_own_zone_comes_first_and_overflows_as_it_fails() {
    let mut world = world(4);
    for (port, zone) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        world.list_as(port, |mut instance| {
            instance.zone = Some(zone.to_owned());
            instance
        });
    }
    let client = world.client_with(|builder| builder.zone("a"));
    assert_eq!(client.layers()[4..7], ["cluster", "zone", "p2c"]);
    spread(&client, 20, &[1]).await;
    let counts = spread(&client, 200, &[1]).await;
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&1, &2], "{counts:?}");
    world.kill(1).await;
    spread(&client, 20, &[1]).await;
    let counts = spread(&client, 400, &[1]).await;
    let far = 400 - counts[&2];
    assert!((60..140).contains(&far), "a quarter goes elsewhere: {counts:?}");
    world.kill(2).await;
    spread(&client, 20, &[1]).await;
    let counts = spread(&client, 100, &[1]).await;
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&3, &4], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_warms_up() {
    let mut world = world(2);
    for (port, age) in [(1, 3600 * S), (2, 60 * S)] {
        world.list_as(port, |mut instance| {
            instance.started_at = ago(age);
            instance
        });
    }
    let client = world.client_with(|builder| builder.balance(Balance::Random));
    let of_the_new = async |client: &Client| spread(client, 1000, &[1]).await.get(&2).copied().unwrap_or(0);
    // A tenth of its share: one of eleven.
    let cold = of_the_new(&client).await;
    assert!((60..125).contains(&cold), "{cold}");
    sleep(600 * S).await; // slow on purpose: that is how long it takes
    let warm = of_the_new(&client).await;
    assert!((430..570).contains(&warm), "{warm}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays_stays() {
    let world = world(3);
    let client = world.client_with(|builder| builder.sticky(true));
    let first = spread(&client, 30, &[1]).await;
    assert_eq!(first.len(), 1, "{first:?}");
    let stayed = *first.keys().next().unwrap();
    world.kill(stayed as u16).await;
    spread(&client, 3, &[1]).await;
    let second = spread(&client, 30, &[1]).await;
    assert!(second.len() == 1 && !second.contains_key(&stayed), "{second:?}");
}
