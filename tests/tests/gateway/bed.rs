//! A gateway and what stands behind it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use testbed::{Process, Scratch, eventually, tree};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running gateway, and its file.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: String,
    place: Scratch,
}

impl Gateway {
    /// Starts one on a free port; `rest` is the file without its listener.
    pub(crate) fn start(rest: &str) -> Self {
        Self::of("mainstay-gateway", &text(rest))
    }

    /// The same, whose listener has `more`.
    pub(crate) fn listening(more: &str, rest: &str) -> Self {
        Self::of("mainstay-gateway", &format!("listeners: [{{address: '127.0.0.1:0', {more}}}]\n{rest}"))
    }

    /// The same by another program.
    pub(crate) fn program(name: &str, rest: &str) -> Self {
        Self::of(name, &text(rest))
    }

    fn of(program: &str, text: &str) -> Self {
        let place = Scratch::new("gateway").unwrap();
        let file = place.write("gateway.yaml", text).unwrap();
        let mut command = Command::new(tree::built(program));
        command.arg(&file);
        let mut process = Process::spawn("gateway", command).unwrap();
        let address = process.line(SOON, "listening ");
        Self { process, address, place }
    }

    /// Changes the file, as an editor does: another takes its place.
    pub(crate) fn write(&self, rest: &str) {
        let new = self.place.write("new.yaml", text(rest)).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.place.join("gateway.yaml")
    }

    /// Changes the file and waits until it is in force.
    pub(crate) fn reload(&self, rest: &str, version: u64) {
        self.write(rest);
        let line = format!("the file is in force version={version}");
        eventually(SOON, &line, || self.process.stderr().contains(&line));
    }

    /// The same, whose listener has `more`.
    pub(crate) fn reload_listening(&self, more: &str, rest: &str, version: u64) {
        let text = format!("listeners: [{{address: '127.0.0.1:0', {more}}}]\n{rest}");
        let new = self.place.write("new.yaml", text).unwrap();
        std::fs::rename(new, self.file()).unwrap();
        let line = format!("the file is in force version={version}");
        eventually(SOON, &line, || self.process.stderr().contains(&line));
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, head: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
        let rest: String = rest.lines().map(|line| format!("{}\r\n", line.trim())).collect();
        write!(stream, "{first} HTTP/1.1\r\nhost: shop.example\r\n{rest}{length}\r\n{body}").unwrap();
        Answer::read(&mut BufReader::new(stream), first.starts_with("HEAD")).expect("an answer")
    }

    /// JSON for a method of gRPC.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(&format!("POST {path}\ncontent-type: application/json"), body)
    }
}

fn text(rest: &str) -> String {
    format!("listeners: [{{address: '127.0.0.1:0'}}]\n{rest}")
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one; `None` when the connection has ended before its head, or inside it.
    pub(crate) fn read(from: &mut impl BufRead, headless: bool) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let code = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|n| *n > 0)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut answer = Self { code, headers, body: String::new() };
        let mut bytes = Vec::new();
        match (answer.header("content-length").map(|length| length.parse::<u64>().unwrap()), headless) {
            (_, true) => {}
            (Some(length), false) => {
                from.take(length).read_to_end(&mut bytes).ok()?;
                (bytes.len() as u64 == length).then_some(())?;
            }
            (None, false) if answer.header("transfer-encoding") == Some("chunked") => chunks(from, &mut bytes)?,
            (None, false) => {}
        }
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn chunks(from: &mut impl BufRead, bytes: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk).ok()?;
        bytes.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(());
        }
    }
}

/// A server that answers each request with the request.
pub(crate) struct Mirror {
    pub(crate) address: String,
    /// The heads that came.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let all = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = all.clone();
                thread::spawn(move || mirror(stream, &all));
            }
        });
        Self { address, seen }
    }
}

fn mirror(stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut to = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).is_ok_and(|n| n == 0) {
                return;
            }
        }
        seen.lock().unwrap().push(head.clone());
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = Vec::new();
        if lower.contains("transfer-encoding: chunked") {
            if chunks(&mut from, &mut body).is_none() {
                return;
            }
        } else if from.by_ref().take(length.unwrap_or_default()).read_to_end(&mut body).is_err() {
            return;
        }
        let text = format!("{head}{}", String::from_utf8_lossy(&body));
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nkeep-alive: timeout=5\r\nx-mainstay-origin: forged\r\n\r\n{}",
            text.len(),
            if head.starts_with("HEAD") { "" } else { &text }
        );
        if to.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A service of gRPC, which answers JSON over HTTP/1.1 too.
pub(crate) struct Stock {
    pub(crate) process: Process,
    pub(crate) address: String,
}

impl Stock {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        let mut command = Command::new(tree::built("stock-server"));
        command.args(["--listen", address]);
        let mut process = Process::spawn("stock-server", command).unwrap();
        let address = process.line(SOON, "listening ");
        Self { process, address }
    }
}
