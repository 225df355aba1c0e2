//! A peer that sends ten thousand requests and reads nothing: memory stays flat, and others are served.
//!
//! The server runs in a process of its own, which is this very test started again: so its memory is its own.

use crate::{
    bed::{Bed, limits},
    peer::{self, ask, framed, numbers, text},
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, WINDOW_UPDATE, frame, hello},
};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;

const ROLE: &str = "MAINSTAY_HOSTILE_SERVER";
const REQUESTS: u32 = 10_000;
/// What the server may grow by, in KiB. One connection may queue 1 MiB, and have 1024 calls under way: that comes to 1 to
/// 9 MiB here. Without the bound on what is queued it was 19 (answers of one message), 100 (of a large one) and 1200 to 1400
/// (streams); errors are small enough for the bound on calls alone.
const GROWTH: u64 = 14 * 1024;

/// In the second process: serves until the first one closes the pipe, and checks that nothing is left.
async fn serve() {
    let bed = Bed::tcp(limits(|_| ())).await;
    println!("\nlistening {}", bed.running.address().unwrap().port());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    bed.settles().await;
    println!("\nnothing is left");
}

struct Server {
    process: Child,
    out: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Server {
    fn start(test: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let port = line(&mut out, "listening ").parse().unwrap();
        Self { process, out, port }
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        line(&mut self.out, "nothing is left");
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(out: &mut impl BufRead, begins: &str) -> String {
    out.lines().find_map(|line| line.unwrap().strip_prefix(begins).map(str::to_owned)).unwrap()
}

/// What opens a connection whose windows never close.
fn opening() -> Vec<u8> {
    let huge = (1u32 << 31) - 1;
    [hello(&[(INITIAL_WINDOW, huge)]), frame(WINDOW_UPDATE, 0, 0, &(huge - 65_535).to_be_bytes())].concat()
}

/// One small request; the head of each but the first is compressed.
fn request(i: u32, method: &str, body: &[u8]) -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    if i == 0 {
        let path = format!("/hostile.v1.Desk/{method}");
        for (name, value) in [(":path", path.as_str()), (":authority", "desk"), ("content-type", "application/grpc")] {
            head.extend(raw::literal(0x40, name, value));
        }
    } else {
        head.extend([0x80 | 64, 0x80 | 63, 0x80 | 62]);
    }
    [frame(HEADERS, END_HEADERS, 2 * i + 1, &head), frame(DATA, END_STREAM, 2 * i + 1, body)].concat()
}

/// The slower half of some calls over another connection takes at least this long.
async fn latency(server: &Server) -> Duration {
    let mut peer = peer::connect(Box::new(server.connect().await)).await;
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let answer = ask(&mut peer, "Echo", &text("hello")).await;
        assert_eq!((answer.code(), answer.body), (Code::Ok, text("hello")));
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

/// The bytes that were waiting for the peer: its requests were answered as far as they may be.
async fn answered(mut deaf: TcpStream) -> usize {
    let mut all = 0;
    let mut some = vec![0; 100_000];
    while all < 1_000_000 {
        match tokio::time::timeout(Duration::from_millis(500), deaf.read(&mut some)).await {
            Ok(Ok(n)) if n > 0 => all += n,
            _ => break,
        }
    }
    all
}

async fn attack(test: &str, method: &str, body: &[u8]) {
    if std::env::var_os(ROLE).is_some() {
        return serve().await;
    }
    let server = Server::start(test);
    let normal = latency(&server).await;
    let before = server.memory();
    let mut deaf = server.connect().await;
    let mut other = peer::connect(Box::new(server.connect().await)).await;
    deaf.write_all(&opening()).await.unwrap();
    let all: Vec<u8> = (0..REQUESTS).flat_map(|i| request(i, method, body)).collect();
    // In pieces, between which others are served: all at once would be refused for being more than may be under way.
    let (mut sent, mut largest) = (0, 0);
    for piece in all.chunks(all.len() / 100) {
        let taken = tokio::time::timeout(Duration::from_secs(10), deaf.write_all(piece)).await;
        // The server may have had enough of it.
        if taken.expect("the kernel takes all").is_err() {
            break;
        }
        sent += REQUESTS / 100;
        if sent == 1000 {
            assert_eq!(ask(&mut other, "OpenGate", &framed(&[])).await.code(), Code::Ok);
        }
        assert_eq!(ask(&mut other, "Echo", &text("hello")).await.code(), Code::Ok);
        largest = largest.max(server.memory());
    }
    assert!(sent > 1000, "{sent}");
    let during = latency(&server).await;
    assert!(during < 10 * normal + Duration::from_millis(50), "{during:?} instead of {normal:?}");
    largest = largest.max(server.memory());
    assert!(largest < before + GROWTH, "from {before} to {largest} KiB");
    let answered = answered(deaf).await;
    assert!(answered > 50_000, "{answered} bytes");
    drop(other);
    // Our own side needs its runtime to leave.
    tokio::task::spawn_blocking(|| server.end()).await.unwrap();
}

#[tokio::test]
async fn answers_of_one_message() {
    attack("deaf::answers_of_one_message", "Blob", &numbers(&[16_000])).await;
}

#[tokio::test]
async fn answers_of_a_large_message() {
    attack("deaf::answers_of_a_large_message", "Blob", &numbers(&[100_000])).await;
}

#[tokio::test]
async fn answers_that_are_errors() {
    attack("deaf::answers_that_are_errors", "Nonsense", &framed(&[])).await;
}

#[tokio::test]
async fn answers_that_are_errors_of_a_handler() {
    attack("deaf::answers_that_are_errors_of_a_handler", "GetStock", &framed(&[])).await;
}

#[tokio::test]
async fn answers_that_are_streams() {
    attack("deaf::answers_that_are_streams", "Pieces", &numbers(&[1000, 16_000])).await;
}

#[tokio::test]
async fn streams_that_all_begin_at_once() {
    attack("deaf::streams_that_all_begin_at_once", "GatedPieces", &numbers(&[1000, 16_000])).await;
}
