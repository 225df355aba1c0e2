//! A connection that is kept: commands go in, replies are told, and it is made anew whenever it breaks.
//!
//! Commands are pipelined: whatever waits is written in one go, and replies are matched in order. At most 100 may be
//! unanswered; more are refused at once, as is everything while there is no connection, so nothing old is sent late.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::commands::Words;
use super::dial::{Access, Dialled, Kind, REPLY, dial, lost};
use crate::backend::{LinkId, Sink, Told};
use crate::core::event::{Cause, Event, Failure};
use crate::core::ids::Target;
use crate::resp::{Value, encode_command};

/// The most commands without a reply.
const MOST_PENDING: usize = 100;
/// The first and the longest wait between attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(160));
/// A connection that stood so long and broke is made anew without a wait.
const STOOD: Duration = Duration::from_secs(1);

/// What is done with the replies: it may give something to tell.
type Answer = Box<dyn FnOnce(Result<Vec<Value>, Failure>) -> Option<(Event, Option<Arc<str>>)> + Send>;

struct Call {
    bytes: Bytes,
    replies: usize,
    answer: Answer,
}

/// The handle of a link. Dropping it ends the link.
#[derive(Debug)]
pub(super) struct Link {
    orders: Orders,
    access: watch::Sender<Access>,
    task: AbortHandle,
}

/// The way in: cheap to clone, for tasks that ask several things in turn.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    calls: mpsc::Sender<Call>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: AtomicU32,
    local: Mutex<Option<IpAddr>>,
}

impl Link {
    /// Makes a link, and keeps it until this is dropped.
    pub(super) fn keep(id: LinkId, target: Target, access: Access, sink: Sink) -> Link {
        let (calls, waiting) = mpsc::channel(MOST_PENDING);
        let (access, seen) = watch::channel(access);
        let shared = Arc::<Shared>::default();
        let keeper = Keeper { id, target, sink, access: seen, calls: waiting, shared: shared.clone() };
        let task = tokio::spawn(keeper.run()).abort_handle();
        Link { orders: Orders { calls, shared }, access, task }
    }

    pub(super) fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Drops the connection and makes it anew.
    pub(super) fn reconnect(&self) {
        self.access.send_modify(|_| ());
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Orders {
    /// Sends commands together; `answer` gets a reply to each, or why there is none.
    pub(super) fn send(
        &self,
        commands: &[Words],
        answer: impl FnOnce(Result<Vec<Value>, Failure>) -> Option<(Event, Option<Arc<str>>)> + Send + 'static,
    ) {
        let mut bytes = BytesMut::new();
        commands.iter().for_each(|words| encode_command(words, &mut bytes));
        let call = Call { bytes: bytes.freeze(), replies: commands.len(), answer: Box::new(answer) };
        // A full queue is a link that does not get its commands out.
        if let Err(TrySendError::Full(call) | TrySendError::Closed(call)) = self.calls.try_send(call) {
            refuse(call);
        }
    }

    /// Sends commands together and waits for the replies, at most `patience`.
    pub(super) async fn ask(&self, commands: &[Words], patience: Option<Duration>) -> Result<Vec<Value>, Failure> {
        let (tell, told) = oneshot::channel();
        self.send(commands, move |replies| {
            // The asker may have run out of patience.
            let _ = tell.send(replies);
            None
        });
        let replies = match patience {
            Some(patience) => timeout(patience, told).await.map_err(|_| Failure::Unknown)?,
            None => told.await,
        };
        replies.map_err(|_| Failure::Unknown)?
    }

    /// The local address of the connection, while it stands.
    pub(super) fn local(&self) -> Option<IpAddr> {
        *self.shared.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> u32 {
        self.shared.pending.load(Ordering::Relaxed)
    }
}

struct Keeper {
    id: LinkId,
    target: Target,
    sink: Sink,
    access: watch::Receiver<Access>,
    calls: mpsc::Receiver<Call>,
    shared: Arc<Shared>,
}

impl Keeper {
    async fn run(mut self) {
        let mut wait = BACKOFF.0;
        loop {
            let access = self.access.borrow_and_update().clone();
            let cause = match refusing(&mut self.calls, dial(&access, Kind::Commands)).await {
                Err(cause) => cause,
                Ok(dialled) => {
                    let since = Instant::now();
                    let cause = self.stand(&access, dialled).await;
                    if since.elapsed() >= STOOD {
                        wait = Duration::ZERO;
                    }
                    cause
                }
            };
            self.tell(Event::LinkDown(self.target.clone(), cause), None).await;
            let changed = async {
                let _ = timeout(wait, self.access.changed()).await;
            };
            refusing(&mut self.calls, changed).await;
            wait = (wait * 2).clamp(BACKOFF.0, BACKOFF.1);
        }
    }

    /// Serves a connection until it breaks.
    async fn stand(&mut self, access: &Access, mut dialled: Dialled) -> Cause {
        *self.shared.local.lock().unwrap_or_else(PoisonError::into_inner) = dialled.local;
        let ip = dialled.ip.to_string();
        if *ip != *access.address.host {
            self.tell(Event::Resolved { name: access.address.host.to_string(), ip }, None).await;
        }
        self.tell(Event::LinkUp(self.target.clone()), None).await;
        let mut open = VecDeque::new();
        let cause = self.serve(&mut dialled, &mut open).await;
        *self.shared.local.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.pending.store(0, Ordering::Relaxed);
        for Open { answer, .. } in open {
            if let Some((event, text)) = answer(Err(Failure::Unknown)) {
                self.tell(event, text).await;
            }
        }
        cause
    }

    async fn serve(&mut self, dialled: &mut Dialled, open: &mut VecDeque<Open>) -> Cause {
        loop {
            tokio::select! {
                value = dialled.next() => match value {
                    Ok(value) => self.replied(value, open).await,
                    Err(e) => {
                        tracing::debug!(target = ?self.target, error = %e, "link lost");
                        return lost(&e);
                    }
                },
                call = self.calls.recv() => {
                    // Closed: the handle is gone, and this task about to be ended.
                    let Some(call) = call else { return Cause::Unreachable };
                    if let Err(cause) = self.write(dialled, open, call).await {
                        return cause;
                    }
                },
                // Told to start anew, or the handle is gone.
                _ = self.access.changed() => return Cause::Unreachable,
            }
        }
    }

    /// Writes a command, and what else waits, in one go.
    async fn write(&mut self, dialled: &mut Dialled, open: &mut VecDeque<Open>, first: Call) -> Result<(), Cause> {
        let mut out = BytesMut::new();
        let mut next = Some(first);
        while let Some(call) = next {
            if open.len() < MOST_PENDING {
                out.extend_from_slice(&call.bytes);
                open.push_back(Open { left: call.replies, replies: Vec::new(), answer: call.answer });
            } else {
                refuse(call);
            }
            next = self.calls.try_recv().ok();
        }
        self.shared.pending.store(open.len() as u32, Ordering::Relaxed);
        let written = timeout(REPLY, dialled.write(&out)).await;
        written.map_err(|_| Cause::Unreachable)?.map_err(|e| lost(&e))
    }

    async fn replied(&self, value: Value, open: &mut VecDeque<Open>) {
        let Some(first) = open.front_mut() else { return };
        first.replies.push(value);
        if first.replies.len() < first.left {
            return;
        }
        let Some(Open { replies, answer, .. }) = open.pop_front() else { return };
        self.shared.pending.store(open.len() as u32, Ordering::Relaxed);
        if let Some((event, text)) = answer(Ok(replies)) {
            self.tell(event, text).await;
        }
    }

    async fn tell(&self, event: Event, text: Option<Arc<str>>) {
        // The loop is gone: so will this task be.
        let _ = self.sink.send(Told { link: self.id, event, text }).await;
    }
}

/// Commands whose replies are not all there.
struct Open {
    left: usize,
    replies: Vec<Value>,
    answer: Answer,
}

/// Waits for `what`, and refuses every command meanwhile.
async fn refusing<T>(calls: &mut mpsc::Receiver<Call>, what: impl Future<Output = T>) -> T {
    tokio::pin!(what);
    loop {
        tokio::select! {
            done = &mut what => return done,
            Some(call) = calls.recv() => refuse(call),
        }
    }
}

fn refuse(call: Call) {
    // Who asks for a task hears of it through a channel of its own; nothing else is told of what was not sent.
    (call.answer)(Err(Failure::NotSent));
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::dial::tests::access;
    use super::*;
    use crate::core::ids::RunId;

    const TARGET: Target = Target::Peer(RunId::from_number(9));

    async fn accept(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_until(&mut stream, "-cmd\r\n").await;
        stream.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
        stream
    }

    async fn read_until(stream: &mut TcpStream, what: &str) -> String {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(what) {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "closed before {what}");
        }
        String::from_utf8(seen).unwrap()
    }

    async fn set_up() -> (TcpListener, Link, mpsc::Receiver<Told>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sink, told) = mpsc::channel(8);
        let link = Link::keep(LinkId(1), TARGET, access(&listener), sink);
        (listener, link, told)
    }

    fn word(text: &str) -> Words {
        vec![text.to_owned()]
    }

    #[tokio::test]
    async fn replies_come_back_in_order_and_a_loss_is_told() {
        let (listener, link, mut told) = set_up().await;
        let mut server = accept(&listener).await;
        assert_eq!(told.recv().await.unwrap().event, Event::LinkUp(TARGET));
        let orders = link.orders().clone();
        let (two, one) = ([word("A"), word("B")], [word("LAST")]);
        let (first, second, _) = tokio::join!(orders.ask(&two, None), orders.ask(&one, None), async {
            read_until(&mut server, "LAST").await;
            server.write_all(b"+a\r\n+b\r\n:3\r\n").await.unwrap();
        });
        assert_eq!(first.unwrap(), [Value::simple("a"), Value::simple("b")]);
        assert_eq!(second.unwrap(), [Value::Integer(3)]);
        assert!(orders.local().is_some());

        let never = [word("NEVER")];
        let (lost, _) = tokio::join!(orders.ask(&never, None), async {
            read_until(&mut server, "NEVER").await;
            drop(server);
        });
        assert_eq!(lost, Err(Failure::Unknown));
        assert_eq!(told.recv().await.unwrap().event, Event::LinkDown(TARGET, Cause::Closed));
        accept(&listener).await;
        assert_eq!(told.recv().await.unwrap().event, Event::LinkUp(TARGET));
    }

    #[tokio::test]
    async fn without_a_connection_nothing_is_kept_for_later() {
        let (listener, link, mut told) = set_up().await;
        drop(listener);
        let down = told.recv().await.unwrap().event;
        assert!(matches!(down, Event::LinkDown(..)), "{down:?}");
        assert_eq!(link.orders().ask(&[word("A")], None).await, Err(Failure::NotSent));
    }

    #[tokio::test]
    async fn unanswered_commands_are_bounded() {
        let (listener, link, mut told) = set_up().await;
        let mut server = accept(&listener).await;
        told.recv().await.unwrap();
        for n in 0..MOST_PENDING {
            link.orders().send(&[word(&format!("N{n}-"))], |_| None);
        }
        read_until(&mut server, "N99-").await;
        assert_eq!(link.orders().pending(), 100);
        assert_eq!(link.orders().ask(&[word("MORE")], None).await, Err(Failure::NotSent));
    }

    #[tokio::test]
    async fn told_to_it_starts_anew_and_dropped_it_ends() {
        let (listener, link, mut told) = set_up().await;
        let mut server = accept(&listener).await;
        told.recv().await.unwrap();
        link.reconnect();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(told.recv().await.unwrap().event, Event::LinkDown(TARGET, Cause::Unreachable));
        let mut server = accept(&listener).await;
        assert_eq!(told.recv().await.unwrap().event, Event::LinkUp(TARGET));
        drop(link);
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    }
}
