//! A server of plain HTTP that answers what a test wants it to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What is answered to a head.
type Says = Box<dyn Fn(&str) -> Reply + Send>;

/// An answer.
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

/// The server.
pub(crate) struct Teller {
    pub(crate) address: String,
    /// The heads that came, in lower case.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Says>>,
}

impl Reply {
    /// A code, and nothing more.
    pub(crate) fn of(code: u16) -> Self {
        Self { code, headers: "", body: String::new() }
    }
}

impl Teller {
    pub(crate) fn start(says: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let says: Arc<Mutex<Says>> = Arc::new(Mutex::new(Box::new(says)));
        let (all, what) = (seen.clone(), says.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, what) = (all.clone(), what.clone());
                thread::spawn(move || serve(stream, &all, &what));
            }
        });
        Self { address, seen, says }
    }

    /// What it answers from now on.
    pub(crate) fn says(&self, says: impl Fn(&str) -> Reply + Send + 'static) {
        *self.says.lock().unwrap() = Box::new(says);
    }

    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>, says: &Mutex<Says>) {
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut to = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).map_or(true, |n| n == 0) {
                return;
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = Vec::new();
        if from.by_ref().take(length.unwrap_or_default()).read_to_end(&mut body).is_err() {
            return;
        }
        let Reply { code, headers, body } = (says.lock().unwrap())(&head);
        seen.lock().unwrap().push(head);
        let answer = format!("HTTP/1.1 {code} x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        if to.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
