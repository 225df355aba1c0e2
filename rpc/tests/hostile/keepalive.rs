//! A peer stops answering although its connection is not closed.

use crate::{
    bed::{self, Bed, until},
    peer::{self, framed},
    raw::{HEADERS, INITIAL_WINDOW, Raw, WINDOW_UPDATE, call, frame},
};
use mainstay::{
    call::{Code, Reason},
    transport::{Accept, Http2Limits, memory},
};
use tokio::time::{Duration, Instant, sleep};

/// One interval in which something was heard, one in which nothing was, and the time to answer.
const LONGEST: Duration = Duration::from_millis(50_100);
/// An interval, and the time to answer.
const SHORTEST: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_server_in_a_black_hole() {
    let (network, mut accept) = memory();
    let client = bed::client(network, Http2Limits::default());
    let before = bed::tasks();
    let began = Instant::now();
    let server = tokio::spawn(async move {
        let mut raw = Raw::accept(accept.accept().await.unwrap().io).await;
        raw.until(HEADERS).await.unwrap();
        // Held, and never read again.
        std::future::pending::<()>().await;
        drop(raw);
    });
    let status = client.wait().await.unwrap_err().into_status();
    assert_eq!((status.code(), status.reason()), (Code::Unavailable, Reason::ConnectionLost), "{status:?}");
    assert!(status.reached_server());
    assert!((SHORTEST..LONGEST).contains(&began.elapsed()), "{:?}", began.elapsed());
    server.abort();
    drop(client);
    until("no task is left", || bed::tasks() == before).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_in_a_black_hole_from_the_start() {
    let (network, mut accept) = memory();
    let client = bed::client(network, Http2Limits::default());
    let before = bed::tasks();
    let began = Instant::now();
    let (accepted, called) = tokio::join!(accept.accept(), client.echo("x".into()));
    let status = called.unwrap_err().into_status();
    assert_eq!((status.code(), status.reason()), (Code::Unavailable, Reason::ConnectFailed), "{status:?}");
    assert!(!status.reached_server());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop((accepted, client, accept));
    until("no task is left", || bed::tasks() == before).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_in_a_stream() {
    let bed = Bed::new(Http2Limits::default());
    // The server's half goes quiet with its runtime's help: a raw server that answers the head only.
    let (network, mut accept) = memory();
    let client = bed::client(network, Http2Limits::default());
    let server = tokio::spawn(async move {
        let mut connection = h2::server::handshake(accept.accept().await.unwrap().io).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut stream = respond.send_response(peer::response(), false).unwrap();
        stream.send_data(bytes::Bytes::from(peer::numbers(&[1])), false).unwrap();
        // Driven once more, so that this much is sent; then held, and never read again.
        std::future::poll_fn(|cx| std::task::Poll::Ready(connection.poll_closed(cx).is_ready())).await;
        std::future::pending::<()>().await;
        drop((connection, stream));
    });
    let mut ticks = client.ticks().await.unwrap();
    assert_eq!(ticks.message().await.unwrap(), Some(1));
    let began = Instant::now();
    let status = ticks.message().await.unwrap_err();
    assert_eq!((status.code(), status.reason()), (Code::Unavailable, Reason::ConnectionLost), "{status:?}");
    assert!((SHORTEST..LONGEST).contains(&began.elapsed()), "{:?}", began.elapsed());
    server.abort();
    drop((client, ticks));
    drop(server.await);
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_an_answer_but_is_gone() {
    let bed = Bed::new(Http2Limits::default());
    for method in ["Wait", "Ticks"] {
        let began = Instant::now();
        let mut raw = Raw::greet(bed.io().await, &[]).await;
        raw.write(&call(1, method, &framed(&[]))).await.unwrap();
        until("the handler works", || bed.seen.alive() == 1).await;
        // Reading alone answers no PING.
        raw.end().await;
        assert!((SHORTEST..LONGEST).contains(&began.elapsed()), "{method}: {:?}", began.elapsed());
        bed.settles().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers() {
    let bed = Bed::new(Http2Limits::default());
    let huge = (1 << 31) - 1;
    let mut raw = Raw::greet(bed.io().await, &[(INITIAL_WINDOW, huge)]).await;
    raw.write(&frame(WINDOW_UPDATE, 0, 0, &(huge - 65_535).to_be_bytes())).await.unwrap();
    for i in 0..100 {
        raw.write(&call(2 * i + 1, "Blob", &peer::numbers(&[16_000]))).await.unwrap();
    }
    until("it is connected", || bed.running.connections() == 1).await;
    bed.serves_others().await;
    until("the other has left", || bed.running.connections() == 1).await;
    sleep(LONGEST).await;
    bed.settles().await;
    drop(raw);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_may_take_its_time() {
    let bed = Bed::new(Http2Limits::default());
    let client = bed.client();
    let call = tokio::spawn(async move { client.wait().await });
    until("the handler works", || bed.seen.alive() == 1).await;
    sleep(Duration::from_secs(1800)).await;
    assert_eq!((bed.seen.alive(), bed.running.connections()), (1, 1));
    assert!(!call.is_finished());
    call.abort();
    drop(call.await);
    bed.settles().await;
}
