//! The server under test: one service whose handlers do what a test asks, and the counts that tell of a leak.

use mainstay::{
    call::{Reason, Status, Streaming},
    server::{Running, Server},
    transport::{Accept, BoxIo, Connect, Http2Limits, Memory, Target, TcpAccept, memory},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify};
use tonic::Code;

/// A service that can be asked to misbehave.
#[mainstay::service(package = "hostile.v1", version = "1.0.0")]
pub(crate) trait Desk {
    async fn get_stock(&self, sku: String) -> Result<u32, Status>;

    async fn echo(&self, text: String) -> Result<String, Status>;

    /// As many bytes as are asked for.
    async fn blob(&self, len: u32) -> Result<Vec<u8>, Status>;

    /// Never answers.
    async fn wait(&self) -> Result<String, Status>;

    /// Panics, at once or after an await.
    async fn panic(&self, late: bool) -> Result<String, Status>;

    /// Computes for some microseconds, and says in which task.
    async fn compute(&self, micros: u64) -> Result<String, Status>;

    /// Lets those go who wait at the gate.
    async fn open_gate(&self) -> Result<(), Status>;

    /// Pieces of a length.
    async fn pieces(&self, count: u32, len: u32) -> Result<Streaming<Vec<u8>>, Status>;

    /// The same once the gate is open.
    async fn gated_pieces(&self, count: u32, len: u32) -> Result<Streaming<Vec<u8>>, Status>;

    /// One number, and then nothing for ever.
    async fn ticks(&self) -> Result<Streaming<u64>, Status>;

    /// Some numbers, and then a panic.
    async fn breaks(&self, after: u64) -> Result<Streaming<u64>, Status>;

    async fn sum(&self, numbers: Streaming<u64>) -> Result<u64, Status>;

    /// Doubles each number until the caller ends.
    async fn chat(&self, numbers: Streaming<u64>) -> Result<Streaming<u64>, Status>;
}

/// What the handlers tell the test.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    alive: AtomicUsize,
    pub(crate) begun: AtomicUsize,
    pub(crate) gated: AtomicUsize,
    gate: Notify,
    /// How request streams failed.
    pub(crate) failed: Mutex<Vec<(Code, Reason)>>,
}

impl Seen {
    /// Handlers, and the streams that they answered with, that were not dropped yet.
    pub(crate) fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }

    fn enter(self: &Arc<Self>) -> Alive {
        self.alive.fetch_add(1, SeqCst);
        self.begun.fetch_add(1, SeqCst);
        Alive(self.clone())
    }

    fn note(&self, status: &Status) {
        self.failed.lock().unwrap().push((status.code(), status.reason()));
    }
}

struct Alive(Arc<Seen>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

struct Handlers(Arc<Seen>);

impl Desk for Handlers {
    async fn get_stock(&self, sku: String) -> Result<u32, Status> {
        if sku.is_empty() { Err(Status::new(Code::NotFound, "no article without a name")) } else { Ok(3) }
    }

    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn blob(&self, len: u32) -> Result<Vec<u8>, Status> {
        Ok(vec![7; len as usize])
    }

    async fn wait(&self) -> Result<String, Status> {
        let _alive = self.0.enter();
        std::future::pending().await
    }

    async fn panic(&self, late: bool) -> Result<String, Status> {
        let _alive = self.0.enter();
        if late {
            tokio::task::yield_now().await;
        }
        panic!("as asked")
    }

    async fn compute(&self, micros: u64) -> Result<String, Status> {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(micros) {
            std::hint::spin_loop();
        }
        Ok(tokio::task::id().to_string())
    }

    async fn open_gate(&self) -> Result<(), Status> {
        self.0.gate.notify_waiters();
        Ok(())
    }

    async fn pieces(&self, count: u32, len: u32) -> Result<Streaming<Vec<u8>>, Status> {
        Ok(pieces(count, len, self.0.enter()))
    }

    async fn gated_pieces(&self, count: u32, len: u32) -> Result<Streaming<Vec<u8>>, Status> {
        let alive = self.0.enter();
        let gate = self.0.gate.notified();
        self.0.gated.fetch_add(1, SeqCst);
        gate.await;
        Ok(pieces(count, len, alive))
    }

    async fn ticks(&self) -> Result<Streaming<u64>, Status> {
        let alive = self.0.enter();
        let (sender, stream) = Streaming::channel(1);
        let first = sender.send(1).await;
        // The sender lives as long as the stream: it is never at its end.
        Ok(stream.map(move |n| {
            let _held = (&alive, &sender, &first);
            n
        }))
    }

    async fn breaks(&self, after: u64) -> Result<Streaming<u64>, Status> {
        let alive = self.0.enter();
        Ok(Streaming::of(0..=after).map(move |n| {
            let _alive = &alive;
            assert!(n < after, "as asked");
            n
        }))
    }

    async fn sum(&self, mut numbers: Streaming<u64>) -> Result<u64, Status> {
        let _alive = self.0.enter();
        let mut sum = 0;
        loop {
            match numbers.message().await {
                Ok(Some(n)) => sum += n,
                Ok(None) => return Ok(sum),
                Err(status) => {
                    self.0.note(&status);
                    return Err(status);
                }
            }
        }
    }

    async fn chat(&self, mut numbers: Streaming<u64>) -> Result<Streaming<u64>, Status> {
        let alive = self.0.enter();
        let (sender, stream) = Streaming::channel(1);
        let seen = self.0.clone();
        tokio::spawn(async move {
            let _alive = alive;
            loop {
                match numbers.message().await {
                    Ok(Some(n)) => {
                        if sender.send(2 * n).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(status) => {
                        seen.note(&status);
                        return sender.fail(status).await;
                    }
                }
            }
        });
        Ok(stream)
    }
}

fn pieces(count: u32, len: u32, alive: Alive) -> Streaming<Vec<u8>> {
    Streaming::of(0..count).map(move |_| {
        let _alive = &alive;
        vec![7; len as usize]
    })
}

/// The limits of most tests: the defaults, changed.
pub(crate) fn limits(change: impl FnOnce(&mut Http2Limits)) -> Http2Limits {
    let mut limits = Http2Limits::default();
    change(&mut limits);
    limits
}

/// A server at work.
pub(crate) struct Bed {
    pub(crate) running: Running,
    pub(crate) seen: Arc<Seen>,
    network: Option<Memory>,
    tasks: usize,
}

fn server(seen: &Arc<Seen>) -> Server {
    Server::new().serve(DeskServer::new(Handlers(seen.clone())))
}

impl Bed {
    /// A server in memory.
    pub(crate) fn new(limits: Http2Limits) -> Self {
        Self::of(|server| server.limits(limits))
    }

    /// A server in memory, set up.
    pub(crate) fn of(set_up: impl FnOnce(Server) -> Server) -> Self {
        let (network, accept) = memory();
        let seen = Arc::default();
        let running = set_up(server(&seen)).start(accept);
        Self { running, seen, network: Some(network), tasks: tasks() }
    }

    /// A server that accepts from elsewhere; tests connect by themselves.
    pub(crate) fn on(accept: impl Accept) -> Self {
        let seen = Arc::default();
        let running = server(&seen).start(accept);
        Self { running, seen, network: None, tasks: tasks() }
    }

    /// A server on loopback.
    pub(crate) async fn tcp(limits: Http2Limits) -> Self {
        let seen = Arc::default();
        let accept = TcpAccept::bind("127.0.0.1:0").await.unwrap();
        let running = server(&seen).limits(limits).start(accept);
        Self { running, seen, network: None, tasks: tasks() }
    }

    /// A connection's bytes.
    pub(crate) async fn io(&self) -> BoxIo {
        match &self.network {
            Some(network) => network.connect(&Target::new("desk", 1)).await.unwrap(),
            None => Box::new(tokio::net::TcpStream::connect(self.running.address().unwrap()).await.unwrap()),
        }
    }

    /// Our own client; the first call connects.
    pub(crate) fn client(&self) -> DeskClient {
        client(self.network.clone().unwrap(), Http2Limits::default())
    }

    /// Checks that others are served as ever.
    pub(crate) async fn serves_others(&self) {
        let mut peer = super::peer::connect(self.io().await).await;
        let answer = super::peer::ask(&mut peer, "Echo", &super::peer::text("hello")).await;
        assert_eq!((answer.code(), answer.body.as_slice()), (Code::Ok, super::peer::text("hello").as_slice()));
    }

    /// Waits until every call, connection, handler and task is gone. All peers must have left.
    pub(crate) async fn settles(&self) {
        until("no connection is left", || self.running.connections() == 0).await;
        until("no call is left", || self.running.calls() == 0).await;
        until("no handler is left", || self.seen.alive() == 0).await;
        until("no task is left", || tasks() <= self.tasks).await;
    }
}

/// Our own client over any network.
pub(crate) fn client(network: impl Connect, limits: Http2Limits) -> DeskClient {
    let builder = DeskClient::connect("desk").address("desk:1").connector(network).limits(limits);
    builder.retries(0).connections(1..=1).timeout(Duration::from_secs(3600)).build().unwrap()
}

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits for a condition without letting a paused clock run on.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}
