//! One connection: bytes in, commands, bytes out. The only place that waits.
//!
//! One task does it all, so replies and messages keep their order. While replies pile up nothing more is read; while a
//! request is with the runtime nothing more is carried out; whoever does not take what is sent is cut off.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::clients::Client;
use super::session::{Session, World};
use super::step::{Step, Work};
use super::{Port, limits, own};
use crate::core::event::{Answer, Question};
use crate::core::ids::MasterName;
use crate::request::{Published, Request};
use crate::resp::{RequestDecoder, RequestLimits, Value};

const ENDING: &str = "ERR This sentinel is shutting down";

/// Serves a connection until either side ends it.
pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(io: I, client: Arc<Client>, port: Arc<Port>) {
    let _place = Place { id: client.id, port: port.clone() };
    let now = Instant::now();
    let mut connection = Connection {
        io,
        session: Session::new(client),
        port,
        notices: None,
        decoder: RequestDecoder::default(),
        input: BytesMut::new(),
        output: BytesMut::new(),
        heard: now,
        taken: now,
    };
    // An error of the connection is its end, and not worth more than that: the other side went away.
    let _ = connection.run().await;
}

/// A connection's place among all, given back however its task ends.
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) port: Arc<Port>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.port.clients.close(self.id);
    }
}

struct Connection<I> {
    io: I,
    session: Session,
    port: Arc<Port>,
    /// There once something was subscribed to.
    notices: Option<broadcast::Receiver<Published>>,
    decoder: RequestDecoder,
    input: BytesMut,
    output: BytesMut,
    /// When bytes last came.
    heard: Instant,
    /// When the other side last took bytes, or had none to take.
    taken: Instant,
}

/// What woke the connection.
enum Woken {
    Killed,
    Read(usize),
    Wrote(usize),
    Notice(Result<Published, broadcast::error::RecvError>),
    Late,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            if self.commands().await.is_break() {
                return self.finish().await;
            }
            match self.wait().await? {
                Woken::Killed | Woken::Late | Woken::Read(0) => return Ok(()),
                Woken::Wrote(0) if !self.output.is_empty() => return Ok(()),
                Woken::Read(count) => {
                    self.heard = Instant::now();
                    self.port.clients.counters.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
                }
                Woken::Wrote(count) => {
                    self.taken = Instant::now();
                    self.port.clients.counters.bytes_out.fetch_add(count as u64, Ordering::Relaxed);
                    self.shrink();
                }
                // Whoever has lost a channel is cut off, as by Redis, though only when there is something to hear.
                Woken::Notice(Ok(_)) if !self.session.may_listen(&self.port) => return Ok(()),
                Woken::Notice(Ok(published)) => {
                    let messages = self.session.messages(&published);
                    self.send(&messages);
                    if self.output.len() > limits::OUTPUT_MOST {
                        return Ok(());
                    }
                }
                Woken::Notice(Err(broadcast::error::RecvError::Lagged(_))) => return Ok(()),
                Woken::Notice(Err(broadcast::error::RecvError::Closed)) => self.notices = None,
            }
        }
    }

    async fn wait(&mut self) -> io::Result<Woken> {
        let reads = self.output.len() < limits::OUTPUT_PAUSE;
        let writes = !self.output.is_empty();
        let deadline = self.deadline();
        let Self { io, session, notices, input, output, .. } = self;
        let (mut reader, mut writer) = tokio::io::split(io);
        if reads {
            input.reserve(limits::READ);
        }
        let late = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let notice = async {
            match notices {
                Some(notices) => notices.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = session.client.kill.notified() => Ok(Woken::Killed),
            count = writer.write_buf(output), if writes => {
                let count = count?;
                // Bytes may wait in a layer of encryption.
                writer.flush().await?;
                Ok(Woken::Wrote(count))
            }
            notice = notice => Ok(Woken::Notice(notice)),
            count = reader.read_buf(input), if reads => Ok(Woken::Read(count?)),
            () = late => Ok(Woken::Late),
        }
    }

    /// When the connection is given up if nothing happens.
    fn deadline(&self) -> Option<Instant> {
        if !self.output.is_empty() {
            return Some(self.taken + limits::STALL);
        }
        if !self.session.may_work(&self.port) {
            return Some(self.heard.min(self.taken) + limits::LOGIN);
        }
        let idle = Duration::from_secs(self.port.config.timeout);
        (!idle.is_zero() && !self.session.is_subscriber()).then(|| self.heard.max(self.taken) + idle)
    }

    /// Carries out the commands that have come whole, as long as the other side takes the replies.
    async fn commands(&mut self) -> ControlFlow<()> {
        while self.output.len() < limits::OUTPUT_PAUSE {
            let logged_in = self.session.may_work(&self.port);
            let limits = if logged_in { RequestLimits::DEFAULT } else { RequestLimits::UNAUTHENTICATED };
            match self.decoder.next(&mut self.input, &limits) {
                Ok(None) => break,
                Ok(Some(words)) => self.command(&words).await?,
                Err(error) => {
                    self.send(&[Value::error(format!("ERR {error}"))]);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    async fn command(&mut self, words: &[Bytes]) -> ControlFlow<()> {
        let (step, heard) = {
            let view = self.port.views.load();
            let world = World { port: &self.port, view: &view, now: (self.port.clock)(), today: crate::wall::now() };
            // Before the command is carried out: no notice after its confirmation is missed.
            if self.notices.is_none() && words.first().is_some_and(|w| w.to_ascii_lowercase().ends_with(b"subscribe")) {
                self.notices = Some(self.port.notices.subscribe());
            }
            self.session.execute(words, world)
        };
        if !self.session.is_subscriber() {
            self.notices = None;
        }
        let (replies, end) = match step {
            Step::Reply(values) => (values, false),
            Step::Goodbye(value) => (vec![value], true),
            Step::Close => return ControlFlow::Break(()),
            Step::Work(work, then) => (vec![self.work(work, then).await?], false),
            Step::Ask(question) => (vec![self.ask(question).await?], false),
            Step::WhyNot(name) => (vec![self.why_not(name).await?], false),
            Step::Hello(hello) => {
                self.request(Request::Hello(hello)).await?;
                (vec![Value::Integer(1)], false)
            }
            Step::Shutdown => {
                self.request(Request::Shutdown).await?;
                return ControlFlow::Break(());
            }
        };
        if heard {
            self.send(&replies);
        }
        if end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Has everything done in order; the first refusal is the reply.
    async fn work(&mut self, all: Vec<Work>, then: Value) -> ControlFlow<(), Value> {
        for work in all {
            let refused = match work {
                Work::Operator(request) => {
                    let (reply, answer) = oneshot::channel();
                    self.request(Request::Operator(request, reply)).await?;
                    self.answer(answer).await?.map(|outcome| outcome.err())
                }
                Work::Tune(tuning) => {
                    let (reply, answer) = oneshot::channel();
                    self.request(Request::Tune(tuning, reply)).await?;
                    self.answer(answer).await?.map(|()| None)
                }
                Work::Simulate(failures) => {
                    let (reply, answer) = oneshot::channel();
                    self.request(Request::Simulate(failures, reply)).await?;
                    self.answer(answer).await?.map(|()| None)
                }
            };
            match refused {
                Some(None) => {}
                Some(Some(refusal)) => return ControlFlow::Continue(Value::error(refusal.to_string())),
                None => return ControlFlow::Continue(Value::error(ENDING)),
            }
        }
        ControlFlow::Continue(then)
    }

    async fn ask(&mut self, question: Question) -> ControlFlow<(), Value> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Asked(question, reply)).await?;
        ControlFlow::Continue(self.answer(answer).await?.map_or_else(|| Value::error(ENDING), answered))
    }

    async fn why_not(&mut self, name: MasterName) -> ControlFlow<(), Value> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::WhyNot(name, reply)).await?;
        ControlFlow::Continue(self.answer(answer).await?.map_or_else(|| Value::error(ENDING), own::unmet))
    }

    /// Hands a request to the runtime. If that has ended, so does the connection.
    async fn request(&self, request: Request) -> ControlFlow<()> {
        tokio::select! {
            sent = self.port.requests.send(request) => if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) },
            () = self.session.client.kill.notified() => ControlFlow::Break(()),
        }
    }

    /// The runtime's answer; none if it ended without one.
    async fn answer<T>(&self, answer: oneshot::Receiver<T>) -> ControlFlow<(), Option<T>> {
        tokio::select! {
            answer = answer => ControlFlow::Continue(answer.ok()),
            () = self.session.client.kill.notified() => ControlFlow::Break(()),
        }
    }

    fn send(&mut self, values: &[Value]) {
        if self.output.is_empty() {
            self.taken = Instant::now();
        }
        for value in values {
            if value.as_error().is_some() {
                self.port.clients.counters.errors.fetch_add(1, Ordering::Relaxed);
            }
            value.encode(self.session.version, &mut self.output);
        }
    }

    /// Sends what is left, for a moment.
    async fn finish(&mut self) -> io::Result<()> {
        let last = async {
            self.io.write_all_buf(&mut self.output).await?;
            self.io.shutdown().await
        };
        timeout(limits::GOODBYE, last).await.unwrap_or(Ok(()))
    }

    /// Gives memory back that one long reply or request took.
    fn shrink(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() && buffer.capacity() > limits::KEPT {
                *buffer = BytesMut::new();
            }
        }
    }
}

fn answered(answer: Answer) -> Value {
    let leader = answer.leader.map_or_else(|| "*".to_owned(), |leader| leader.to_string());
    let epoch = i64::try_from(answer.leader_epoch.0).unwrap_or(i64::MAX);
    Value::Array(vec![Value::Integer(i64::from(answer.down)), Value::bulk(leader), Value::Integer(epoch)])
}
