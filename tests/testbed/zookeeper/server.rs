//! A ZooKeeper server under test.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{START, TRIES};
use crate::wait::eventually;
use crate::{Process, Scratch, ports};

/// Where Debian keeps the jars.
const JARS: &str = "/usr/share/java";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server with a tick of half a second: sessions last from 1 to 10 s.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    name: String,
    port: u16,
    conf: PathBuf,
    dir: Scratch,
    /// Its `jute.maxbuffer`, where that is not as it comes.
    packet: Option<usize>,
}

impl Server {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When Debian's `zookeeper` is not there or does not start.
    #[track_caller]
    pub fn start(name: &str) -> Server {
        Server::started(name, None)
    }

    /// Starts one that takes so many bytes in one packet: it comes with a limit of 1 MB.
    ///
    /// # Panics
    /// As [`Server::start`].
    #[track_caller]
    pub fn roomy(name: &str, packet: usize) -> Server {
        Server::started(name, Some(packet))
    }

    #[track_caller]
    fn started(name: &str, packet: Option<usize>) -> Server {
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let mut server = Server { packet, ..Server::prepare(name, port, "", 0) };
            if server.launch() && server.answers() {
                return server;
            }
        }
        panic!("{name}: no free port in {TRIES} tries");
    }

    /// One that is started later, on a port that was free.
    ///
    /// # Panics
    /// When its directory cannot be made.
    #[track_caller]
    pub fn prepare(name: &str, port: u16, lines: &str, id: usize) -> Server {
        let dir = Scratch::new(name).unwrap_or_else(|e| panic!("{e}"));
        let text = format!(
            "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\nmaxClientCnxns=0\n{lines}\n",
            dir.join("data").display()
        );
        let conf = dir.write("zoo.cfg", text).unwrap_or_else(|e| panic!("{e}"));
        if id > 0 {
            dir.write("data/myid", id.to_string()).unwrap_or_else(|e| panic!("{e}"));
        }
        Server { process: None, name: name.to_owned(), port, conf, dir, packet: None }
    }

    /// Starts it; false when its port was taken at once.
    #[track_caller]
    pub(super) fn launch(&mut self) -> bool {
        let jar = Path::new(JARS).join("zookeeper.jar");
        assert!(jar.exists(), "{} is not there: install Debian's package `zookeeper`", jar.display());
        let mut command = Command::new("java");
        let heap = if self.packet.is_some() { "-Xmx1g" } else { "-Xmx256m" };
        command.args([heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        command.args(self.packet.map(|bytes| format!("-Djute.maxbuffer={bytes}")));
        command
            .arg("-cp")
            .arg(format!("{JARS}/*"))
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(&self.conf);
        let mut process = Process::spawn(&self.name, command).unwrap_or_else(|e| panic!("{e}"));
        let ended = process.ended().is_some();
        self.process = Some(process);
        !ended
    }

    /// Waits until it serves; false when its port was taken. One of an ensemble serves when there are enough.
    #[track_caller]
    pub(super) fn answers(&mut self) -> bool {
        let mut ended = false;
        // It says `imok` before it takes sessions.
        eventually(START, &format!("{} to serve on {}", self.name, self.port), || {
            ended = self.process().ended().is_some();
            ended || !self.mode().is_empty()
        });
        !ended
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The process, to be killed or stopped.
    ///
    /// # Panics
    /// When it was never started.
    #[track_caller]
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap_or_else(|| panic!("{} was not started", self.name))
    }

    /// Starts it, or starts it again on the same port, with what is in its directory.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn again(&mut self) {
        assert!(self.launch() && self.answers(), "{}: port {} is taken", self.name, self.port);
    }

    /// Removes its data. It must not be running.
    ///
    /// # Panics
    /// When the data cannot be removed.
    #[track_caller]
    pub fn empty(&self) {
        fs::remove_dir_all(self.dir.join("data/version-2")).unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// What it is: `standalone`, `leader`, `follower`; empty when it does not answer or serves nobody.
    pub fn mode(&self) -> String {
        self.field("Mode: ")
    }

    /// How many nodes it holds.
    pub fn count(&self) -> usize {
        self.field("Node count: ").parse().unwrap_or(0)
    }

    /// The paths of the nodes that end with their sessions.
    pub fn ephemerals(&self) -> Vec<String> {
        let text = self.ask("dump").unwrap_or_default();
        text.lines().filter(|line| line.starts_with("\t/")).map(|line| line.trim().to_owned()).collect()
    }

    fn field(&self, name: &str) -> String {
        let text = self.ask("srvr").unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    }

    /// Asks one of its words of four letters.
    fn ask(&self, word: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
