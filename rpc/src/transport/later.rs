//! When the task of a connection gets its turn: after the others that are ready had theirs.
//!
//! A call that adds its frames wakes the task that writes them. tokio runs a task that was just woken next, so with many
//! calls at work the connection would write after each; and a task that wakes itself to come later is put where another
//! worker may take it, which is woken for that. Each costs more than the call. So the task waits until the worker has
//! nothing else to do (at the latest after some 60 polls, and the worker then looks at its sockets too): what
//! [`yield_now`](tokio::task::yield_now) does. What has come from the peer is read at once.

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

/// The turns of one connection's task.
#[derive(Debug)]
pub(crate) struct Later {
    shared: Arc<Shared>,
    /// Wakes the task, which may then have to wait for its turn.
    waker: Waker,
    /// Wakes the task and gives it its turn.
    turn: Waker,
}

#[derive(Debug)]
struct Shared {
    task: AtomicWaker,
    /// A turn was asked for, and has not come.
    asked: AtomicBool,
    /// The turn has come.
    turn: AtomicBool,
    /// Those who may have something to add. One alone is not made to wait.
    others: Tally,
}

impl Later {
    pub(crate) fn new(others: Tally) -> Self {
        let (asked, turn) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { task: AtomicWaker::new(), asked, turn, others });
        Self { waker: shared.clone().into(), turn: Arc::new(Turn(shared.clone())).into(), shared }
    }

    /// Wakes the task; it may be woken from anywhere by this.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Wakes the task and gives it its turn.
    pub(crate) fn turn(&self) -> &Waker {
        &self.turn
    }

    /// What others ask for turns with.
    pub(crate) fn asker(&self) -> Asker {
        Asker { shared: self.shared.clone(), turn: self.turn.clone() }
    }

    /// Ready when it is the task's turn. Who wakes from then on asks for another.
    pub(crate) fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        self.shared.task.register(cx.waker());
        if self.shared.turn.swap(false, SeqCst) || self.shared.others.count() <= 1 {
            self.shared.asked.store(false, SeqCst);
            return Poll::Ready(());
        }
        self.again();
        Poll::Pending
    }

    /// Asks for another turn, after all others had theirs. To be called from a poll only.
    pub(crate) fn again(&self) {
        self.shared.ask(&self.turn);
    }
}

/// Asks for turns.
#[derive(Debug)]
pub(crate) struct Asker {
    shared: Arc<Shared>,
    turn: Waker,
}

impl Asker {
    /// Gives the task a turn: next, if the caller is the only one, else after the others. To be called from a poll only:
    /// a waker that is being woken must not ask the runtime to wake another.
    pub(crate) fn ask(&self) {
        match self.shared.others.count() {
            0 | 1 => self.shared.task.wake(),
            _ => self.shared.ask(&self.turn),
        }
    }
}

impl Shared {
    fn ask(&self, turn: &Waker) {
        if !self.asked.swap(true, SeqCst) {
            // The first poll leaves the waker with the worker, or wakes at once where there is none.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(turn));
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.task.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.task.wake();
    }
}

#[derive(Debug)]
struct Turn(Arc<Shared>);

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.turn.store(true, SeqCst);
        self.0.task.wake();
    }
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
    use std::{future::poll_fn, sync::Mutex, task::ready};

    /// Runs `callers` tasks that each note their number and ask, on one worker; says what had its turn in which order.
    async fn order(callers: usize) -> Vec<Option<usize>> {
        let (others, log) = (Tally::default(), Arc::new(Mutex::new(Vec::new())));
        let guards: Vec<_> = (0..callers).map(|_| others.enter()).collect();
        let later = Later::new(others);
        let (noted, asker) = (log.clone(), Arc::new(later.asker()));
        let connection = tokio::spawn(poll_fn(move |cx| {
            ready!(later.poll_turn(cx));
            let mut noted = noted.lock().unwrap();
            if noted.is_empty() {
                return Poll::Pending;
            }
            noted.push(None);
            Poll::Ready(())
        }));
        tokio::task::yield_now().await;
        for n in 0..callers {
            let (log, asker) = (log.clone(), asker.clone());
            tokio::spawn(async move {
                log.lock().unwrap().push(Some(n));
                asker.ask();
            });
        }
        connection.await.unwrap();
        drop(guards);
        log.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_burst_is_one_turn_after_it() {
        assert_eq!(order(4).await, [Some(0), Some(1), Some(2), Some(3), None]);
    }

    #[tokio::test]
    async fn one_alone_is_served_next() {
        assert_eq!(order(1).await, [Some(0), None]);
    }

    #[test]
    fn a_turn_is_asked_for_once_and_comes_at_once_outside_a_runtime() {
        let others = Tally::default();
        let _guards = [others.enter(), others.enter()];
        let later = Later::new(others);
        let (task, count) = counting();
        assert!(later.poll_turn(&Context::from_waker(&task)).is_pending());
        assert_eq!(count.load(SeqCst), 1);
        later.again();
        assert_eq!(count.load(SeqCst), 1);
        assert!(later.poll_turn(&Context::from_waker(&task)).is_ready());
        later.waker().wake_by_ref();
        assert_eq!(count.load(SeqCst), 2);
        later.turn().wake_by_ref();
        assert!(later.poll_turn(&Context::from_waker(&task)).is_ready(), "what comes from the peer has its turn");
    }

    /// tokio wakes what it has put off one by one while it holds the list: a waker that adds to it would end the worker.
    #[tokio::test]
    async fn its_wakers_can_be_put_off_themselves() {
        let others = Tally::default();
        let _guards = [others.enter(), others.enter()];
        let later = Later::new(others);
        let mut turns = 0;
        let connection = poll_fn(|cx| {
            if later.poll_turn(cx).is_ready() {
                turns += 1;
                for waker in [later.waker(), later.turn()] {
                    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(waker));
                }
            }
            if turns == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        connection.await;
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
