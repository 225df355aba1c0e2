//! An attacker who speaks HTTP/2 by hand. Each flood is answered by the end of its connection, or costs nothing; others are served
//! meanwhile, and no request that HTTP/1.1 would read otherwise reaches an upstream.

use super::{
    bed::{Gateway, Mirror},
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, Raw, SETTINGS,
        WINDOW_UPDATE, block, frame, get,
    },
};
use std::fs;

const ENHANCE_YOUR_CALM: u32 = 11;
/// What a flood may leave behind in the process.
const MEMORY: u64 = 48 * 1024 * 1024;

fn pages(mirror: &Mirror) -> Gateway {
    Gateway::start(&format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}
routes:
  - {{name: fixed, match: {{path: /fixed}}, respond: {{body: fine}}}}
  - {{name: all, match: {{}}, http: {{upstream: m}}}}
",
        mirror.address
    ))
}

/// Bytes that a process has in memory.
fn memory(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn streams_that_are_opened_and_reset_end_the_connection() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let mut raw = Raw::open(&gateway, &[]);
    let mut sent = 0;
    let head = get("/reset", &[]);
    for batch in 0..200u32 {
        let streams = (0..100).map(|n| (batch * 100 + n) * 2 + 1);
        let frames: Vec<u8> = streams
            .flat_map(|id| {
                let reset = frame(RST_STREAM, 0, id, &8u32.to_be_bytes());
                [frame(HEADERS, END_HEADERS | END_STREAM, id, &head), reset].concat()
            })
            .collect();
        if !raw.send_all(&frames) {
            break;
        }
        sent += 100;
    }
    // What it says at the end may get lost with the connection, which nobody reads on.
    let end = raw.find(|frame| frame.kind == GOAWAY);
    assert!(end.as_ref().is_none_or(|end| end.error() == Some(ENHANCE_YOUR_CALM)), "{sent} streams: {end:?}");
    assert!(raw.is_over());
    assert_eq!(gateway.ask("GET /fixed", "").code, 200);
}

#[test]
fn headers_without_end_end_the_connection() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let before = memory(&gateway);
    let mut raw = Raw::open(&gateway, &[]);
    assert!(raw.send(HEADERS, END_STREAM, 1, &get("/endless", &[])));
    let more = block(&[("x-more", "a".repeat(100).as_str())]).repeat(100);
    let refused = (0..20_000).position(|_| !raw.send(CONTINUATION, 0, 1, &more));
    assert!(refused.is_some(), "two hundred megabytes of headers were taken");
    assert!(memory(&gateway) < before + MEMORY);
    assert_eq!(gateway.ask("GET /fixed", "").code, 200);
}

#[test]
fn headers_that_grow_when_they_are_unpacked_are_counted_so() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let mut raw = Raw::open(&gateway, &[]);
    // A large header is put into the table once (literal with indexing), then named two thousand times by a byte each.
    let mut bomb = get("/bomb", &[]);
    bomb.extend([0x40, 6]);
    bomb.extend(b"x-bomb");
    bomb.extend([0x7f, 0x81, 0x1e]);
    bomb.extend(vec![b'a'; 127 + 1 + 30 * 128]);
    bomb.extend(vec![0xbe; 2000]);
    assert!(raw.send(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    let answer = raw.find(|frame| frame.stream == 1 || frame.kind == GOAWAY);
    let refused = answer.as_ref().is_none_or(|answer| answer.error().is_some() || !is_fine(&answer.payload));
    assert!(refused, "{answer:?}");
    assert!(mirror.seen.lock().unwrap().is_empty());
}

/// Whether a block of headers is that of an answer that all is well.
fn is_fine(block: &[u8]) -> bool {
    // `:status: 200` stands in the table of every HTTP/2.
    block.first() == Some(&0x88)
}

#[test]
fn frames_that_ask_for_answers_nobody_reads_cost_nothing() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let before = memory(&gateway);
    for (name, flood) in [
        ("ping", frame(PING, 0, 0, &[7; 8]).repeat(2000)),
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(2000)),
        (
            "settings that differ",
            [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 2])]
                .concat()
                .repeat(1000),
        ),
        ("acknowledgements", frame(PING, ACK, 0, &[7; 8]).repeat(2000)),
        ("priority", frame(2, 0, 1, &[0, 0, 0, 3, 1]).repeat(2000)),
        ("window updates", frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()).repeat(2000)),
        ("unknown frames", frame(0xbe, 0, 0, &[1; 64]).repeat(2000)),
    ] {
        let mut raw = Raw::open(&gateway, &[]);
        raw.shorten();
        // Until it is refused, or does not read on: either is fine.
        let taken = (0..100).take_while(|_| raw.send_all(&flood)).count();
        assert_eq!(gateway.ask("GET /fixed", "").code, 200, "{name}, {taken} times");
        assert!(memory(&gateway) < before + MEMORY, "{name}: {} of {before}", memory(&gateway));
    }
}

#[test]
fn bodies_of_nothing_end_the_connection_or_cost_nothing() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let before = memory(&gateway);
    let mut raw = Raw::open(&gateway, &[]);
    raw.shorten();
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/empty")]);
    assert!(raw.send(HEADERS, END_HEADERS, 1, &post));
    let flood = frame(DATA, 0, 1, &[]).repeat(2000);
    let _ = (0..500).take_while(|_| raw.send_all(&flood)).count();
    assert_eq!(gateway.ask("GET /fixed", "").code, 200);
    assert!(memory(&gateway) < before + MEMORY);
}

#[test]
fn what_http1_would_read_otherwise_is_refused_before_it_is_handed_on() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let post = |more: &[(&str, &str)]| {
        let head = [(":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/evil")];
        block(&[&head[..], more].concat())
    };
    let pseudo =
        |path: &str| block(&[(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)]);
    for (name, head) in [
        ("a line break in a value", post(&[("x", "a\r\ny: b")])),
        ("a NUL in a value", post(&[("x", "a\0b")])),
        ("a colon in a name", post(&[("x:y", "b")])),
        ("capitals in a name", post(&[("X-Evil", "b")])),
        ("transfer-encoding", post(&[("transfer-encoding", "chunked")])),
        ("connection", post(&[("connection", "x-forwarded-for")])),
        ("te that is not trailers", post(&[("te", "gzip")])),
        ("a length that is not that of the data", post(&[("content-length", "9")])),
        ("two lengths", post(&[("content-length", "3"), ("content-length", "4")])),
        ("a length that is none", post(&[("content-length", "+3")])),
        ("a path with a blank", pseudo("/evil x")),
        ("a path with a line break", pseudo("/evil\r\nx: y")),
        ("no path", pseudo("")),
        ("two paths", post(&[(":path", "/evil")])),
        ("a pseudo header after others", post(&[("x", "y"), (":path", "/evil")])),
        ("an unknown pseudo header", post(&[(":evil", "y")])),
        ("another host", post(&[("host", "evil.example")])),
        (
            "a user in the authority",
            block(&[(":method", "GET"), (":scheme", "http"), (":authority", "u@shop.example"), (":path", "/evil")]),
        ),
    ] {
        let mut raw = Raw::open(&gateway, &[]);
        assert!(raw.send(HEADERS, END_HEADERS, 1, &head), "{name}");
        raw.send(DATA, END_STREAM, 1, b"abc");
        let refused = raw.find(|frame| frame.error().is_some() || (frame.kind == HEADERS && frame.stream == 1));
        let fine = |block: &[u8]| block.first() == Some(&0x88);
        assert!(
            refused.as_ref().is_none_or(|frame| frame.kind != HEADERS || !fine(&frame.payload)),
            "{name}: {refused:?}"
        );
    }
    let seen = mirror.seen.lock().unwrap();
    // A body may be on its way when its length turns out to be wrong: then it is not completed there.
    let evil: Vec<_> =
        seen.iter().filter(|head| head.contains("evil") && !head.contains("content-length: 9")).collect();
    assert!(evil.is_empty(), "{evil:?}");
}

#[test]
fn a_client_that_opens_no_window_holds_no_more_than_its_answers() {
    let mirror = Mirror::start();
    let gateway = pages(&mirror);
    let before = memory(&gateway);
    let mut all = Vec::new();
    for _ in 0..20 {
        // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing of a body may be sent.
        let mut raw = Raw::open(&gateway, &[(4, 0)]);
        for id in 0..100 {
            assert!(raw.send(HEADERS, END_HEADERS | END_STREAM, id * 2 + 1, &get("/fixed", &[])));
        }
        assert!(raw.find(|frame| frame.kind == HEADERS).is_some());
        all.push(raw);
    }
    assert_eq!(gateway.ask("GET /fixed", "").code, 200);
    assert!(memory(&gateway) < before + MEMORY, "{} of {before}", memory(&gateway));
    drop(all);
}
