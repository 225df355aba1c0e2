//! A sentinel under test: ours or Redis'.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::client::{Client, Reply};
use super::{START, TRIES, serve};
use crate::wait::eventually;
use crate::{Place, Process, Scratch, ports};

/// A sentinel, ours or Redis': a process with a `sentinel.conf`.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    place: Place,
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
        Sentinel::at(&Place::Here, name, program, lines)
    }

    /// Starts `program` at a place.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn at(place: &Place, name: &str, program: &Path, lines: &str) -> Sentinel {
        let dir = Scratch::new(name).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..TRIES {
            let port = ports::free().unwrap_or_else(|e| panic!("{e}"));
            let text = format!("port {port}\nbind {}\ndir {}\n{lines}\n", place.ip(), dir.path().display());
            let conf = dir.write("sentinel.conf", text).unwrap_or_else(|e| panic!("{e}"));
            if let Some(process) = serve(place, name, program, &conf, port) {
                let (place, program, name) = (place.clone(), program.to_owned(), name.to_owned());
                return Sentinel { process, place, port, conf, program, name, _dir: dir };
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
        let started = serve(&self.place, &self.name, program, &self.conf, self.port);
        self.process = started.unwrap_or_else(|| panic!("{}: port {} is taken", self.name, self.port));
        self.program = program.to_owned();
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address(self.port)
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
        self.place.client(self.port).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// The port of the master as it serves it; none when it does not answer or knows none.
    pub fn master(&self, name: &str) -> Option<u16> {
        let reply = self.place.client(self.port).ok()?.call(&["SENTINEL", "get-master-addr-by-name", name]).ok()?;
        reply.items().get(1)?.text().parse().ok()
    }

    /// A field of `SENTINEL MASTER name`.
    pub fn field(&self, name: &str, field: &str) -> Option<String> {
        let reply = self.place.client(self.port).ok()?.call(&["SENTINEL", "MASTER", name]).ok()?;
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
