//! One endpoint of plain HTTP: its idle connections, what is under way there, and whether it was reached of late.
//!
//! The pool is a stack of our own: hyper-util's client costs a tenth of the whole hop (measured in November 2026: 17.5 µs a
//! request against 15.9). A connection is given back when the answer on it has been read, and used again newest first, so
//! that those that are not needed grow old and go.

use super::clock::Clock;
use crate::filter::mixed;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use mainstay::{
    edge::{Body, BoxError},
    transport::{Connect, Target},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Idle connections that are kept, at most.
const MAX_IDLE: usize = 256;
/// How long one may be idle: less than the 60 s and more after which servers close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The first pause after a failure to connect; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Headers of an answer, and its head in bytes.
const MAX_HEADERS: usize = 200;
const MAX_HEAD: usize = 64 * 1024;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    /// The same for the same address, everywhere.
    pub(super) key: u64,
    connect: Arc<dyn Connect>,
    idle: Mutex<Vec<Idle>>,
    active: AtomicUsize,
    birth: Instant,
    /// Until when it is passed over, in milliseconds since its birth; and failures in a row.
    ejected: AtomicU64,
    failures: AtomicU32,
}

#[derive(Debug)]
struct Idle {
    line: Line,
    since: Instant,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) send: SendRequest<Body>,
    /// For the waits of its requests.
    pub(super) clock: Clock,
}

/// A connection that is there for one request.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) line: Line,
    /// It was used before: its end may have come unseen.
    pub(super) reused: bool,
}

impl Endpoint {
    pub(super) fn new(host: &str, port: u16, connect: Arc<dyn Connect>) -> Self {
        Self {
            target: Target::new(host, port),
            key: mixed(0, format!("{host}:{port}").as_bytes()),
            connect,
            idle: Mutex::default(),
            active: AtomicUsize::new(0),
            birth: Instant::now(),
            ejected: AtomicU64::new(0),
            failures: AtomicU32::new(0),
        }
    }

    /// Requests under way.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// It is passed over, since it could not be reached.
    pub(crate) fn is_ejected(&self) -> bool {
        self.failures.load(Relaxed) > 0 && (self.birth.elapsed().as_millis() as u64) < self.ejected.load(Relaxed)
    }

    pub(super) fn failed(&self) {
        let row = self.failures.fetch_add(1, Relaxed).min(5);
        let until = self.birth.elapsed() + (FIRST_PAUSE * 2u32.pow(row)).min(LONGEST_PAUSE);
        self.ejected.store(until.as_millis() as u64, Relaxed);
    }

    pub(super) fn answered(&self) {
        self.failures.store(0, Relaxed);
    }

    /// A connection that is idle, and ready.
    pub(super) fn idle(&self, fresh: bool) -> Option<Leased> {
        let line = if fresh { None } else { self.take() }?;
        if line.send.is_ready() {
            return Some(Leased { line, reused: true });
        }
        self.give(line);
        None
    }

    /// A connection: an idle one, else a new one.
    ///
    /// # Errors
    /// When it cannot be connected to in this time.
    pub(super) async fn lease(&self, fresh: bool, patience: Duration) -> io::Result<Leased> {
        while let Some(mut line) = if fresh { None } else { self.take() } {
            let send = &mut line.send;
            // It was given back a moment before its task was done with the last answer.
            if send.is_ready()
                || timeout(Duration::from_millis(20), send.ready()).await.is_ok_and(|ready| ready.is_ok())
            {
                return Ok(Leased { line, reused: true });
            }
        }
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {patience:?}"));
        let send = timeout(patience, self.connect()).await.map_err(late)??;
        Ok(Leased { line: Line { send, clock: Clock::default() }, reused: false })
    }

    async fn connect(&self) -> io::Result<SendRequest<Body>> {
        let stream = self.connect.connect(&self.target).await?;
        let mut builder = Builder::new();
        let (send, connection) = builder
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to an upstream ended");
            }
        });
        Ok(send)
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Idle { line, since }) = idle.pop() {
            if since.elapsed() > IDLE_TIMEOUT {
                // Those below are older still.
                idle.clear();
            } else if !line.send.is_closed() {
                return Some(line);
            }
        }
        None
    }

    fn give(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !line.send.is_closed() {
            idle.push(Idle { line, since: Instant::now() });
        }
    }
}

/// A request under way: counted until it is dropped.
#[derive(Debug)]
pub(super) struct Active(Arc<Endpoint>);

impl Active {
    pub(super) fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Relaxed);
        Self(endpoint.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// The answer's body. Read to its end, it gives the connection back; dropped before, it closes it.
pub(super) struct Answer {
    incoming: Incoming,
    line: Option<Line>,
    active: Active,
}

/// The answer with its connection in its body.
pub(super) fn answer(response: Response<Incoming>, line: Line, active: Active) -> Response<Body> {
    response.map(|incoming| {
        let mut answer = Answer { incoming, line: Some(line), active };
        if answer.incoming.is_end_stream() {
            answer.ended();
            return Body::empty();
        }
        Body::new(answer)
    })
}

impl Answer {
    fn ended(&mut self) {
        if let Some(line) = self.line.take() {
            self.active.0.give(line);
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if frame.is_none() || self.incoming.is_end_stream() {
            self.ended();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The same request once more, if it has no body; a copy of its head.
pub(super) fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
