//! Callers that never stop, each on one connection that it keeps, and what they got.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use super::bed::{Answer, SOON};

/// Callers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    pub(crate) done: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Callers that ask for these heads and bodies in turn, until they are stopped; each answer must be 200 and hold a word.
    pub(crate) fn start(address: &str, callers: usize, asks: &[(&str, &str, &'static str)]) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let asks: Vec<_> = asks.iter().map(|(head, body, word)| (request(head, body), *word)).collect();
        let callers = (0..callers)
            .map(|_| {
                let (stop, done, asks, address) = (stop.clone(), done.clone(), asks.clone(), address.to_owned());
                thread::spawn(move || call(&address, &asks, &stop, &done))
            })
            .collect();
        Self { stop, done, callers }
    }

    /// Answers so far.
    pub(crate) fn count(&self) -> usize {
        self.done.load(Relaxed)
    }

    /// Waits for so many more answers.
    pub(crate) fn goes_on(&self, more: usize) {
        let until = self.count() + more;
        testbed::eventually(SOON * 3, "more answers", || self.count() >= until);
    }

    /// Stops, and answers what went wrong.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        self.callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    }
}

fn request(head: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{head} HTTP/1.1\r\nhost: shop.example\r\ncontent-type: application/json\r\n{length}\r\n{body}")
}

fn call(address: &str, asks: &[(String, &str)], stop: &AtomicBool, done: &AtomicUsize) -> Vec<String> {
    let mut failed = Vec::new();
    let mut kept: Option<BufReader<TcpStream>> = None;
    for (ask, word) in asks.iter().cycle() {
        if stop.load(Relaxed) {
            break;
        }
        let connected = || {
            let stream = TcpStream::connect(address).ok()?;
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            Some(BufReader::new(stream))
        };
        let Some(mut stream) = kept.take().or_else(connected) else {
            failed.push("no connection".to_owned());
            break;
        };
        let answer = stream.get_mut().write_all(ask.as_bytes()).ok().and_then(|()| Answer::read(&mut stream, false));
        match &answer {
            Some(answer) if answer.code == 200 && answer.body.contains(word) => {}
            other => failed.push(format!("{}: {other:?}", ask.lines().next().unwrap_or_default())),
        }
        done.fetch_add(1, Relaxed);
        if answer.is_some_and(|answer| answer.header("connection") != Some("close")) {
            kept = Some(stream);
        }
    }
    failed
}
