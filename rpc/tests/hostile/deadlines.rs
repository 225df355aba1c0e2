//! The deadline passes at each point of a call: DEADLINE_EXCEEDED, and whatever worked for it is dropped.

use crate::{
    bed::{Bed, limits, until},
    peer::{self, answer, numbers, request_with, send, text},
};
use bytes::Bytes;
use mainstay::transport::Http2Limits;
use std::sync::atomic::Ordering::SeqCst;
use tokio::time::{Duration, Instant, sleep};
use tonic::Code;

#[tokio::test(start_paused = true)]
async fn on_arrival() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    for method in ["Wait", "Ticks", "Echo"] {
        let answer = send(&mut peer, request_with(method, "grpc-timeout", "0n"), &text("")).await;
        assert_eq!(answer.code(), Code::DeadlineExceeded);
        assert_eq!(answer.message(), "the deadline had passed before the call began");
    }
    assert_eq!(bed.seen.begun.load(SeqCst), 0, "no handler ran");
    drop(peer);
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_request_dribbles_in() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let mut ready = peer.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(request_with("Echo", "grpc-timeout", "1S"), false).unwrap();
    let dribble = tokio::spawn(async move {
        for byte in [0, 0, 0, 0, 100].into_iter().chain(std::iter::repeat(b'x')) {
            if stream.send_data(Bytes::copy_from_slice(&[byte]), false).is_err() {
                return;
            }
            sleep(Duration::from_millis(150)).await;
        }
    });
    let began = Instant::now();
    assert_eq!(answer(response).await.unwrap().code(), Code::DeadlineExceeded);
    assert_eq!(began.elapsed().as_millis() / 10, 100);
    dribble.await.unwrap();
    assert_eq!(peer::ask(&mut peer, "Echo", &text("next")).await.code(), Code::Ok);
    drop((peer, ready));
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_handler_works() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let began = Instant::now();
    let answer = send(&mut peer, request_with("Wait", "grpc-timeout", "1S"), &text("")).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded);
    assert_eq!(began.elapsed().as_millis() / 10, 100);
    assert_eq!((bed.seen.begun.load(SeqCst), bed.seen.alive()), (1, 0));
    drop(peer);
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn while_a_stream_of_answers_runs() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let answer = send(&mut peer, request_with("Ticks", "grpc-timeout", "1S"), &[0; 5]).await;
    // What came before the deadline came.
    assert_eq!((answer.code(), answer.body), (Code::DeadlineExceeded, numbers(&[1])));
    until("the stream is dropped", || bed.seen.alive() == 0).await;
    drop(peer);
    bed.settles().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_caller_does_not_read() {
    for (method, body) in [("Blob", numbers(&[300_000])), ("Pieces", numbers(&[1000, 1000]))] {
        let bed = Bed::new(limits(|limits| limits.keepalive = Duration::from_secs(1000)));
        let peer = peer::connect(bed.io().await).await;
        let mut ready = peer.clone().ready().await.unwrap();
        let (response, mut stream) = ready.send_request(request_with(method, "grpc-timeout", "1S"), false).unwrap();
        stream.send_data(body.into(), true).unwrap();
        let unread = response.await.unwrap();
        until("the call is under way", || bed.running.calls() == 1).await;
        sleep(Duration::from_millis(1100)).await;
        until("the call has ended", || bed.running.calls() == 0 && bed.seen.alive() == 0).await;
        // The window is what the caller gave, so that much came; then why it ended.
        let mut body = unread.into_body();
        let mut len = 0;
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            body.flow_control().release_capacity(chunk.len()).unwrap();
            len += chunk.len();
        }
        assert!((60_000..200_000).contains(&len), "{len}");
        assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "4");
        drop((peer, ready, body, stream));
        bed.settles().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_stream_of_requests_is_read() {
    let bed = Bed::new(Http2Limits::default());
    let peer = peer::connect(bed.io().await).await;
    let mut ready = peer.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(request_with("Sum", "grpc-timeout", "1S"), false).unwrap();
    stream.send_data(numbers(&[1]).into(), false).unwrap();
    assert_eq!(answer(response).await.unwrap().code(), Code::DeadlineExceeded);
    assert_eq!(bed.seen.alive(), 0);
    drop((peer, ready, stream));
    bed.settles().await;
}
