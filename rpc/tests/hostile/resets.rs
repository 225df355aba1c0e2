//! A caller gives a call up, at each of its stages, and ten thousand times.

use crate::{
    bed::{Bed, until},
    peer::{self, ask, framed, numbers, text},
    raw::{self, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Raw, frame},
};
use bytes::Bytes;
use h2::Reason;
use mainstay::{call::Streaming, transport::Http2Limits};
use tonic::Code;

#[tokio::test]
async fn at_each_stage() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let stages: [(&str, &[u8], bool, bool); 7] = [
        ("Echo", &[], false, false),
        ("Echo", &text("half")[..7], false, false),
        ("Wait", &framed(&[]), true, false),
        ("Sum", &numbers(&[1]), false, false),
        ("Ticks", &framed(&[]), true, true),
        ("Pieces", &numbers(&[1000, 1000]), true, true),
        ("Chat", &numbers(&[1]), false, true),
    ];
    for (method, body, end, answered) in stages {
        for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
            let (response, mut stream) = peer::begin(&mut peer, method, body, end).await;
            until("the call is under way", || bed.running.calls() == 1).await;
            let answer = if answered { Some(response.await.unwrap()) } else { None };
            stream.send_reset(reason);
            until("the call is gone", || bed.running.calls() == 0 && bed.seen.alive() == 0).await;
            drop(answer);
        }
    }
    assert_eq!(ask(&mut peer, "Echo", &text("still here")).await.code(), Code::Ok);
    assert_eq!(bed.running.connections(), 1);
    drop(peer);
    bed.settles().await;
}

#[tokio::test]
async fn by_dropping_what_our_client_gave() {
    let bed = Bed::new(Http2Limits::default());
    let client = bed.client();
    let gone = || bed.running.calls() == 0 && bed.seen.alive() == 0;
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = client.wait() => unreachable!(),
            () = until("the handler works", || bed.seen.alive() == 1) => {}
        }
        until("the call is gone", gone).await;
        let mut ticks = client.ticks().await.unwrap();
        assert_eq!(ticks.message().await.unwrap(), Some(1));
        drop(ticks);
        until("the stream is gone", gone).await;
        let (sender, numbers) = Streaming::channel(1);
        let chat = client.chat(numbers).await.unwrap();
        drop(chat);
        until("the chat is gone", gone).await;
        assert!(sender.send(1).await.is_err());
        drop(client.pieces(1000, 1000).await.unwrap());
        until("the pieces are gone", gone).await;
    }
    assert_eq!(client.echo("still here".into()).await.unwrap(), "still here");
    assert_eq!(bed.running.connections(), 1);
    drop(client);
    bed.settles().await;
}

#[tokio::test]
async fn ten_thousand_times_ends_the_connection() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[]).await;
    let mut sent = 0;
    for i in 0..10_000 {
        let id = 2 * i + 1;
        let begin = frame(HEADERS, END_HEADERS | END_STREAM, id, &raw::head("Wait"));
        let both = [begin, frame(RST_STREAM, 0, id, &8u32.to_be_bytes())].concat();
        if raw.write(&both).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!((20..10_000).contains(&sent), "{sent} were sent");
    const ENHANCE_YOUR_CALM: u32 = 11;
    assert_eq!(raw.end().await, Some(ENHANCE_YOUR_CALM));
    bed.serves_others().await;
    bed.settles().await;
}

#[tokio::test]
async fn of_streams_that_were_answered_are_no_attack() {
    let bed = Bed::new(Http2Limits::default());
    let peer = peer::connect(bed.io().await).await;
    for _ in 0..300 {
        let mut ready = peer.clone().ready().await.unwrap();
        let (response, mut stream) = ready.send_request(peer::request("Ticks"), false).unwrap();
        stream.send_data(Bytes::from(framed(&[])), true).unwrap();
        let answer = response.await.unwrap();
        stream.send_reset(Reason::CANCEL);
        drop(answer);
    }
    until("all are gone", || bed.running.calls() == 0).await;
    assert_eq!(bed.running.connections(), 1);
    drop(peer);
    bed.settles().await;
}

#[tokio::test]
async fn of_a_burst_that_was_not_looked_at_are_no_attack() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[]).await;
    let burst: Vec<u8> = (0..100)
        .flat_map(|i| {
            let id = 2 * i + 1;
            [raw::call(id, "Wait", &framed(&[])), frame(RST_STREAM, 0, id, &8u32.to_be_bytes())].concat()
        })
        .collect();
    raw.write(&burst).await.unwrap();
    raw.write(&raw::call(201, "GetStock", &text("a"))).await.unwrap();
    assert_eq!(raw.until(raw::DATA).await.expect("it is answered").payload, numbers(&[3]));
    until("all are gone", || bed.running.calls() == 0 && bed.seen.alive() == 0).await;
    drop(raw);
    bed.settles().await;
}

#[tokio::test]
async fn by_the_server_of_bodies_that_come_late_are_no_attack() {
    let bed = Bed::new(Http2Limits::default());
    let mut raw = Raw::greet(bed.io().await, &[]).await;
    let mut id = 1;
    for _ in 0..10 {
        let burst = id..id + 200;
        let heads = burst.clone().step_by(2).flat_map(|id| frame(HEADERS, END_HEADERS, id, &raw::head("Steal")));
        raw.write(&heads.collect::<Vec<_>>()).await.unwrap();
        for _ in burst.clone().step_by(2) {
            let reset = raw.until(RST_STREAM).await.expect("each is refused and reset");
            assert_eq!(reset.payload, [0; 4], "as no error");
        }
        let bodies = burst.clone().step_by(2).flat_map(|id| frame(raw::DATA, END_STREAM, id, &text("late")));
        raw.write(&bodies.collect::<Vec<_>>()).await.unwrap();
        id = burst.end;
    }
    raw.write(&raw::call(id, "GetStock", &text("a"))).await.unwrap();
    assert_eq!(raw.until(raw::DATA).await.expect("it is answered").payload, numbers(&[3]));
    drop(raw);
    bed.settles().await;
}
