//! Timers that are kept for the next call.
//!
//! Most calls wait for their answer, so each needs a timer, and hardly any lets it fire. To make one, to enter it into the
//! list of its runtime and to take it out again costs several times what it costs to move the end of one that is in the list.
//! So the timers of calls that have ended are kept, and the next call gets one of them.

use std::{
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// Timers that nobody waits for now.
#[derive(Debug, Default)]
pub(super) struct Timers(Mutex<Vec<Timer>>);

/// One that a call waits for. It is ready at its end.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// The one that wakes it. Of a runtime that has ended it must not be asked.
    runtime: Id,
}

/// As many as are under way at once in most clients; the rest are made and dropped.
const KEPT: usize = 64;

impl Timers {
    /// A timer that ends then.
    pub(super) fn take(&self, end: Instant) -> Timer {
        let runtime = Handle::current().id();
        // The latest: its end is moved further away, which needs no lock of the runtime.
        let kept = self.0.try_lock().ok().and_then(|mut kept| kept.pop());
        match kept.filter(|timer| timer.runtime == runtime) {
            Some(mut timer) => {
                timer.sleep.as_mut().reset(end);
                timer
            }
            None => Timer { sleep: Box::pin(sleep_until(end)), runtime },
        }
    }

    /// Keeps one that nobody waits for any more. It is called in the runtime of that.
    pub(super) fn keep(&self, mut timer: Timer) {
        // Nobody is to be woken at its end, and what is kept keeps no task.
        let _ = timer.poll(&mut Context::from_waker(Waker::noop()));
        if let Ok(mut kept) = self.0.try_lock()
            && kept.len() < KEPT
        {
            kept.push(timer);
        }
    }
}

impl Timer {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, sync::Arc, time::Duration};
    use tokio::runtime::Builder;

    const S: Duration = Duration::from_secs(1);

    fn kept(timers: &Timers) -> usize {
        timers.0.lock().unwrap().len()
    }

    async fn ends(timers: &Timers, after: Duration) -> Duration {
        let began = Instant::now();
        let mut timer = timers.take(began + after);
        poll_fn(|cx| timer.poll(cx)).await;
        timers.keep(timer);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_kept_ends_when_the_next_call_says() {
        let timers = Timers::default();
        for after in [S, 3 * S, 2 * S, Duration::from_millis(5), 9 * S] {
            assert_eq!(ends(&timers, after).await, after);
            // One that has not fired, and lies in its list, is the usual case.
            let mut timer = timers.take(Instant::now() + 5 * S);
            assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
            timers.keep(timer);
            assert_eq!(kept(&timers), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_kept_and_none_keeps_a_task() {
        struct Woken;
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {}
        }
        let (timers, task) = (Timers::default(), Arc::new(Woken));
        let all: Vec<_> = (0..2 * KEPT).map(|_| timers.take(Instant::now() + S)).collect();
        for mut timer in all {
            assert!(timer.poll(&mut Context::from_waker(&Waker::from(task.clone()))).is_pending());
            timers.keep(timer);
        }
        assert_eq!((kept(&timers), Arc::strong_count(&task)), (KEPT, 1));
    }

    #[test]
    fn one_of_a_runtime_that_has_ended_is_not_asked() {
        let timers = Timers::default();
        for _ in 0..2 {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            assert_eq!(runtime.block_on(ends(&timers, S)), S);
        }
    }
}
