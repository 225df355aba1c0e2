//! Handshakes that do not end, and more connections than there may be.

use crate::{
    bed::{Bed, limits, until},
    peer::{self, ask, text},
    raw::PREFACE,
};
use mainstay::transport::Http2Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, Instant},
};
use tonic::Code;

#[tokio::test(start_paused = true)]
async fn half_open_ones_are_closed_when_their_time_is_up() {
    let bed = Bed::new(limits(|limits| limits.handshake_timeout = Duration::from_secs(7)));
    for sent in [&b""[..], &PREFACE[..1], &PREFACE[..20]] {
        let began = Instant::now();
        let mut io = bed.io().await;
        io.write_all(sent).await.unwrap();
        until("it is counted", || bed.running.connections() == 1).await;
        let mut said = Vec::new();
        let _ = io.read_to_end(&mut said).await;
        assert_eq!(began.elapsed().as_millis() / 10, 700);
        bed.settles().await;
    }
    bed.serves_others().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_half_open_ones() {
    let bed = Bed::new(Http2Limits::default());
    let (silent, mut half) = (bed.io().await, bed.io().await);
    half.write_all(&PREFACE[..10]).await.unwrap();
    until("both are counted", || bed.running.connections() == 2).await;
    let began = Instant::now();
    let drained = bed.running.drain(Duration::from_secs(60)).await;
    assert_eq!((drained.cut_calls, bed.running.connections()), (0, 0));
    assert!(began.elapsed() < Duration::from_millis(10));
    drop((silent, half));
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_what_does_not_end() {
    let bed = Bed::new(Http2Limits::default());
    let client = bed.client();
    let call = tokio::spawn(async move { client.wait().await });
    until("the handler works", || bed.seen.alive() == 1).await;
    let began = Instant::now();
    let drained = bed.running.drain(Duration::from_secs(5)).await;
    assert_eq!(drained.cut_calls, 1);
    assert_eq!(began.elapsed().as_millis() / 10, 500);
    assert_eq!(call.await.unwrap().unwrap_err().into_status().code(), Code::Unavailable);
    bed.settles().await;
}

#[tokio::test]
async fn one_more_connection_than_there_may_be_waits_for_its_turn() {
    let bed = Bed::of(|server| server.max_connections(2));
    let mut first = peer::connect(bed.io().await).await;
    assert_eq!(ask(&mut first, "Echo", &text("1")).await.code(), Code::Ok);
    let half_open = bed.io().await;
    until("both are counted", || bed.running.connections() == 2).await;
    let mut third = peer::connect(bed.io().await).await;
    let waiting = tokio::spawn(async move { ask(&mut third, "Echo", &text("3")).await });
    // The others are served while it waits.
    for _ in 0..20 {
        assert_eq!(ask(&mut first, "Echo", &text("1")).await.code(), Code::Ok);
    }
    assert!(!waiting.is_finished() && bed.running.connections() == 2);
    drop(half_open);
    assert_eq!(waiting.await.unwrap().code(), Code::Ok);
    drop(first);
    bed.settles().await;
}
