//! Calls that are due at their times, whatever became of those before, and are timed from the moment they were due: a
//! stall shows in each call that it kept waiting.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use testbed::scenario::Sample;
use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, interval_at},
};

/// Calls a second.
pub(crate) const RATE: u32 = 500;

/// What became of a call.
#[derive(Clone, Debug)]
pub(crate) struct Called<T> {
    /// When it was due, since the load began.
    pub(crate) due: Duration,
    /// How long after that it ended.
    pub(crate) took: Duration,
    pub(crate) came: Result<T, String>,
}

impl<T> Called<T> {
    pub(crate) fn sample(&self) -> Sample {
        Sample { due: self.due, took: self.took, fine: self.came.is_ok() }
    }
}

/// A load that goes on until it is ended.
pub(crate) struct Load<T> {
    rate: u32,
    began: Instant,
    made: watch::Receiver<u64>,
    calls: Arc<Mutex<Vec<Called<T>>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl<T: Clone + Send + 'static> Load<T> {
    /// Makes the `n`th call by `call(n)`, so many a second.
    pub(crate) fn start<F>(rate: u32, call: impl Fn(u64) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let began = Instant::now();
        let (making, made) = watch::channel(0);
        let (stop, mut stopped) = oneshot::channel();
        let calls = Arc::<Mutex<Vec<Called<T>>>>::default();
        let all = calls.clone();
        let task = tokio::spawn(async move {
            let mut under_way = JoinSet::new();
            let mut pace = interval_at(began, Duration::from_secs(1) / rate);
            for n in 0.. {
                let due = tokio::select! {
                    _ = &mut stopped => break,
                    due = pace.tick() => due,
                };
                let (call, all) = (call(n), all.clone());
                under_way.spawn(async move {
                    let came = call.await;
                    let called = Called { due: due - began, took: due.elapsed(), came };
                    all.lock().expect("nobody panics").push(called);
                });
                while under_way.try_join_next().is_some() {}
                making.send_replace(n + 1);
            }
            under_way.join_all().await;
        });
        Self { rate, began, made, calls, stop, task }
    }

    /// When it began.
    pub(crate) fn began(&self) -> std::time::Instant {
        self.began.into_std()
    }

    /// How long it has gone on.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Lets it go on until so many calls were made for this time.
    pub(crate) async fn goes_on(&self, time: Duration) {
        let more = (time.as_secs_f64() * f64::from(self.rate)) as u64;
        let until = *self.made.borrow() + more;
        self.made.clone().wait_for(|made| *made >= until).await.expect("the load goes on");
    }

    /// What became of those that have ended.
    pub(crate) fn so_far(&self) -> Vec<Called<T>> {
        self.calls.lock().expect("nobody panics").clone()
    }

    /// Ends it, and answers what became of all.
    pub(crate) async fn end(self) -> Vec<Called<T>> {
        drop(self.stop);
        self.task.await.expect("the load does not panic");
        std::mem::take(&mut *self.calls.lock().expect("nobody panics"))
    }
}

/// The calls that were due within this time.
pub(crate) fn within<T>(calls: &[Called<T>], time: Range<Duration>) -> impl Iterator<Item = &Called<T>> + Clone {
    calls.iter().filter(move |call| time.contains(&call.due))
}

/// The time that 99 of a hundred calls did not exceed.
pub(crate) fn p99<'a, T: 'a>(calls: impl Iterator<Item = &'a Called<T>>) -> Duration {
    let mut took: Vec<Duration> = calls.map(|call| call.took).collect();
    took.sort_unstable();
    let at = (took.len() * 99).div_ceil(100).max(1) - 1;
    took.get(at).copied().expect("calls were made")
}
