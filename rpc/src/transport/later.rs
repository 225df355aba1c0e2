//! Wakes a connection's task once the others that are ready had their turn.
//!
//! A call that adds its frames wakes the task that writes them. tokio runs a task that was just woken next, so with many
//! calls at work the connection would be polled after each; and a task that wakes itself to come later is put where
//! another worker may take it, which is woken for that. Each costs more than the call. So the wakes of a burst are one,
//! and that one is held until the worker has nothing else to do (at the latest after some 60 polls, and it then looks
//! at its sockets too): what [`yield_now`](tokio::task::yield_now) does for a task that is running, done for one that is not.

use crate::server::Tally;
use futures_util::task::AtomicWaker;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// The waker of one connection's task.
#[derive(Debug)]
pub(crate) struct Later {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug)]
struct Shared {
    task: AtomicWaker,
    /// Woken already, and not polled since.
    due: AtomicBool,
    /// Those who may have something to add. One alone is not made to wait.
    others: Tally,
}

impl Later {
    pub(crate) fn new(others: Tally) -> Self {
        let shared = Arc::new(Shared { task: AtomicWaker::new(), due: AtomicBool::new(false), others });
        Self { waker: shared.clone().into(), shared }
    }

    /// What wakes the task.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// A poll begins: who wakes from now on asks for another.
    pub(crate) fn begin(&self, cx: &Context<'_>) {
        // In this order: who wakes between the two is served by the poll that begins.
        self.shared.task.register(cx.waker());
        self.shared.due.store(false, SeqCst);
    }

    /// Asks for another poll, after all others had their turn.
    pub(crate) fn again(&self, cx: &Context<'_>) {
        if !self.shared.due.swap(true, SeqCst) {
            after_others(cx.waker());
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.due.swap(true, SeqCst) {
            return;
        }
        let Some(task) = self.task.take() else { return };
        if self.others.count() <= 1 {
            return task.wake();
        }
        after_others(&task);
    }
}

/// Wakes a task when the worker has nothing else to do; at once where there is no worker.
fn after_others(task: &Waker) {
    // The first poll leaves the waker with the worker.
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(task));
}

/// A waker for what a task polls itself. While the task is at work, a ring is a note to it and no wake.
#[derive(Debug)]
pub(crate) struct Bell {
    ring: Arc<Ring>,
    waker: Waker,
}

#[derive(Debug)]
struct Ring {
    task: Waker,
    at_work: AtomicBool,
    rung: AtomicBool,
}

impl Bell {
    /// A bell that wakes by `task` when the task is not at work.
    pub(crate) fn new(task: Waker) -> Self {
        let ring = Arc::new(Ring { task, at_work: AtomicBool::new(false), rung: AtomicBool::new(false) });
        Self { waker: ring.clone().into(), ring }
    }

    /// Polls something that rings this bell; what rang before is served by that.
    pub(crate) fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.ring.at_work.store(true, SeqCst);
        self.ring.rung.store(false, SeqCst);
        poll(&mut Context::from_waker(&self.waker))
    }

    /// The task has done its work. Says whether somebody rang since the last poll.
    pub(crate) fn done(&self) -> bool {
        // In this order: who rings from now on wakes, who rang before is seen.
        self.ring.at_work.store(false, SeqCst);
        self.ring.rung.swap(false, SeqCst)
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, SeqCst);
        if !self.at_work.load(SeqCst) {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, sync::Mutex};

    /// Runs `callers` tasks that each note their number and wake, on one worker; says what was polled in which order.
    async fn order(callers: usize) -> Vec<Option<usize>> {
        let (others, log) = (Tally::default(), Arc::new(Mutex::new(Vec::new())));
        let guards: Vec<_> = (0..callers).map(|_| others.enter()).collect();
        let later = Arc::new(Later::new(others));
        let (noted, own, mut polled) = (log.clone(), later.clone(), false);
        let connection = tokio::spawn(poll_fn(move |cx| {
            own.begin(cx);
            if polled {
                noted.lock().unwrap().push(None);
            }
            polled = true;
            match noted.lock().unwrap().len() > callers {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        tokio::task::yield_now().await;
        for n in 0..callers {
            let (log, later) = (log.clone(), later.clone());
            tokio::spawn(async move {
                log.lock().unwrap().push(Some(n));
                later.waker.wake_by_ref();
            });
        }
        connection.await.unwrap();
        drop(guards);
        log.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn all_wakes_of_a_burst_are_one_after_it() {
        assert_eq!(order(4).await, [Some(0), Some(1), Some(2), Some(3), None]);
    }

    #[tokio::test]
    async fn one_alone_is_served_next() {
        assert_eq!(order(1).await, [Some(0), None]);
    }

    #[test]
    fn outside_a_runtime_it_wakes_at_once() {
        let others = Tally::default();
        let _guards = [others.enter(), others.enter()];
        let later = Later::new(others);
        let (task, count) = counting();
        later.begin(&Context::from_waker(&task));
        later.waker.wake_by_ref();
        later.waker.wake_by_ref();
        assert_eq!(count.load(SeqCst), 1);
    }

    #[test]
    fn a_bell_that_rings_at_work_is_a_note() {
        let (task, count) = counting();
        let bell = Bell::new(task);
        let mut kept = None;
        let _ = bell.poll(|cx| {
            kept = Some(cx.waker().clone());
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!((count.load(SeqCst), bell.done(), bell.done()), (0, true, false));
        kept.unwrap().wake();
        assert_eq!(count.load(SeqCst), 1);
        let _ = bell.poll(|_| Poll::<()>::Pending);
        assert!(!bell.done(), "the poll has served it");
    }

    fn counting() -> (Waker, Arc<std::sync::atomic::AtomicUsize>) {
        struct Count(Arc<std::sync::atomic::AtomicUsize>);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let count = Arc::default();
        (Arc::new(Count(Arc::clone(&count))).into(), count)
    }
}
