//! The task that sends calls again later. It ends with the client.

use super::{FailbackOptions, queue::Queue};
use crate::{
    call::{CallService, Invocation, Status},
    layer::names::{FAILBACK, OUTCOME},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::{Duration, Instant, sleep_until},
};

/// The calls of one policy that are sent again later.
#[derive(Debug)]
pub(super) struct Later {
    waiting: Arc<Line>,
    task: OnceLock<Task>,
}

#[derive(Debug)]
struct Line {
    queue: Mutex<Queue<Invocation>>,
    more: Notify,
    /// One has ended.
    ended: Notify,
    birth: Instant,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Later {
    pub(super) fn new(options: FailbackOptions) -> Self {
        let queue = Mutex::new(Queue::new(options));
        Self {
            waiting: Arc::new(Line { queue, more: Notify::new(), ended: Notify::new(), birth: Instant::now() }),
            task: OnceLock::new(),
        }
    }

    /// Takes a call to send it again through `inner`; `false` when there is no place for it.
    pub(super) fn take<S: CallService>(&self, call: Invocation, inner: &S) -> bool {
        let taken = self.waiting.queue().push(call, self.waiting.now());
        if taken {
            self.task.get_or_init(|| Task(tokio::spawn(self.waiting.clone().work(inner.clone())).abort_handle()));
            self.waiting.more.notify_one();
        } else {
            metrics::counter!(FAILBACK, OUTCOME => "FULL").increment(1);
        }
        taken
    }

    /// Sends what waits at once, and for the last time; waits until that has ended. Cancel-safe: it goes on without.
    pub(super) async fn end(&self) {
        let line = &*self.waiting;
        line.queue().end(line.now());
        line.more.notify_one();
        loop {
            let mut ended = std::pin::pin!(line.ended.notified());
            ended.as_mut().enable();
            if line.queue().is_empty() {
                return;
            }
            ended.await;
        }
    }
}

/// Whether a call that failed so may be sent once more.
pub(super) fn repeatable(call: &Invocation, status: &Status) -> bool {
    !call.method.kind().server_streams() && (call.method.idempotent() || !status.reached_server())
}

impl Line {
    fn queue(&self) -> MutexGuard<'_, Queue<Invocation>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.birth.elapsed()
    }

    async fn work<S: CallService>(self: Arc<Self>, inner: S) {
        let mut sent = JoinSet::new();
        loop {
            let next = self.queue().next();
            let due = async {
                match next {
                    Some(due) => sleep_until(self.birth + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.more.notified() => {}
                () = due => {
                    while let Some((call, times)) = self.due() {
                        let mut inner = inner.clone();
                        sent.spawn(async move {
                            let result = match fresh(&call) {
                                Some(copy) => inner.call(copy).await,
                                None => return (call, times, Ok(())),
                            };
                            (call, times, result.map(drop))
                        });
                    }
                }
                Some(ended) = sent.join_next(), if !sent.is_empty() => {
                    match ended {
                        Ok((call, times, result)) => self.ended(call, times, result),
                        // It panicked: nobody knows how far it came.
                        Err(_) => self.queue().done(),
                    }
                    self.ended.notify_waiters();
                }
            }
        }
    }

    fn due(&self) -> Option<(Invocation, u32)> {
        self.queue().take(self.now())
    }

    fn ended(&self, call: Invocation, times: u32, result: Result<(), Status>) {
        let outcome = match result {
            Ok(()) => {
                self.queue().done();
                "SENT"
            }
            Err(status) => {
                let method = call.method.clone();
                if repeatable(&call, &status) && self.queue().again(call, times, self.now()) {
                    return;
                }
                tracing::warn!(?method, %status, "a call that was to be sent again later is given up");
                "GIVEN_UP"
            }
        };
        metrics::counter!(FAILBACK, OUTCOME => outcome).increment(1);
    }
}

/// The call as one that is made now.
fn fresh(call: &Invocation) -> Option<Invocation> {
    let mut copy = call.try_clone()?;
    (copy.began, copy.deadline) = (Instant::now(), None);
    copy.tried.clear();
    Some(copy)
}
