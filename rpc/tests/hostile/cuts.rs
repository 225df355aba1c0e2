//! The connection is cut in the middle of a call: both sides learn of it, and neither keeps anything.

use crate::{
    bed::{self, Bed, until},
    peer::{self, framed, text},
};
use mainstay::{
    call::{BoxFuture, Reason, Status, Streaming},
    transport::{BoxIo, Connect, Http2Limits, Memory, Target, memory},
};
use std::{io, sync::Arc};
use tokio::{io::copy_bidirectional, sync::Notify};
use tonic::Code;

/// A network with a cable that can be cut.
#[derive(Clone, Debug)]
struct Cable {
    network: Memory,
    cut: Arc<Notify>,
}

impl Connect for Cable {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let mut server = self.network.connect(target).await?;
            let (near, mut far) = tokio::io::duplex(1000);
            let cut = self.cut.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut far, &mut server) => {}
                    () = cut.notified() => {}
                }
            });
            Ok(Box::new(near) as BoxIo)
        })
    }
}

fn wired() -> (Bed, Cable, bed::DeskClient) {
    let (network, accept) = memory();
    let bed = Bed::on(accept);
    let cable = Cable { network, cut: Arc::default() };
    let client = bed::client(cable.clone(), Http2Limits::default());
    (bed, cable, client)
}

#[track_caller]
fn lost(status: &Status) {
    assert_eq!((status.code(), status.reason()), (Code::Unavailable, Reason::ConnectionLost), "{status:?}");
    assert!(status.reached_server() && status.retryable(), "{status:?}");
}

#[tokio::test]
async fn in_a_stream_of_requests() {
    let (bed, cable, client) = wired();
    let (sender, numbers) = Streaming::channel(1);
    let call = tokio::spawn(async move { client.sum(numbers).await });
    sender.send(1).await.unwrap();
    until("the handler works", || bed.seen.alive() == 1).await;
    cable.cut.notify_waiters();
    lost(&call.await.unwrap().unwrap_err().into_status());
    bed.settles().await;
    assert_eq!(*bed.seen.failed.lock().unwrap(), [(Code::Unavailable, Reason::ConnectionLost)]);
    assert!(sender.send(2).await.is_err(), "nobody reads what would be sent");
}

#[tokio::test]
async fn in_a_handler_that_works() {
    let (bed, cable, client) = wired();
    let call = tokio::spawn(async move { client.wait().await });
    until("the handler works", || bed.seen.alive() == 1).await;
    cable.cut.notify_waiters();
    lost(&call.await.unwrap().unwrap_err().into_status());
    bed.settles().await;
}

#[tokio::test]
async fn in_a_stream_of_answers() {
    let (bed, cable, client) = wired();
    let mut ticks = client.ticks().await.unwrap();
    assert_eq!(ticks.message().await.unwrap(), Some(1));
    cable.cut.notify_waiters();
    lost(&ticks.message().await.unwrap_err());
    assert_eq!(ticks.message().await.unwrap(), None, "nothing comes after an error");
    drop(client);
    bed.settles().await;
}

#[tokio::test]
async fn in_a_large_answer_that_is_not_read() {
    let (bed, cable, client) = wired();
    let pieces = client.pieces(1000, 10_000).await.unwrap();
    until("the stream is under way", || bed.seen.alive() == 1).await;
    cable.cut.notify_waiters();
    lost(&pieces.collect().await.unwrap_err());
    drop(client);
    bed.settles().await;
}

#[tokio::test]
async fn in_both_streams() {
    let (bed, cable, client) = wired();
    let (sender, numbers) = Streaming::channel(1);
    let mut chat = client.chat(numbers).await.unwrap();
    sender.send(21).await.unwrap();
    assert_eq!(chat.message().await.unwrap(), Some(42));
    cable.cut.notify_waiters();
    lost(&chat.message().await.unwrap_err());
    drop((client, chat, sender));
    bed.settles().await;
    assert_eq!(*bed.seen.failed.lock().unwrap(), [(Code::Unavailable, Reason::ConnectionLost)]);
}

#[tokio::test]
async fn the_next_call_connects_anew() {
    let (bed, cable, client) = wired();
    assert_eq!(client.echo("a".into()).await.unwrap(), "a");
    cable.cut.notify_waiters();
    until("the server knows", || bed.running.connections() == 0).await;
    // The client may not know yet: such a call fails as lost, and then it knows.
    let again = match client.echo("b".into()).await {
        Err(error) => {
            lost(&error.into_status());
            client.echo("b".into()).await
        }
        fine => fine,
    };
    assert_eq!(again.unwrap(), "b");
    drop(client);
    bed.settles().await;
}

#[tokio::test]
async fn in_a_request_that_has_half_come() {
    let bed = Bed::new(Http2Limits::default());
    let io = bed.io().await;
    let (mut send, connection) = h2::client::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let (_, _stream) = peer::begin(&mut send, "Echo", &text("never all")[..7], false).await;
    until("the call is under way", || bed.running.calls() == 1).await;
    driver.abort();
    bed.settles().await;
}

#[tokio::test]
async fn by_a_reset_of_tcp() {
    let bed = Bed::tcp(Http2Limits::default()).await;
    for (method, body) in [("Wait", framed(&[])), ("Ticks", framed(&[])), ("Chat", vec![])] {
        let stream = tokio::net::TcpStream::connect(bed.running.address().unwrap()).await.unwrap();
        stream.set_zero_linger().unwrap();
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let (_response, _stream) = peer::begin(&mut send, method, &body, false).await;
        until("the call is under way", || bed.running.calls() == 1).await;
        driver.abort();
        drop(driver.await);
        bed.settles().await;
    }
    bed.serves_others().await;
}
