//! The stand-ins' connections: one thread, one epoll, level triggered.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::server::{Effect, Server, Transaction, command};

/// How often a thread that nothing happens to looks whether it is told something.
const LOOK: Duration = Duration::from_millis(20);
/// What it is told.
const GO_ON: u8 = 0;
const END_MASTERS: u8 = 1;
const END: u8 = 2;

/// Masters with a replica each, on free ports of 127.0.0.1. Dropping it ends them.
#[derive(Debug)]
pub(super) struct StandIns {
    /// Master and replica in turn.
    ports: Vec<u16>,
    told: Arc<AtomicU8>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl StandIns {
    pub(super) fn start(masters: usize) -> io::Result<StandIns> {
        let listeners: Vec<TcpListener> =
            (0..2 * masters).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
        let ports = listeners.iter().map(|l| Ok(l.local_addr()?.port())).collect::<io::Result<Vec<u16>>>()?;
        let told = Arc::new(AtomicU8::new(GO_ON));
        let mut wire = Wire::new(listeners, &ports)?;
        let hears = told.clone();
        let thread = std::thread::spawn(move || wire.run(&hears));
        Ok(StandIns { ports, told, thread: Some(thread) })
    }

    pub(super) fn masters(&self) -> Vec<u16> {
        self.ports.iter().copied().step_by(2).collect()
    }

    pub(super) fn replicas(&self) -> Vec<u16> {
        self.ports.iter().copied().skip(1).step_by(2).collect()
    }

    /// Closes every master: its port and its connections.
    pub(super) fn end_masters(&self) {
        self.told.store(END_MASTERS, Ordering::Relaxed);
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.told.store(END, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(e))) => eprintln!("the stand-ins ended early: {e}"),
            Some(Err(_)) => eprintln!("the stand-ins ended early"),
            _ => {}
        }
    }
}

/// The thread's own.
#[derive(Debug)]
struct Wire {
    epoll: OwnedFd,
    servers: Vec<Server>,
    /// By their server.
    listeners: BTreeMap<usize, TcpListener>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    server: usize,
    stream: TcpStream,
    input: Vec<u8>,
    transaction: Transaction,
    subscribed: bool,
}

impl Wire {
    fn new(listeners: Vec<TcpListener>, ports: &[u16]) -> io::Result<Wire> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (i, listener) in listeners.iter().enumerate() {
            listener.set_nonblocking(true)?;
            epoll::add(&epoll, listener, epoll::EventData::new_u64(i as u64), epoll::EventFlags::IN)?;
        }
        let server = |i: usize| match i % 2 {
            0 => Server::new(i, None, Some(ports[i + 1])),
            _ => Server::new(i, Some(ports[i - 1]), None),
        };
        let servers: Vec<Server> = (0..ports.len()).map(server).collect();
        let next = listeners.len() as u64;
        Ok(Wire {
            epoll,
            servers,
            listeners: listeners.into_iter().enumerate().collect(),
            connections: BTreeMap::new(),
            next,
        })
    }

    fn run(&mut self, told: &AtomicU8) -> io::Result<()> {
        let look = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        loop {
            let mut events = Vec::with_capacity(256);
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&look)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            for event in events {
                let which = event.data.u64();
                if which < self.servers.len() as u64 { self.accept(which as usize)? } else { self.serve(which) }
            }
            match told.load(Ordering::Relaxed) {
                END => return Ok(()),
                END_MASTERS => {
                    self.listeners.retain(|i, _| i % 2 == 1);
                    self.connections.retain(|_, c| c.server % 2 == 1);
                }
                _ => {}
            }
        }
    }

    fn accept(&mut self, server: usize) -> io::Result<()> {
        let Some(listener) = self.listeners.get(&server) else { return Ok(()) };
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(self.next), epoll::EventFlags::IN)?;
            let (input, transaction) = Default::default();
            let connection = Connection { server, stream, input, transaction, subscribed: false };
            self.connections.insert(self.next, connection);
            self.next += 1;
        }
        Ok(())
    }

    /// Reads what has come and answers it in one go. A sentinel that does not read what it asked for is given up: the
    /// socket's buffer holds more than all that may be open.
    fn serve(&mut self, which: u64) {
        let Some(connection) = self.connections.get_mut(&which) else { return };
        let server = &mut self.servers[connection.server];
        let mut chunk = [0; 16 * 1_024];
        let Some(read) = connection.stream.read(&mut chunk).ok().filter(|n| *n > 0) else {
            self.connections.remove(&which);
            return;
        };
        connection.input.extend_from_slice(&chunk[..read]);
        let (mut out, mut published, mut used) = (Vec::new(), Vec::new(), 0);
        while let Some((words, len)) = command(&connection.input[used..]) {
            used += len;
            match server.answer(&words, &mut connection.transaction, &mut out) {
                Effect::Nothing => {}
                Effect::Subscribed => connection.subscribed = true,
                Effect::Published(message) => published.extend(message),
            }
        }
        connection.input.drain(..used);
        let at = connection.server;
        if connection.stream.write_all(&out).is_err() {
            self.connections.remove(&which);
        }
        if !published.is_empty() {
            let hears = |c: &Connection| c.subscribed && c.server == at;
            self.connections.retain(|_, c| !hears(c) || c.stream.write_all(&published).is_ok());
        }
    }
}
