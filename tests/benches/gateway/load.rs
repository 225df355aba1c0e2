//! The load: connections that are kept, each with one request under way, on one thread. It reads as little of an answer as tells
//! where it ends, so that the core that it shares with the backend has time for more than the proxy can do.

use crate::args::{Ask, Load};
use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use serde_json::json;
use std::{
    error::Error,
    time::{Duration, Instant},
};
use testbed::process::cpu_seconds;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
};

/// What failed: it ends the run.
type Failure = Box<dyn Error + Send + Sync>;

/// Before anything is counted: connections, caches and the allocator of both sides.
const WARM_UP: Duration = Duration::from_millis(500);
/// Bytes of payload each way.
pub(crate) const PAYLOAD: usize = 130;
const METHOD: &str = "/bench.v1.Echo/Echo";

/// Measures, and prints one line of JSON.
pub(crate) fn run(load: &Load) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let line = runtime.block_on(measure(load)).map_err(|e| format!("{} at {}: {e}", load.ask.word(), load.at))?;
    println!("{line}");
    Ok(())
}

async fn measure(load: &Load) -> Result<serde_json::Value, Failure> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs_f64(load.seconds);
    let mut all = JoinSet::new();
    for _ in 0..load.connections {
        let load = *load;
        match load.ask {
            Ask::Grpc => all.spawn(async move { grpc(&load, begin, end).await }),
            Ask::Http1 | Ask::Json => all.spawn(async move { http1(&load, begin, end).await }),
        };
    }
    tokio::time::sleep_until(begin.into()).await;
    let cpu = || cpu_seconds(load.server).ok_or("the proxy is gone");
    let (began, before) = (Instant::now(), cpu()?);
    tokio::time::sleep_until(end.into()).await;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu()? - before);
    let mut taken = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
    while let Some(one) = all.join_next().await {
        taken.add(one??)?;
    }
    let micros = |q| taken.value_at_quantile(q) as f64 / 1000.0;
    Ok(json!({
        "requests": taken.len(), "seconds": seconds, "cpu_s": cpu, "p50_us": micros(0.5), "p99_us": micros(0.99),
    }))
}

/// Asks again and again until the end; what began and ended between the two moments counts.
struct Clock {
    begin: Instant,
    end: Instant,
    started: Instant,
    taken: Histogram<u64>,
}

impl Clock {
    fn new(begin: Instant, end: Instant) -> Result<Self, Failure> {
        let taken = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
        Ok(Self { begin, end, started: Instant::now(), taken })
    }

    /// One has ended, and the next begins; false at the end.
    fn lap(&mut self) -> bool {
        let now = Instant::now();
        if self.started >= self.begin && now <= self.end {
            self.taken.saturating_record((now - self.started).as_nanos() as u64);
        }
        self.started = now;
        now < self.end
    }
}

async fn http1(load: &Load, begin: Instant, end: Instant) -> Result<Histogram<u64>, Failure> {
    let mut stream = TcpStream::connect(load.at).await?;
    stream.set_nodelay(true)?;
    let request = match load.ask {
        Ask::Json => {
            // What base64 makes of so many bytes of zero.
            let body = json!({ "body": "A".repeat(PAYLOAD.div_ceil(3) * 4) }).to_string();
            format!(
                "POST {METHOD} HTTP/1.1\r\nhost: bench.example\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        _ => "GET / HTTP/1.1\r\nhost: bench.example\r\nuser-agent: bench\r\naccept: */*\r\n\r\n".to_owned(),
    };
    let mut clock = Clock::new(begin, end)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        stream.write_all(request.as_bytes()).await?;
        let mut had = 0;
        while !is_whole(&buffer[..had])? {
            match stream.read(&mut buffer[had..]).await? {
                0 => return Err("the connection was closed".into()),
                n => had += n,
            }
        }
        if !clock.lap() {
            return Ok(clock.taken);
        }
    }
}

/// Whether an answer has come to its end.
fn is_whole(bytes: &[u8]) -> Result<bool, Failure> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(text.to_owned().into());
    }
    let length = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    let length = text.lines().find_map(length).ok_or("an answer without its length")?;
    Ok(bytes.len() >= head + 4 + length)
}

async fn grpc(load: &Load, begin: Instant, end: Instant) -> Result<Histogram<u64>, Failure> {
    let stream = TcpStream::connect(load.at).await?;
    stream.set_nodelay(true)?;
    let (mut send, connection) = h2::client::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let uri = format!("http://bench.example{METHOD}");
    let (mut clock, message) = (Clock::new(begin, end)?, message());
    loop {
        send = call(send.ready().await?, &uri, message.clone()).await?;
        if !clock.lap() {
            break;
        }
    }
    driver.abort();
    Ok(clock.taken)
}

async fn call(mut send: SendRequest<Bytes>, uri: &str, message: Bytes) -> Result<SendRequest<Bytes>, Failure> {
    let request = http::Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    let (answer, mut body) = send.send_request(request.body(())?, false)?;
    body.send_data(message.clone(), true)?;
    let mut answer = answer.await?.into_body();
    let mut had = 0;
    while let Some(data) = answer.data().await {
        let data = data?;
        had += data.len();
        answer.flow_control().release_capacity(data.len())?;
    }
    let trailers = answer.trailers().await?.unwrap_or_default();
    let fine = trailers.get("grpc-status").is_some_and(|status| status == "0");
    if fine && had == message.len() { Ok(send) } else { Err(format!("{had} bytes and {trailers:?}").into()) }
}

/// The message in its frame: field 1 with the payload.
fn message() -> Bytes {
    let mut message = vec![0x0a, 0x80 | (PAYLOAD % 128) as u8, (PAYLOAD / 128) as u8];
    message.extend([0; PAYLOAD]);
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..text.len() {
            assert!(!is_whole(&text[..cut]).unwrap(), "{cut}");
        }
        assert!(is_whole(text).unwrap());
        assert!(is_whole(b"HTTP/1.1 503 No\r\n\r\n").is_err());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn laps_before_the_beginning_do_not_count() {
        let now = Instant::now();
        let mut clock = Clock::new(now + Duration::from_secs(600), now + Duration::from_secs(1200)).unwrap();
        assert!(clock.lap() && clock.lap());
        assert_eq!(clock.taken.len(), 0);
    }
}
