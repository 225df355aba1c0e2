//! What happens to a call whose server fails, drains, or is slow.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_read_is_made_again_elsewhere_when_its_server_dies_and_a_write_is_not() {
    for (index, name) in [(READ, "read"), (WRITE, "write")] {
        let mut world = World::default();
        world.serve(1, Way::Never);
        let (client, _) = world.client();
        let call = tokio::spawn(async move { unary(&client, index).await });
        until("the call is at the server", || world.seen(1) == [name]).await;
        world.serve(2, Way::After(Duration::ZERO));
        world.kill(1).await;
        let result = call.await.unwrap();
        if index == READ {
            assert_eq!(result.unwrap(), 2);
        } else {
            let status = result.unwrap_err();
            assert_eq!((status.reason(), status.reached_server()), (Reason::ConnectionLost, true), "{status}");
            assert_eq!(status.instance(), Some(&InstanceId::new("1")));
            assert!(world.seen(2).is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_unavailable_is_left_for_another() {
    let mut world = World::default();
    world.serve(1, Way::Unavailable).serve(2, Way::After(Duration::ZERO));
    let (client, _) = world.client();
    for _ in 0..20 {
        assert_eq!(unary(&client, READ).await.unwrap(), 2);
    }
    assert!(world.seen(1).len() <= 3, "what fails is avoided: {:?}", world.seen(1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_not_begun_again() {
    let mut world = World::default();
    world.serve(1, Way::Never);
    let (client, _) = world.client();
    let stream = tokio::spawn({
        let client = client.clone();
        async move { client.server_streaming::<u32, u32, Status>(WATCH, 1).await.map(drop) }
    });
    until("the call is at the server", || world.seen(1) == ["watch"]).await;
    world.serve(2, Way::After(Duration::ZERO));
    world.kill(1).await;
    assert!(stream.await.unwrap().is_err());
    assert!(world.seen(2).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drains_is_left_without_a_failure() {
    let mut world = World::default();
    world.serve(1, Way::After(Duration::ZERO));
    let (client, _) = world.client();
    // A stream keeps the old connection open while its server goes away.
    let mut watch = client.server_streaming::<u32, u32, Status>(WATCH, 1).await.unwrap();
    assert_eq!(watch.message().await.unwrap(), Some(1));
    world.serve(2, Way::After(Duration::ZERO));
    world.net.0.lock().unwrap().to.remove(&1);
    let mut drain = Box::pin(world.servers[&1].1.drain(10 * S));
    assert!(futures_util::poll!(&mut drain).is_pending());
    let mut answers = Vec::new();
    for _ in 0..50 {
        // A write too, when nobody has seen it; and a stream, which could not be sent twice.
        answers.push(unary(&client, WRITE).await.unwrap());
        let load = client.client_streaming::<u32, u32, Status>(LOAD, Streaming::of([1u32, 2])).await;
        answers.push(load.unwrap());
    }
    let until = answers.iter().position(|answer| *answer == 2).unwrap();
    assert!(until < 5 && answers[until..].iter().all(|answer| *answer == 2), "{answers:?}");
    drop(watch);
    drain.await;
    assert_eq!(world.servers[&1].1.connections(), 0);
}
