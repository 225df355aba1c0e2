//! Floods of what costs an answer, and frames that break the protocol.

use crate::{
    bed::{Bed, until},
    peer::numbers,
    raw::{
        self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW, PING, RST_STREAM, Raw,
    },
    raw::{SETTINGS, WINDOW_UPDATE, call, frame, head},
};
use mainstay::transport::Http2Limits;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

#[tokio::test]
async fn of_pings_or_settings_that_nobody_reads_the_answers_of() {
    const FRAMES: usize = 200_000;
    let bed = Bed::new(Http2Limits::default());
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut raw = Raw::greet(bed.io().await, &[]).await;
        let sent = Arc::new(AtomicUsize::new(0));
        let flooding = tokio::spawn({
            let (sent, bytes) = (sent.clone(), flood.repeat(100));
            async move {
                for _ in 0..FRAMES / 100 {
                    if raw.write(&bytes).await.is_err() {
                        return;
                    }
                    sent.fetch_add(100, SeqCst);
                }
            }
        });
        // It comes to a stop by itself: the server reads no further than it can answer.
        let mut stood = 0;
        for round in 0.. {
            assert!(round < 100, "the flood goes on: {stood}");
            for _ in 0..10 {
                bed.serves_others().await;
            }
            let now = sent.load(SeqCst);
            if now > 0 && now == stood {
                break;
            }
            stood = now;
        }
        assert!((10_000..FRAMES).contains(&stood), "{stood}");
        flooding.abort();
        drop(flooding.await);
        bed.settles().await;
    }
}

#[tokio::test]
async fn a_peer_without_a_window_is_served_when_it_opens_one() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[(INITIAL_WINDOW, 0)]).await;
    const CALLS: u32 = 500;
    for i in 0..CALLS {
        raw.write(&call(2 * i + 1, "Blob", &numbers(&[16_000]))).await.unwrap();
    }
    until("it is connected", || bed.running.connections() == 1).await;
    for _ in 0..10 {
        bed.serves_others().await;
    }
    // What was answered waits, and most of the rest was not even begun.
    assert!(bed.running.calls() < 100, "{}", bed.running.calls());
    let window = [&INITIAL_WINDOW.to_be_bytes()[..], &65_535u32.to_be_bytes()].concat();
    raw.write(&frame(SETTINGS, 0, 0, &window)).await.unwrap();
    raw.write(&frame(WINDOW_UPDATE, 0, 0, &1_000_000_000u32.to_be_bytes())).await.unwrap();
    let mut answered = BTreeSet::new();
    while answered.len() < CALLS as usize {
        let Frame { kind, flags, stream, payload } = raw.next().await.expect("the connection goes on");
        match kind {
            SETTINGS if flags & ACK == 0 => raw.write(&frame(SETTINGS, ACK, 0, &[])).await.unwrap(),
            PING if flags & ACK == 0 => raw.write(&frame(PING, ACK, 0, &payload)).await.unwrap(),
            HEADERS if flags & END_STREAM != 0 => assert!(answered.insert(stream)),
            RST_STREAM => panic!("stream {stream} was reset"),
            _ => {}
        }
    }
    drop(raw);
    bed.settles().await;
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection_alone() {
    const PROTOCOL_ERROR: u32 = 1;
    const FLOW_CONTROL_ERROR: u32 = 3;
    const FRAME_SIZE_ERROR: u32 = 6;
    let huge = ((1u32 << 31) - 1).to_be_bytes();
    let rows = [
        ("a window over the limit", frame(WINDOW_UPDATE, 0, 0, &huge), FLOW_CONTROL_ERROR),
        ("a stream of an even number", call(2, "Echo", &[]), PROTOCOL_ERROR),
        ("data of no stream", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("data of a stream that was never begun", frame(DATA, 0, 9, b"x"), PROTOCOL_ERROR),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &head("Echo")), PROTOCOL_ERROR),
        ("a ping of the wrong length", frame(PING, 0, 0, &[7; 7]), PROTOCOL_ERROR),
        ("a frame over the limit", frame(DATA, 0, 1, &[7; 128 * 1024 + 1]), FRAME_SIZE_ERROR),
        ("headers that do not unpack", frame(HEADERS, END_HEADERS, 1, &[0x80]), PROTOCOL_ERROR),
        ("a numbering that goes back", [call(5, "Wait", &[]), call(3, "Wait", &[])].concat(), PROTOCOL_ERROR),
    ];
    let bed = Bed::new(Http2Limits::default());
    for (what, bytes, error) in rows {
        let mut raw = Raw::greet(bed.io().await, &[]).await;
        let _ = raw.write(&bytes).await;
        assert_eq!(raw.end().await, Some(error), "{what}");
        bed.settles().await;
    }
    bed.serves_others().await;
    bed.settles().await;
}

#[tokio::test]
async fn a_window_over_the_limit_of_one_stream_ends_that_call() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[]).await;
    raw.write(&call(1, "Wait", &[0; 5])).await.unwrap();
    until("the handler works", || bed.seen.alive() == 1).await;
    raw.write(&frame(WINDOW_UPDATE, 0, 1, &((1u32 << 31) - 1).to_be_bytes())).await.unwrap();
    let reset = raw.until(RST_STREAM).await.unwrap();
    assert_eq!((reset.stream, reset.payload), (1, vec![0, 0, 0, 3]));
    until("the handler is dropped", || bed.seen.alive() == 0 && bed.running.calls() == 0).await;
    raw.write(&call(3, "GetStock", &crate::peer::text("a"))).await.unwrap();
    assert_eq!(raw.until(DATA).await.unwrap().payload, numbers(&[3]));
    drop(raw);
    bed.settles().await;
}

#[tokio::test]
async fn headers_without_an_end() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[]).await;
    raw.write(&frame(HEADERS, END_STREAM, 1, &head("Echo"))).await.unwrap();
    let more = frame(CONTINUATION, 0, 1, &raw::literal(0, "x", &"v".repeat(100)));
    let mut sent = 0;
    while sent < 100_000 && raw.write(&more).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 100_000);
    assert!(raw.end().await.is_some());
    bed.serves_others().await;
    bed.settles().await;
}
