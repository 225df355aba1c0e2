//! Both halves against each other, over a network in memory.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use super::{
    Http1Limits, Http2Limits, Memory, Target, client::Connection, io::Connect, listen::Listen, memory, server::Shared,
};
use crate::{
    call::{CallError, Channel, Cx, Kind, MethodDef, ServiceDef, Status, Streaming, timeout},
    client::Client,
    edge::Setup,
    schema::{MessageRef, Types},
    server::{Dispatch, Phase, Routes, Serve, Shutdown, Tally},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tonic::Code;
use tower_service::Service;

fn opaque(_: &mut Types) -> MessageRef {
    unreachable!("nobody asks for descriptors here")
}

const fn method(name: &'static str, kind: Kind) -> MethodDef {
    MethodDef::new(name, kind, opaque, opaque)
}

static DEFINITION: ServiceDef = ServiceDef {
    package: "test",
    name: "Echo",
    full_name: "test.Echo",
    version: None,
    group: None,
    docs: "",
    methods: &[
        method("Unary", Kind::Unary),
        method("Repeat", Kind::ServerStreaming),
        method("Sum", Kind::ClientStreaming),
        method("Chat", Kind::BidiStreaming),
    ],
};

struct Echo {
    waiting: Tally,
}

impl Serve for Echo {
    fn definition(&self) -> &'static ServiceDef {
        &DEFINITION
    }

    fn routes(&self, routes: &mut Routes) {
        let waiting = self.waiting.clone();
        routes.unary(0, move |cx: Cx, text: String| {
            let waiting = waiting.clone();
            async move {
                match text.as_str() {
                    "panic" => panic!("as asked"),
                    "wait" => {
                        let _waiting = waiting.enter();
                        std::future::pending().await
                    }
                    "fail" => Err(Status::new(Code::NotFound, "no such 100%")),
                    _ => {
                        cx.set_trailer("seen".parse().unwrap(), "yes".parse().unwrap());
                        Ok(text)
                    }
                }
            }
        });
        routes.server_streaming(1, |_, n: u32| async move { Ok::<_, Status>(Streaming::of(0..n)) });
        routes.client_streaming(2, |_, mut numbers: Streaming<u64>| async move {
            let mut sum = 0;
            while let Some(n) = numbers.message().await? {
                sum += n;
            }
            Ok::<_, Status>(sum)
        });
        routes.bidi_streaming(3, |_, numbers: Streaming<u64>| async move { Ok::<_, Status>(numbers.map(|n| n * 2)) });
    }
}

#[derive(Clone)]
struct Over(Connection);

impl Service<crate::call::Invocation> for Over {
    type Response = crate::call::Reply;
    type Error = Status;
    type Future = crate::call::BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Status>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: crate::call::Invocation) -> Self::Future {
        let connection = self.0.clone();
        Box::pin(async move { connection.call(call, Instant::now()).await })
    }
}

struct Bed {
    network: Memory,
    listen: Arc<Listen>,
    waiting: Tally,
}

impl Bed {
    fn start(limits: Http2Limits) -> Self {
        let (network, accept) = memory();
        let waiting = Tally::default();
        let dispatch = Dispatch::new([&Echo { waiting: waiting.clone() } as &dyn Serve]);
        let service = Channel::new(dispatch.clone());
        let shared = Shared {
            edge: Setup::default().build(dispatch.clone(), service.clone(), limits.max_message, true),
            http1: Http1Limits::default(),
            service,
            dispatch,
            limits,
            gzip: true,
            calls: Tally::default(),
            began: Instant::now(),
            shutdown: Shutdown::default(),
            parted: Default::default(),
        };
        let listen = Arc::new(Listen {
            shared: Arc::new(shared),
            secure: None,
            connections: Tally::default(),
            max_connections: 10,
        });
        tokio::spawn(listen.clone().run(accept));
        Self { network, listen, waiting }
    }

    async fn connect(&self) -> (Connection, Client) {
        let io = self.network.connect(&Target::new("memory", 0)).await.unwrap();
        let authority = http::uri::Authority::from_static("memory");
        let limits = Http2Limits::default();
        let connection = Connection::open(io, http::uri::Scheme::HTTP, authority, None, &limits).await.unwrap();
        (connection.clone(), Client::new(&DEFINITION, Channel::new(Over(connection))))
    }
}

type Called<T> = Result<T, CallError<Status>>;

fn status<T: std::fmt::Debug>(called: Called<T>) -> Status {
    called.unwrap_err().into_status()
}

#[tokio::test]
async fn all_four_kinds() {
    let bed = Bed::start(Http2Limits::default());
    let (_, client) = bed.connect().await;
    let echoed: Called<String> = client.unary(0, "hello".to_owned()).await;
    assert_eq!(echoed.unwrap(), "hello");
    let repeated: Called<Streaming<u32>> = client.server_streaming(1, 1000u32).await;
    assert_eq!(repeated.unwrap().collect().await.unwrap().len(), 1000);
    let sum: Called<u64> = client.client_streaming(2, Streaming::of(1..=100u64)).await;
    assert_eq!(sum.unwrap(), 5050);
    let (sender, numbers) = Streaming::<u64>::channel(1);
    let chat: Called<Streaming<u64>> = client.bidi_streaming(3, numbers).await;
    let mut chat = chat.unwrap();
    for n in 0..10 {
        sender.send(n).await.unwrap();
        assert_eq!(chat.message().await.unwrap(), Some(2 * n));
    }
    drop(sender);
    assert_eq!(chat.message().await.unwrap(), None);
}

#[tokio::test]
async fn large_messages_and_gzip() {
    let bed = Bed::start(Http2Limits::default());
    let (_, client) = bed.connect().await;
    let gzip = client.with(crate::call::CallOptions::new().gzip(true));
    for (client, len) in [(&client, 20_000), (&client, 3_000_000), (&gzip, 400), (&gzip, 3_000_000)] {
        let text: String = ('a'..='z').cycle().take(len).collect();
        let echoed: Called<String> = client.unary(0, text.clone()).await;
        assert!(echoed.unwrap() == text, "{len}");
    }
}

#[tokio::test]
async fn failures_are_of_the_call_alone() {
    let bed = Bed::start(Http2Limits { max_message: 100_000, ..Http2Limits::default() });
    let (_, client) = bed.connect().await;
    let panicked = status::<String>(client.unary(0, "panic".to_owned()).await);
    assert_eq!(panicked.code(), Code::Internal);
    let failed = status::<String>(client.unary(0, "fail".to_owned()).await);
    assert_eq!((failed.code(), failed.message()), (Code::NotFound, "no such 100%"));
    let large = status::<String>(client.unary(0, "x".repeat(100_001)).await);
    assert_eq!(large.code(), Code::ResourceExhausted);
    let garbled = status::<u64>(client.unary(1, "not a number".to_owned()).await);
    assert_eq!(garbled.code(), Code::InvalidArgument);
    let fine: Called<String> = client.unary(0, "still here".to_owned()).await;
    assert_eq!(fine.unwrap(), "still here");
    assert_eq!(bed.listen.shared.calls.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_cancels_it_at_the_server() {
    let bed = Bed::start(Http2Limits::default());
    let (connection, client) = bed.connect().await;
    let call = tokio::spawn(async move { client.unary::<_, String, Status>(0, "wait".to_owned()).await });
    while bed.waiting.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(connection.in_flight(), 1);
    call.abort();
    bed.waiting.zero().await;
    bed.listen.shared.calls.zero().await;
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(connection.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_is_under_way_and_takes_nothing_new() {
    let bed = Bed::start(Http2Limits::default());
    let (connection, client) = bed.connect().await;
    let (sender, numbers) = Streaming::<u64>::channel(1);
    let chat: Called<Streaming<u64>> = client.bidi_streaming(3, numbers).await;
    let mut chat = chat.unwrap();
    let half_open = bed.network.connect(&Target::new("memory", 0)).await.unwrap();
    while bed.listen.connections.count() < 2 {
        tokio::task::yield_now().await;
    }
    bed.listen.shared.shutdown.to(Phase::Draining);
    // The half-open handshake is cut at once; the stream goes on.
    bed.listen.connections.below(2).await;
    drop(half_open);
    sender.send(21).await.unwrap();
    assert_eq!(chat.message().await.unwrap(), Some(42));
    let refused = loop {
        let late: Called<String> = client.with(timeout(Duration::from_secs(1))).unary(0, "late".to_owned()).await;
        match late {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error.into_status(),
        }
    };
    assert!(!refused.reached_server() && refused.retryable(), "{refused:?}");
    drop(sender);
    assert_eq!(chat.message().await.unwrap(), None);
    bed.listen.connections.zero().await;
    connection.closed().await;
    assert!(!connection.takes_calls());
}

#[tokio::test(start_paused = true)]
async fn closing_cuts_what_does_not_end() {
    let bed = Bed::start(Http2Limits::default());
    let (_, client) = bed.connect().await;
    let call = tokio::spawn(async move { client.unary::<_, String, Status>(0, "wait".to_owned()).await });
    while bed.waiting.count() == 0 {
        tokio::task::yield_now().await;
    }
    bed.listen.shared.shutdown.to(Phase::Closed);
    let cut = call.await.unwrap().unwrap_err().into_status();
    assert_eq!(cut.code(), Code::Unavailable);
    bed.listen.connections.zero().await;
    bed.waiting.zero().await;
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_what_the_peer_takes_wait_for_their_turn() {
    let bed = Bed::start(Http2Limits { max_streams: 2, ..Http2Limits::default() });
    let (_, client) = bed.connect().await;
    // The peer's bound is known once it has answered.
    let first: Called<String> = client.unary(0, "first".to_owned()).await;
    first.unwrap();
    let calls = (0..50).map(|n| {
        let client = client.clone();
        async move { client.unary::<_, String, Status>(0, format!("{n}")).await.unwrap() }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_for_its_turn_is_never_made() {
    let bed = Bed::start(Http2Limits { max_streams: 1, ..Http2Limits::default() });
    let (connection, client) = bed.connect().await;
    let first: Called<String> = client.unary(0, "first".to_owned()).await;
    first.unwrap();
    let mut held = Box::pin(client.unary::<_, String, Status>(0, "wait".to_owned()));
    assert!(futures_util::poll!(&mut held).is_pending());
    while bed.waiting.count() == 0 {
        tokio::task::yield_now().await;
    }
    let mut queued = Box::pin(client.unary::<_, String, Status>(0, "wait".to_owned()));
    let mut next = Box::pin(client.unary::<_, String, Status>(0, "next".to_owned()));
    assert!(futures_util::poll!(&mut queued).is_pending() && futures_util::poll!(&mut next).is_pending());
    drop(queued);
    drop(held);
    assert_eq!(next.await.unwrap(), "next");
    bed.waiting.zero().await;
    assert_eq!((connection.in_flight(), bed.listen.shared.calls.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_on_a_connection_that_has_ended_was_not_made() {
    let bed = Bed::start(Http2Limits::default());
    let (connection, client) = bed.connect().await;
    bed.listen.shared.shutdown.to(Phase::Closed);
    connection.closed().await;
    let failed = status(client.unary::<_, String, Status>(0, "late".to_owned()).await);
    assert!(failed.retryable() && !failed.reached_server(), "{failed:?}");
}

/// The value that a peer's first frame sets the largest frame to (RFC 9113, 6.5.2); `preface` is what comes before it.
async fn announced_frame(io: &mut (impl tokio::io::AsyncRead + Unpin), preface: usize) -> Option<u32> {
    use tokio::io::AsyncReadExt;
    const MAX_FRAME_SIZE: u16 = 5;
    let mut head = vec![0; preface + 9];
    io.read_exact(&mut head).await.unwrap();
    let head = &head[preface..];
    assert_eq!(head[3], 4, "the first frame holds settings");
    let mut settings = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    io.read_exact(&mut settings).await.unwrap();
    let mut settings = settings.chunks(6).map(|s| (u16::from_be_bytes([s[0], s[1]]), &s[2..]));
    settings.find(|(id, _)| *id == MAX_FRAME_SIZE).map(|(_, v)| u32::from_be_bytes(v.try_into().unwrap()))
}

#[tokio::test]
async fn both_sides_take_a_large_message_in_one_frame() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let bed = Bed::start(Http2Limits::default());
    let mut io = bed.network.connect(&Target::new("memory", 0)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut io, &[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await.unwrap();
    assert_eq!(announced_frame(&mut io, 0).await, Some(128 * 1024));

    let (network, mut accept) = memory();
    tokio::spawn(async move {
        let io = network.connect(&Target::new("memory", 0)).await.unwrap();
        let authority = http::uri::Authority::from_static("memory");
        let limits = Http2Limits { max_frame: 20_000, ..Http2Limits::default() };
        Connection::open(io, http::uri::Scheme::HTTP, authority, None, &limits).await.map(drop)
    });
    let mut accepted = super::io::Accept::accept(&mut accept).await.unwrap();
    assert_eq!(announced_frame(&mut accepted.io, PREFACE.len()).await, Some(20_000));
}
