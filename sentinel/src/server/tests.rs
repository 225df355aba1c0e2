//! The port in memory: a connection at one end of a pipe, a test at the other, and a runtime that answers as told.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::users::Users;
use super::{Identity, Port, Wiring, connection, notices, testing};
use crate::conf;
use crate::core::action::Refusal;
use crate::core::event::{self, Answer};
use crate::core::ids::{Epoch, RunId};
use crate::request::{Published, Request};

/// A port with this configuration, and the runtime's end of its requests.
fn port(text: &str) -> (Arc<Port>, mpsc::Receiver<Request>) {
    let config = conf::parse(text.as_bytes()).unwrap().server;
    let (requests, received) = mpsc::channel(16);
    let wiring = Wiring {
        views: testing::view().shared(),
        requests,
        notices: notices(),
        clock: Arc::new(|| testing::NOW),
        identity: Identity::default(),
    };
    let users = Users::new(&config).unwrap();
    (Arc::new(Port::new(config, users, wiring)), received)
}

fn connect(port: &Arc<Port>) -> DuplexStream {
    let (here, there) = duplex(1024);
    let client = port.clients.open("127.0.0.1:5".into(), "127.0.0.1:1".into(), testing::NOW, 100).unwrap();
    tokio::spawn(connection::serve(there, client, port.clone()));
    here
}

/// Sends bytes and expects exactly these back.
async fn talk(stream: &mut DuplexStream, sent: &str, expected: &str) {
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut got = vec![0; expected.len()];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut got)).await;
    let got = String::from_utf8_lossy(&got).into_owned();
    assert!(matches!(read, Ok(Ok(_))), "{sent:?}: {got:?} {read:?}");
    assert_eq!(got, expected, "{sent:?}");
}

fn greeting(id: u64) -> String {
    format!(
        "%6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:{id}\r\n\
         $4\r\nmode\r\n$8\r\nsentinel\r\n$7\r\nmodules\r\n*0\r\n"
    )
}

/// What still comes until the connection ends.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(100), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (port, _requests) = port("");
    let mut stream = connect(&port);
    talk(
        &mut stream,
        "PING\r\n*2\r\n$4\r\nping\r\n$1\r\nx\r\nFOO\r\n",
        "+PONG\r\n$1\r\nx\r\n-ERR unknown command 'FOO', with args beginning with: \r\n",
    )
    .await;
    talk(&mut stream, "HELLO 3\r\n", &greeting(1)).await;
    talk(
        &mut stream,
        "sentinel get-master-addr-by-name x\r\nROLE\r\n",
        "_\r\n*2\r\n$8\r\nsentinel\r\n*2\r\n$8\r\nmymaster\r\n$5\r\nother\r\n",
    )
    .await;
    talk(&mut stream, "HELLO 4\r\nHELLO 2 foo\r\nHELLO x\r\n", "-NOPROTO unsupported protocol version\r\n-ERR Syntax error in HELLO option 'foo'\r\n-ERR Protocol version is not an integer or out of range\r\n").await;
}

#[tokio::test]
async fn malformed_requests_are_told_and_end_the_connection() {
    let (port, _requests) = port("");
    for (sent, expected) in [
        ("*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("PING\r\n*1\r\n:1\r\n", "+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"),
        ("POST / HTTP/1.1\r\n", ""),
    ] {
        let mut stream = connect(&port);
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, expected, "{sent:?}");
    }
    assert_eq!(port.clients.count(), 0);
}

#[tokio::test]
async fn nothing_but_a_login_before_the_login() {
    let (port, _requests) = port("requirepass pw\nuser bob on >x +ping +subscribe +client|id &a*");
    let mut stream = connect(&port);
    talk(&mut stream, "PING\r\n", "-NOAUTH Authentication required.\r\n").await;
    talk(&mut stream, "AUTH bad\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n").await;
    talk(
        &mut stream,
        "HELLO 3 AUTH default bad\r\n",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    )
    .await;
    talk(&mut stream, "HELLO 3\r\n", "-NOAUTH HELLO must be called").await;
    let mut stream = connect(&port);
    talk(&mut stream, "AUTH pw\r\nPING\r\nACL WHOAMI\r\n", "+OK\r\n+PONG\r\n$7\r\ndefault\r\n").await;
    talk(&mut stream, "AUTH bob x\r\nPING\r\n", "+OK\r\n+PONG\r\n").await;
    talk(
        &mut stream,
        "SENTINEL myid\r\n",
        "-NOPERM this user has no permissions to run the 'sentinel|myid' command\r\n",
    )
    .await;
    talk(
        &mut stream,
        "subscribe b\r\n",
        "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n",
    )
    .await;
    talk(&mut stream, "subscribe ab\r\n", "*3\r\n$9\r\nsubscribe\r\n$2\r\nab\r\n:1\r\n").await;
    let reasons: Vec<_> = port.users.refused().iter().map(|r| (r.reason, r.username.clone())).collect();
    let expected = [("channel", "bob"), ("command", "bob"), ("auth", "default"), ("auth", "default")];
    assert_eq!(reasons, expected.map(|(reason, user)| (reason, user.to_owned())));
    let mut stream = connect(&port);
    talk(&mut stream, "*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n").await;
}

#[tokio::test]
async fn a_subscriber_that_has_lost_its_channel_is_cut_off() {
    let (port, _requests) = port("user bob on >x +@all &+*");
    let (mut bob, mut admin) = (connect(&port), connect(&port));
    let subscribed = "+OK\r\n*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n";
    talk(&mut bob, "AUTH bob x\r\nSUBSCRIBE +sdown\r\n", subscribed).await;
    let notice = || Published { channel: "+sdown", payload: "p".into() };
    port.notices.send(notice()).unwrap();
    talk(&mut bob, "", "*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$1\r\np\r\n").await;
    talk(&mut admin, "ACL SETUSER bob resetchannels &-*\r\n", "+OK\r\n").await;
    port.notices.send(notice()).unwrap();
    assert_eq!(rest(&mut bob).await, "");
}

#[tokio::test]
async fn a_user_that_is_removed_is_cut_off() {
    let (port, _requests) = port("user bob on >x +@all");
    let (mut bob, mut admin) = (connect(&port), connect(&port));
    talk(&mut bob, "AUTH bob x\r\n", "+OK\r\n").await;
    talk(&mut admin, "ACL DELUSER bob\r\n", ":1\r\n").await;
    assert_eq!(rest(&mut bob).await, "");
}

fn published(channel: &'static str) -> Published {
    Published { channel, payload: "p".into() }
}

#[tokio::test]
async fn notices_reach_subscribers_in_either_version() {
    let (port, _requests) = port("");
    let (mut old, mut new) = (connect(&port), connect(&port));
    talk(&mut old, "SUBSCRIBE +sdown\r\n", "*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n").await;
    talk(&mut new, "HELLO 3\r\n", &greeting(2)).await;
    talk(&mut new, "PSUBSCRIBE *\r\n", ">3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n").await;
    port.notices.send(published("-sdown")).unwrap();
    port.notices.send(published("+sdown")).unwrap();
    talk(&mut old, "", "*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$1\r\np\r\n").await;
    talk(&mut new, "", ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n-sdown\r\n$1\r\np\r\n>4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n+sdown\r\n$1\r\np\r\n").await;
    talk(&mut old, "PING\r\nPING x\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n").await;
    talk(&mut old, "SENTINEL myid\r\n", "-ERR Can't execute 'sentinel|myid': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n").await;
    talk(&mut old, "UNSUBSCRIBE\r\nPING\r\n", "*3\r\n$11\r\nunsubscribe\r\n$6\r\n+sdown\r\n:0\r\n+PONG\r\n").await;
    talk(&mut new, "PING\r\n", "+PONG\r\n").await;
}

#[tokio::test]
async fn requests_of_an_operator_go_to_the_runtime_one_after_another() {
    let (port, mut requests) = port("");
    let mut stream = connect(&port);
    stream.write_all(b"SENTINEL SET mymaster quorum 3 down-after-milliseconds 5 quorum x\r\nPING\r\n").await.unwrap();
    for expected in ["Quorum(3)", "DownAfter(5)"] {
        let Some(Request::Operator(event::Request::Set(_, change), reply)) = requests.recv().await else { panic!() };
        assert_eq!(format!("{change:?}"), expected);
        reply.send(Ok(())).unwrap();
    }
    talk(&mut stream, "", "-ERR Invalid argument 'x' for SENTINEL SET 'quorum'\r\n+PONG\r\n").await;

    stream.write_all(b"SENTINEL FAILOVER mymaster\r\n").await.unwrap();
    let Some(Request::Operator(event::Request::Failover(_), reply)) = requests.recv().await else { panic!() };
    reply.send(Err(Refusal::InProgress)).unwrap();
    talk(&mut stream, "", "-INPROG Failover already in progress\r\n").await;

    stream.write_all(b"SENTINEL FLUSHCONFIG\r\n").await.unwrap();
    let Some(Request::Operator(event::Request::Flush, reply)) = requests.recv().await else { panic!() };
    drop(reply);
    talk(&mut stream, "", "-ERR This sentinel is shutting down\r\n").await;
}

#[tokio::test]
async fn what_peers_ask_and_tell() {
    let (port, mut requests) = port("");
    let mut stream = connect(&port);
    let id = RunId::from_number(9);
    let question = format!("SENTINEL is-master-down-by-addr 127.0.0.1 6379 7 {id}\r\n");
    stream.write_all(question.as_bytes()).await.unwrap();
    let Some(Request::Asked(question, reply)) = requests.recv().await else { panic!() };
    assert_eq!((question.candidate, question.epoch, question.planned), (Some(id), Epoch(7), false));
    reply.send(Answer { down: true, leader: Some(id), leader_epoch: Epoch(7) }).unwrap();
    talk(&mut stream, "", &format!("*3\r\n:1\r\n$40\r\n{id}\r\n:7\r\n")).await;

    talk(&mut stream, "PUBLISH __sentinel__:hello a,b\r\n", ":1\r\n").await;
    let hello = format!("PUBLISH __sentinel__:hello 127.0.0.1,26380,{id},7,mymaster,127.0.0.1,6379,3\r\n");
    talk(&mut stream, &hello, ":1\r\n").await;
    let Some(Request::Hello(hello)) = requests.recv().await else { panic!() };
    assert_eq!((hello.peer, hello.config_epoch), (id, Epoch(3)));
    talk(&mut stream, "PUBLISH x y\r\n", "-ERR Only HELLO messages are accepted by Sentinel instances.\r\n").await;

    stream.write_all(b"SHUTDOWN NOSAVE\r\n").await.unwrap();
    assert!(matches!(requests.recv().await, Some(Request::Shutdown)));
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn replies_can_be_turned_off() {
    let (port, _requests) = port("");
    let mut stream = connect(&port);
    talk(&mut stream, "CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n", "$1\r\nb\r\n").await;
    talk(&mut stream, "CLIENT REPLY OFF\r\nPING a\r\nCLIENT REPLY ON\r\nPING b\r\n", "+OK\r\n$1\r\nb\r\n").await;
}

#[tokio::test]
async fn a_connection_that_is_killed_ends_at_once() {
    let (port, _requests) = port("");
    let (mut one, mut other) = (connect(&port), connect(&port));
    talk(&mut one, "PING\r\n", "+PONG\r\n").await;
    talk(&mut other, "CLIENT KILL ID 1\r\n", ":1\r\n").await;
    assert_eq!(rest(&mut one).await, "");
    talk(&mut other, "CLIENT KILL ID 2 SKIPME no\r\n", ":1\r\n").await;
    assert_eq!(rest(&mut other).await, "");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_too_slow_is_cut_off() {
    let (with_password, _requests) = port("requirepass pw");
    let start = tokio::time::Instant::now();
    let mut silent = connect(&with_password);
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(start.elapsed().as_secs(), 10, "the login takes too long");

    let (port, _requests) = port("timeout 20");
    let start = tokio::time::Instant::now();
    let (mut idle, mut listens) = (connect(&port), connect(&port));
    talk(&mut idle, "PING\r\n", "+PONG\r\n").await;
    talk(&mut listens, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n").await;
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(start.elapsed().as_secs(), 20, "idle for too long");
    talk(&mut listens, "PING\r\n", "*2\r\n$4\r\npong\r\n").await;

    let start = tokio::time::Instant::now();
    let mut greedy = connect(&port);
    greedy.write_all("COMMAND INFO\r\n".repeat(10).as_bytes()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(40), async {
        while port.clients.count() > 1 {
            tokio::time::advance(Duration::from_millis(500)).await;
        }
    })
    .await
    .unwrap();
    assert!((30..=31).contains(&start.elapsed().as_secs()), "takes nothing: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_cut_off() {
    let (port, _requests) = port("");
    let mut stream = connect(&port);
    talk(&mut stream, "PSUBSCRIBE *\r\n", "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n").await;
    let payload: Arc<str> = "x".repeat(10_000).into();
    for _ in 0..200 {
        // The connection is gone once it has been cut off, and then nobody listens.
        let _ = port.notices.send(Published { channel: "+sdown", payload: payload.clone() });
        tokio::task::yield_now().await;
    }
    assert!(rest(&mut stream).await.len() < 2_000_000);
    assert_eq!(port.clients.count(), 0);
}
