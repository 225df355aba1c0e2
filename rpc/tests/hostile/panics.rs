//! A handler panics: INTERNAL to that call alone.

use crate::{
    bed::{Bed, until},
    peer::{self, Answer, ask, framed, numbers, text},
};
use mainstay::{
    call::{Code, Streaming},
    transport::Http2Limits,
};

#[track_caller]
fn panicked(answer: &Answer) {
    assert_eq!((answer.code(), answer.message().as_str()), (Code::Internal, "the handler panicked"));
}

#[tokio::test]
async fn at_once_after_an_await_and_in_a_stream() {
    let bed = Bed::new(Http2Limits::default());
    let mut peer = peer::connect(bed.io().await).await;
    let (waiting, _stream) = peer::begin(&mut peer, "Wait", &framed(&[]), true).await;
    until("another call waits", || bed.seen.alive() == 1).await;
    for _ in 0..3 {
        panicked(&ask(&mut peer, "Panic", &framed(&[])).await);
        panicked(&ask(&mut peer, "Panic", &numbers(&[1])).await);
        let at_once = ask(&mut peer, "Breaks", &framed(&[])).await;
        panicked(&at_once);
        assert!(at_once.body.is_empty());
        let later = ask(&mut peer, "Breaks", &numbers(&[2])).await;
        panicked(&later);
        assert_eq!(later.body, [framed(&[]), numbers(&[1])].concat());
        assert_eq!(ask(&mut peer, "Echo", &text("still here")).await.code(), Code::Ok);
    }
    until("only the other call is left", || bed.seen.alive() == 1 && bed.running.calls() == 1).await;
    assert_eq!(bed.running.connections(), 1);
    drop((peer, waiting, _stream));
    bed.settles().await;
}

#[tokio::test]
async fn as_a_caller_sees_it() {
    let bed = Bed::new(Http2Limits::default());
    let client = bed.client();
    for late in [false, true] {
        let status = client.panic(late).await.unwrap_err().into_status();
        assert_eq!((status.code(), status.message()), (Code::Internal, "the handler panicked"));
        assert!(status.reached_server() && !status.retryable());
    }
    let mut breaks = client.breaks(1).await.unwrap();
    assert_eq!(breaks.message().await.unwrap(), Some(0));
    assert_eq!(breaks.message().await.unwrap_err().code(), Code::Internal);
    // A panic of the caller's own stream is the caller's: the call ends, and the connection goes on.
    let own = Streaming::of(0..2u64).map(|n| if n == 0 { n } else { panic!("as asked") });
    let status = client.sum(own).await.unwrap_err().into_status();
    assert_eq!(status.code(), Code::Cancelled, "{status:?}");
    assert_eq!(client.echo("still here".into()).await.unwrap(), "still here");
    drop((client, breaks));
    bed.settles().await;
}
