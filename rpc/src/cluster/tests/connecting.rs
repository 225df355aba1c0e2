//! Who is called when not everyone is connected, and how many connections there are.

use super::*;

#[tokio::test(start_paused = true)]
async fn nobody_there_reads_like_this() {
    let mut world = World::default();
    let old = ServiceKey::new("shop.Stock").with_version("0.9.0");
    let lease = world.registry.register(Registration::new(Instance::new("stock", "h", 9), [old]));
    let (client, _) = world.client();
    let began = Instant::now();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!(began.elapsed(), 2 * S, "the patience, once");
    assert_eq!(
        (status.code(), status.reason(), status.reached_server()),
        (Code::Unavailable, Reason::NoInstance, false)
    );
    assert_eq!(
        status.message(),
        "no instance of shop.Stock 1.0.0 in memory:// (this process only); found 1 of version 0.9.0; last change 2 s ago"
    );
    let status = unary(&client.with(timeout(300 * MS)), READ).await.unwrap_err();
    assert_eq!((status.code(), status.reached_server()), (Code::DeadlineExceeded, false));
    assert!(
        status.message().starts_with("the deadline passed while waiting for an instance: no instance of"),
        "{status}"
    );
    drop(lease);
    // One that comes while a call waits gets it.
    let waiting = tokio::spawn(async move { unary(&client, WRITE).await });
    sleep(500 * MS).await;
    world.serve(3, Way::After(Duration::ZERO));
    assert_eq!(waiting.await.unwrap().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answers_no_connection_costs_no_call_anything() {
    let mut world = World::default();
    world.serve(1, Way::After(MS)).black_hole(2).list(3);
    let (client, cluster) = world.client();
    // The first call may wait for one step, until it would take any other.
    assert_eq!(unary(&client, READ).await.unwrap(), 1);
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(unary(&client, READ).await.unwrap(), 1);
        assert!(began.elapsed() <= 2 * MS, "{:?}", began.elapsed());
    }
    let states: Vec<_> = endpoints(&cluster).iter().map(|e| e.connectivity()).collect();
    assert_eq!(states, [Connectivity::Ready, Connectivity::Connecting, Connectivity::TransientFailure]);
    assert!(world.dials(3) < 8, "{}", world.dials(3));
}

#[tokio::test(start_paused = true)]
async fn connecting_is_bounded_and_says_why_it_failed() {
    let mut world = World::default();
    world.list(1);
    let (client, _) = world.client();
    let status = unary(&client, READ).await.unwrap_err();
    assert_eq!((status.reason(), status.reached_server()), (Reason::ConnectFailed, false));
    assert_eq!(status.message(), "none of 1 instances is connected: h:1: connection refused");
    let mut world = World::default();
    world.black_hole(1);
    let (client, _) = world.client();
    let began = Instant::now();
    let status = unary(&client.with(timeout(700 * MS)), READ).await.unwrap_err();
    assert_eq!((began.elapsed(), status.code(), status.reached_server()), (700 * MS, Code::DeadlineExceeded, false));
    assert!(status.message().contains("no connection yet"), "{status}");
    // A server that comes back under the same name is found again by who waits.
    let waiting = tokio::spawn({
        let client = client.with(timeout(60 * S));
        async move { unary(&client.with(CallOptions::new()), READ).await }
    });
    sleep(MS).await;
    assert!(waiting.await.unwrap().is_err(), "the patience ends it");
}

#[tokio::test(start_paused = true)]
async fn connections_grow_with_the_calls_and_go_when_they_are_not_needed() {
    let mut world = World::default();
    world.serve(1, Way::After(S));
    let (client, cluster) = world.client();
    let many = |n: usize| {
        let calls: Vec<_> = (0..n)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { unary(&client, READ).await.unwrap() })
            })
            .collect();
        async move {
            for call in calls {
                call.await.unwrap();
            }
        }
    };
    many(60).await;
    assert_eq!(world.dials(1), 1);
    for _ in 0..5 {
        many(400).await;
    }
    assert_eq!((world.dials(1), world.servers[&1].1.connections()), (4, 4), "up to the bound");
    assert_eq!(endpoints(&cluster)[0].known().map_or(0, |live| live.load.in_flight()), 0);
    sleep(100 * S).await;
    assert_eq!(world.servers[&1].1.connections(), 1);
    many(1).await;
    drop((client, cluster));
    until("nothing is left", || world.servers[&1].1.connections() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_not_counted_any_more() {
    let mut world = World::default();
    world.serve(1, Way::Never);
    let (client, cluster) = world.client();
    let call = tokio::spawn({
        let client = client.clone();
        async move { unary(&client, READ).await }
    });
    until("the call is at the server", || world.seen(1) == ["read"]).await;
    let in_flight = || endpoints(&cluster)[0].known().map_or(0, |live| live.load.in_flight());
    assert_eq!(in_flight(), 1);
    call.abort();
    until("the load is released", || in_flight() == 0).await;
    until("the handler is dropped", || world.servers[&1].1.calls() == 0).await;
    let status = unary(&client.with(timeout(100 * MS)), READ).await.unwrap_err();
    assert!(status.reached_server() && status.message().contains("waiting for the answer"), "{status}");
    assert_eq!(in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_fast_one_gets_the_calls() {
    let mut world = World::default();
    world.serve(1, Way::After(200 * MS)).serve(2, Way::After(2 * MS)).serve(3, Way::After(2 * MS));
    let (client, _) = world.client();
    for _ in 0..300 {
        unary(&client, READ).await.unwrap();
    }
    let seen = [1, 2, 3].map(|port| world.seen(port).len());
    assert!(seen[0] <= 3 && seen[1] > 80 && seen[2] > 80, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn who_knows_many_and_calls_few_pays_for_few() {
    let mut world = World::default();
    for port in 1..=200 {
        world.serve(port, Way::After(Duration::ZERO));
    }
    let (client, cluster) = world.client();
    for _ in 0..5 {
        unary(&client, READ).await.unwrap();
    }
    let known = endpoints(&cluster).iter().filter(|one| one.own().is_some()).count();
    assert!((1..20).contains(&known), "{known}");
}
