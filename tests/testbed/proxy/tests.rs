//! Each fault of the proxy does what it says, and is counted.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Instant;

use super::*;
use crate::{eventually, wait::poll};

const SOON: Duration = Duration::from_secs(10);

/// An echo server for one test, its proxy, and a client through it.
struct Bed {
    proxy: Proxy,
    _server: JoinHandle<()>,
}

impl Bed {
    fn new() -> Bed {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                std::thread::spawn(move || std::io::copy(&mut &socket, &mut &socket).unwrap_or(0));
            }
        });
        Bed { proxy: Proxy::start(addr).unwrap(), _server: server }
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.proxy.addr()).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }
}

fn ping(client: &mut TcpStream) -> std::io::Result<Duration> {
    let start = Instant::now();
    client.write_all(b"ping")?;
    let mut answer = [0; 4];
    client.read_exact(&mut answer)?;
    assert_eq!(&answer, b"ping");
    Ok(start.elapsed())
}

/// Whether an answer comes within a time that is long beside a healthy one.
fn answers(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let answered = client.read(&mut [0; 64]).is_ok_and(|n| n > 0);
    client.set_read_timeout(Some(SOON)).unwrap();
    answered
}

#[test]
fn a_healthy_proxy_only_passes_and_counts() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    let counts = bed.proxy.counts();
    assert_eq!(counts, Counts { accepted: 1, up: 4, down: 4, ..Counts::default() });
    assert_eq!(bed.proxy.open(), 1);
    drop(client);
    eventually(SOON, "the connection is let go", || bed.proxy.open() == 0);
}

#[test]
fn latency_delays_each_way() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    bed.proxy.latency(Way::Up, Duration::from_millis(40));
    bed.proxy.latency(Way::Down, Duration::from_millis(30));
    assert!(ping(&mut client).unwrap() >= Duration::from_millis(70));
    assert_eq!(bed.proxy.counts().delayed, 2);
    bed.proxy.heal();
    ping(&mut client).unwrap();
    assert_eq!(bed.proxy.counts().delayed, 2);
}

#[test]
fn a_throttle_lets_so_much_through() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.proxy.throttle(Way::Up, 1024 * 1024);
    let start = Instant::now();
    let mut writer = client.try_clone().unwrap();
    let sent = std::thread::spawn(move || writer.write_all(&vec![7; 256 * 1024]));
    let mut got = vec![0; 256 * 1024];
    client.read_exact(&mut got).unwrap();
    sent.join().unwrap().unwrap();
    // A quarter of a second's worth; the last piece is not waited for.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    assert!(bed.proxy.counts().throttled > 4, "{:?}", bed.proxy.counts());
}

#[test]
fn a_stall_holds_one_way_and_a_heal_lets_go() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    bed.proxy.stall(Way::Down);
    client.write_all(b"ping").unwrap();
    eventually(SOON, "the request reached the server", || bed.proxy.counts().up == 8);
    assert!(!answers(&mut client));
    assert_eq!(bed.proxy.counts().down, 4);
    bed.proxy.heal();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    assert_eq!(bed.proxy.counts().held, 1);
}

#[test]
fn a_black_hole_swallows_new_connections_too() {
    let bed = Bed::new();
    let mut old = bed.client();
    ping(&mut old).unwrap();
    bed.proxy.black_hole();
    let mut new = bed.client();
    for client in [&mut old, &mut new] {
        client.write_all(b"ping").unwrap();
        assert!(!answers(client));
    }
    assert_eq!(bed.proxy.counts().up, 4);
    bed.proxy.heal();
    for client in [&mut old, &mut new] {
        client.read_exact(&mut [0; 4]).unwrap();
    }
    assert!(bed.proxy.counts().held >= 2, "{:?}", bed.proxy.counts());
}

#[test]
fn a_cut_is_an_end_of_file_and_the_next_connection_works() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    assert_eq!(bed.proxy.cut(), 1);
    assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
    assert_eq!(bed.proxy.counts().cut, 1);
    ping(&mut bed.client()).unwrap();
}

#[test]
fn a_reset_is_an_error_and_the_next_connection_works() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    assert_eq!(bed.proxy.reset(), 1);
    assert_eq!(client.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(bed.proxy.counts().reset, 1);
    ping(&mut bed.client()).unwrap();
}

#[test]
fn a_refusal_lasts_until_healed() {
    let bed = Bed::new();
    bed.proxy.refuse();
    assert!(ping(&mut bed.client()).is_err());
    assert_eq!(bed.proxy.counts().refused, 1);
    bed.proxy.heal();
    ping(&mut bed.client()).unwrap();
}

#[test]
fn jitter_delays_some_more_than_others_and_the_same_seed_alike() {
    let took = |seed: u64| {
        let bed = Bed::new();
        let mut client = bed.client();
        ping(&mut client).unwrap();
        bed.proxy.jitter(Way::Up, Duration::from_millis(60), &mut Seed::of(seed));
        let took: Vec<Duration> = (0..6).map(|_| ping(&mut client).unwrap()).collect();
        assert!(bed.proxy.counts().delayed > 0);
        took
    };
    let (one, same) = (took(1), took(1));
    let mut due = Seed::of(Seed::of(1).next_u64());
    for (one, same) in one.iter().zip(&same) {
        let least = Duration::from_micros(due.below(60_000));
        due = Seed::of(due.next_u64());
        assert!(*one >= least && *same >= least, "{one:?}, {same:?}, {least:?}");
    }
}

#[test]
fn one_piece_of_so_many_is_changed() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.proxy.corrupt(Way::Down, 2);
    let mut came = Vec::new();
    for _ in 0..4 {
        client.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        came.push(answer == *b"ping");
    }
    assert_eq!((came, bed.proxy.counts().corrupted), (vec![true, false, true, false], 2));
}

#[test]
fn half_open_connections_are_told_nothing() {
    let bed = Bed::new();
    let mut old = bed.client();
    ping(&mut old).unwrap();
    assert_eq!(bed.proxy.half_open(), 1);
    let mut new = bed.client();
    for client in [&mut old, &mut new] {
        client.write_all(b"ping").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let silent = client.read(&mut [0; 4]).unwrap_err().kind();
        assert!(matches!(silent, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    }
    assert_eq!(bed.proxy.counts().half_open, 2);
    bed.proxy.heal();
    ping(&mut bed.client()).unwrap();
    assert!(ping(&mut old).is_err());
}

#[test]
fn an_end_is_handed_on_late() {
    let bed = Bed::new();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    bed.proxy.linger(Duration::from_millis(100));
    let start = Instant::now();
    client.shutdown(Shutdown::Write).unwrap();
    // There and back: the server ends when it hears of it.
    assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(bed.proxy.counts().lingered, 2);
}

#[test]
fn dropping_it_ends_its_connections_and_frees_its_port() {
    let bed = Bed::new();
    let addr = bed.proxy.addr();
    let mut client = bed.client();
    ping(&mut client).unwrap();
    drop(bed);
    assert!(ping(&mut client).is_err());
    assert!(poll(SOON, || TcpListener::bind(addr).ok()).is_some(), "the port is free again");
}
