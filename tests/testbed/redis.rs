//! Redis under test: servers, sentinels of either make, and a client that is slow-witted on purpose.
//!
//! The client is blocking and knows only what a test asks: it is no code of ours under test, so that a mistake of ours in
//! RESP shows itself against it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::wait::eventually;
use crate::{Process, Scratch, ports};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// How often a port that another took meanwhile is replaced.
const TRIES: usize = 5;
/// The longest wait for one reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// A `redis-server` of one's own, without files but its configuration, in a directory of its own.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    conf: PathBuf,
    name: String,
    _dir: Scratch,
}

impl Server {
    /// Starts one on a free port of 127.0.0.1, with further lines of configuration.
    ///
    /// # Panics
    /// When Debian's `redis-server` is not there or does not start.
    #[track_caller]
    pub fn start(name: &str, lines: &[&str]) -> Server {
        let dir = Scratch::new(name).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n{}\n",
                dir.path().display(),
                lines.join("\n")
            );
            let conf = dir.write("redis.conf", text).unwrap_or_else(|e| panic!("{e}"));
            if let Some(process) = serve(name, "redis-server", &conf, &[], port) {
                return Server { process, port, conf, name: name.to_owned(), _dir: dir };
            }
        }
        panic!("{name}: no free port in {TRIES} tries");
    }

    /// Starts one that follows `master`.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[track_caller]
    pub fn replica(name: &str, master: &Server, lines: &[&str]) -> Server {
        let follow = format!("replicaof 127.0.0.1 {}", master.port);
        Server::start(name, &[&[follow.as_str()], lines].concat())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, to be killed or stopped.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again on the same port, with the configuration as it has rewritten it.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn again(&mut self) {
        let started = serve(&self.name, "redis-server", &self.conf, &[], self.port);
        self.process = started.unwrap_or_else(|| panic!("{}: port {} is taken", self.name, self.port));
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::to(self.port).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// A field of its INFO; empty when there is none or it does not answer.
    pub fn info(&self, field: &str) -> String {
        let text = Client::to(self.port).and_then(|mut c| c.call(&["INFO"])).map(|r| r.text()).unwrap_or_default();
        let found = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    /// Waits until it is a replica with its link up.
    ///
    /// # Panics
    /// When it is not within 20 s.
    #[track_caller]
    pub fn synced(&self) {
        eventually(START, &format!("{} to be in sync", self.name), || self.info("master_link_status") == "up");
    }
}

/// A sentinel, ours or Redis': a process with a `sentinel.conf`.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    port: u16,
    conf: PathBuf,
    program: PathBuf,
    name: String,
    _dir: Scratch,
}

impl Sentinel {
    /// Starts `program` (`redis-sentinel`, or the path of ours) on a free port of 127.0.0.1 with these lines in its file.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(name: &str, program: &Path, lines: &str) -> Sentinel {
        let dir = Scratch::new(name).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let text = format!("port {port}\nbind 127.0.0.1\ndir {}\n{lines}\n", dir.path().display());
            let conf = dir.write("sentinel.conf", text).unwrap_or_else(|e| panic!("{e}"));
            if let Some(process) = serve(name, program, &conf, &[], port) {
                let (program, name) = (program.to_owned(), name.to_owned());
                return Sentinel { process, port, conf, program, name, _dir: dir };
            }
        }
        panic!("{name}: no free port in {TRIES} tries");
    }

    /// Starts it again with another program on the same file and port.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn again(&mut self, program: &Path) {
        let started = serve(&self.name, program, &self.conf, &[], self.port);
        self.process = started.unwrap_or_else(|| panic!("{}: port {} is taken", self.name, self.port));
        self.program = program.to_owned();
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.conf
    }

    /// Where one of ours keeps its state.
    pub fn state(&self) -> PathBuf {
        self.conf.with_file_name("sentinel.conf.state")
    }

    /// What its file holds now.
    pub fn conf(&self) -> String {
        std::fs::read_to_string(&self.conf).unwrap_or_default()
    }

    /// What it has written so far.
    pub fn process_output(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::to(self.port).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// The port of the master as it serves it; none when it does not answer or knows none.
    pub fn master(&self, name: &str) -> Option<u16> {
        let reply = Client::to(self.port).ok()?.call(&["SENTINEL", "get-master-addr-by-name", name]).ok()?;
        reply.items().get(1)?.text().parse().ok()
    }

    /// A field of `SENTINEL MASTER name`.
    pub fn field(&self, name: &str, field: &str) -> Option<String> {
        let reply = Client::to(self.port).ok()?.call(&["SENTINEL", "MASTER", name]).ok()?;
        let items = reply.items();
        let at = items.iter().step_by(2).position(|k| k.text() == field)?;
        items.get(2 * at + 1).map(Reply::text)
    }

    /// Waits until it knows this many replicas, all with a link, and other sentinels.
    ///
    /// # Panics
    /// When it does not within 20 s.
    #[track_caller]
    pub fn knows(&self, name: &str, replicas: usize, others: usize) {
        let want = (Some(replicas.to_string()), Some(others.to_string()));
        eventually(START, &format!("{} to know {replicas} replicas and {others} sentinels", self.name), || {
            (self.field(name, "num-slaves"), self.field(name, "num-other-sentinels")) == want
        });
    }
}

/// Starts a program on its file, and waits until its port answers; none when the port was taken.
#[track_caller]
fn serve(name: &str, program: impl AsRef<Path>, conf: &Path, args: &[&str], port: u16) -> Option<Process> {
    let mut command = Command::new(program.as_ref());
    command.arg(conf).args(args);
    let mut process = Process::spawn(name, command).unwrap_or_else(|e| panic!("{e}"));
    let mut taken = false;
    eventually(START, &format!("{name} to listen on {port}\n{}", process.stdout()), || {
        taken = process.ended().is_some();
        taken || Client::to(port).and_then(|mut c| c.call(&["PING"])).is_ok()
    });
    let said = process.stdout() + &process.stderr();
    assert!(!taken || said.contains("in use"), "{name} ended: {said}");
    (!taken).then_some(process)
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status or a bulk.
    Text(String),
    /// An error.
    Error(String),
    /// A number.
    Int(i64),
    /// Nothing.
    Null,
    /// Several.
    Array(Vec<Reply>),
}

impl Reply {
    /// As text; a number in digits, nothing and several as an empty text.
    pub fn text(&self) -> String {
        match self {
            Reply::Text(t) | Reply::Error(t) => t.clone(),
            Reply::Int(n) => n.to_string(),
            Reply::Null | Reply::Array(_) => String::new(),
        }
    }

    /// The elements of an array; none of anything else.
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) => items,
            _ => &[],
        }
    }
}

/// A connection that sends a command and waits for its reply.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of 127.0.0.1; a reply may take 5 s.
    ///
    /// # Errors
    /// When it cannot.
    pub fn to(port: u16) -> io::Result<Client> {
        Client::within(port, PATIENCE)
    }

    /// Connects to a port of 127.0.0.1; connection and reply may take `patience` each.
    ///
    /// # Errors
    /// When it cannot.
    pub fn within(port: u16, patience: Duration) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a command and waits for its reply; an error reply is a reply.
    ///
    /// # Errors
    /// When the connection breaks, or no reply comes in time.
    pub fn call(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.send(words)?;
        self.reply()
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut text = format!("*{}\r\n", words.len());
        words.iter().for_each(|w| text.push_str(&format!("${}\r\n{w}\r\n", w.len())));
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// The next reply, or message of a subscription.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes in time, or it is no RESP2.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad(&line))?;
        let number = || rest.parse::<i64>().map_err(|_| bad(&line));
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Int(number()?)),
            "$" | "*" if rest == "-1" => Ok(Reply::Null),
            "$" => self.bulk(number()? as usize),
            "*" => (0..number()?).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::Array),
            _ => Err(bad(&line)),
        }
    }

    fn bulk(&mut self, len: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; len + 2];
        io::Read::read_exact(&mut self.stream, &mut bytes)?;
        bytes.truncate(len);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP2: `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_follows_and_a_redis_sentinel_sees_both() {
        let master = Server::start("master", &[]);
        let replica = Server::replica("replica", &master, &[]);
        replica.synced();
        assert_eq!(master.client().call(&["SET", "k", "v"]).unwrap(), Reply::Text("OK".into()));
        eventually(START, "the write to arrive", || replica.client().call(&["GET", "k"]).unwrap().text() == "v");
        let lines = format!("sentinel monitor m 127.0.0.1 {} 1", master.port());
        let sentinel = Sentinel::start("sentinel", Path::new("redis-sentinel"), &lines);
        sentinel.knows("m", 1, 0);
        assert_eq!(sentinel.master("m"), Some(master.port()));
        assert!(sentinel.conf().contains("known-replica"));
    }

    #[test]
    fn a_server_comes_back_on_its_port() {
        let mut server = Server::start("server", &[]);
        server.process().kill().unwrap();
        assert!(Client::to(server.port()).is_err());
        server.again();
        assert_eq!(server.info("role"), "master");
    }
}
