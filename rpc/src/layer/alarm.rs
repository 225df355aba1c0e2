//! One timer for many calls.
//!
//! A timer of a call's own is entered into a list that all tasks of a runtime share, and taken out again soon after, since
//! nearly every call is answered long before its deadline: that cost more than all the rest of the layer. So a call writes
//! down when it is to be woken, and strikes that out when it ends; one task sleeps until the first of these moments, wakes
//! whose moment has come, and ends when nobody waits.
//!
//! The task lives in the runtime of the call that made it. A call in another one has a timer of its own: nobody knows whether
//! the first one is still driven.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::{Instant, Sleep, sleep_until, timeout_at},
};

/// The moments at which calls are to be woken.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    book: Mutex<Book>,
    /// An earlier moment than that which the task sleeps until was written down.
    sooner: Notify,
}

/// Those moments, by places that are used again. What it decides depends on nothing but what it is told.
#[derive(Debug, Default)]
struct Book {
    rows: Vec<Row>,
    free: Vec<usize>,
    /// Until when the task sleeps, and where; `None` when there is none.
    watched: Option<(Id, Instant)>,
}

#[derive(Debug)]
enum Row {
    Free,
    Set { at: Instant, waker: Waker },
    Rung,
}

impl Book {
    /// Writes down who is woken when.
    fn set(&mut self, at: Instant, waker: Waker) -> usize {
        let row = Row::Set { at, waker };
        match self.free.pop() {
            Some(place) => {
                self.rows[place] = row;
                place
            }
            None => {
                self.rows.push(row);
                self.rows.len() - 1
            }
        }
    }

    /// Strikes out what is at a place.
    fn strike(&mut self, place: usize) -> Row {
        self.free.push(place);
        std::mem::replace(&mut self.rows[place], Row::Free)
    }

    /// Those whose moment has come by `now`, and the first moment of the others.
    fn ring(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for row in &mut self.rows {
            match row {
                Row::Set { at, .. } if *at > now => next = Some(next.map_or(*at, |next| next.min(*at))),
                Row::Set { .. } => {
                    if let Row::Set { waker, .. } = std::mem::replace(row, Row::Rung) {
                        due.push(waker);
                    }
                }
                Row::Free | Row::Rung => {}
            }
        }
        (due, next)
    }
}

impl Alarms {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that somebody is awake at `at`.
    fn watch(self: &Arc<Self>, mut book: MutexGuard<'_, Book>, at: Instant, here: Id) {
        match &mut book.watched {
            Some((_, until)) if at < *until => {
                *until = at;
                self.sooner.notify_one();
            }
            Some(_) => {}
            None => {
                book.watched = Some((here, at));
                // A runtime that shuts down drops the task at once, which then locks the book.
                drop(book);
                tokio::spawn(Watch { alarms: self.clone(), ends: false }.run());
            }
        }
    }
}

/// The task that sleeps for all.
struct Watch {
    alarms: Arc<Alarms>,
    /// Nobody waits for it any more.
    ends: bool,
}

impl Watch {
    async fn run(mut self) {
        while let Some(next) = self.turn() {
            // Either will do: it looks again.
            let _ = timeout_at(next, self.alarms.sooner.notified()).await;
        }
    }

    /// Wakes whose moment has come; `None` when nobody is left.
    fn turn(&mut self) -> Option<Instant> {
        let mut book = self.alarms.lock();
        let (due, next) = book.ring(Instant::now());
        book.watched = book.watched.zip(next).map(|((here, _), next)| (here, next));
        drop(book);
        self.ends = next.is_none();
        due.into_iter().for_each(Waker::wake);
        next
    }
}

/// Its runtime has ended: whoever waits is woken, and sees that nobody watches.
impl Drop for Watch {
    fn drop(&mut self) {
        if self.ends {
            return;
        }
        let mut book = self.alarms.lock();
        book.watched = None;
        let waker = |row: &Row| if let Row::Set { waker, .. } = row { Some(waker.clone()) } else { None };
        let waiting: Vec<Waker> = book.rows.iter().filter_map(waker).collect();
        drop(book);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// What wakes one call at one moment. Costs nothing before it is first polled.
#[derive(Debug)]
pub(super) struct Alarm {
    alarms: Arc<Alarms>,
    state: State,
}

#[derive(Debug)]
enum State {
    Unset,
    /// At this place of the book.
    Set(usize),
    Own(Pin<Box<Sleep>>),
}

impl Alarm {
    pub(super) fn new(alarms: Arc<Alarms>) -> Self {
        Self { alarms, state: State::Unset }
    }

    /// Another of the same, not set yet.
    pub(super) fn another(&self) -> Self {
        Self::new(self.alarms.clone())
    }

    /// Ready when `at` has come, which is the same each time.
    pub(super) fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Unset => self.set(at, cx),
            State::Set(place) => {
                let mut book = self.alarms.lock();
                match &mut book.rows[*place] {
                    Row::Set { waker, .. } => {
                        // Dropped when the book is not locked: what goes with a waker may have an alarm of its own.
                        let _old = (!waker.will_wake(cx.waker())).then(|| std::mem::replace(waker, cx.waker().clone()));
                        if book.watched.is_none() {
                            self.alarms.watch(book, at, Handle::current().id());
                        } else {
                            drop(book);
                        }
                        Poll::Pending
                    }
                    Row::Free | Row::Rung => Poll::Ready(()),
                }
            }
            State::Own(timer) => timer.as_mut().poll(cx),
        }
    }

    fn set(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let (here, waker) = (Handle::current().id(), cx.waker().clone());
        let mut book = self.alarms.lock();
        if book.watched.is_some_and(|(watched, _)| watched != here) {
            drop(book);
            let mut timer = Box::pin(sleep_until(at));
            let polled = timer.as_mut().poll(cx);
            self.state = State::Own(timer);
            return polled;
        }
        self.state = State::Set(book.set(at, waker));
        self.alarms.watch(book, at, here);
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let State::Set(place) = self.state {
            let row = self.alarms.lock().strike(place);
            // Its waker goes when the book is not locked.
            drop(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        task::Wake,
        time::Duration,
    };
    use tokio::{runtime::Builder, time::advance};

    const MS: Duration = Duration::from_millis(1);

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Lets every task do what it can.
    async fn turns() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    async fn rings(alarms: &Arc<Alarms>, at: Instant) -> Instant {
        let mut alarm = Alarm::new(alarms.clone());
        poll_fn(|cx| alarm.poll(at, cx)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_woken_at_its_moment_and_one_task_sleeps_for_all() {
        let (alarms, now) = (Arc::<Alarms>::default(), Instant::now());
        let all = [50, 20, 70, 20, 1].map(|after| {
            let (alarms, at) = (alarms.clone(), now + after * MS);
            tokio::spawn(async move { (rings(&alarms, at).await - now, after) })
        });
        turns().await;
        let metrics = Handle::current().metrics();
        assert_eq!(metrics.num_alive_tasks(), all.len() + 1);
        for one in all {
            let (rang, after) = one.await.unwrap();
            assert!((after * MS..=(after + 1) * MS).contains(&rang), "{rang:?} instead of {after} ms");
        }
        turns().await;
        assert_eq!(metrics.num_alive_tasks(), 0, "nobody waits any more");
        assert!(alarms.lock().watched.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_is_not_woken_and_its_place_is_used_again() {
        let alarms = Arc::<Alarms>::default();
        let (gone, stays) = (Arc::<Count>::default(), Arc::<Count>::default());
        let at = Instant::now() + 10 * MS;
        for count in [&gone, &stays] {
            let mut alarm = Alarm::new(alarms.clone());
            assert!(alarm.poll(at, &mut Context::from_waker(&count.clone().into())).is_pending());
            if Arc::ptr_eq(count, &gone) {
                continue;
            }
            advance(11 * MS).await;
            turns().await;
            assert!(alarm.poll(at, &mut Context::from_waker(Waker::noop())).is_ready());
        }
        assert_eq!((gone.0.load(SeqCst), stays.0.load(SeqCst)), (0, 1));
        assert_eq!(alarms.lock().rows.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_polls_last_is_woken() {
        let (alarms, at) = (Arc::<Alarms>::default(), Instant::now() + MS);
        let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
        let mut alarm = Alarm::new(alarms);
        for count in [&first, &last] {
            assert!(alarm.poll(at, &mut Context::from_waker(&count.clone().into())).is_pending());
        }
        advance(2 * MS).await;
        turns().await;
        assert_eq!((first.0.load(SeqCst), last.0.load(SeqCst)), (0, 1));
    }

    #[test]
    fn a_runtime_that_nobody_drives_holds_up_nobody_of_another() {
        let alarms = Arc::<Alarms>::default();
        let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (idle, busy) = (runtime(), runtime());
        let noop = || Context::from_waker(Waker::noop());
        let mut first = Alarm::new(alarms.clone());
        let late = idle.block_on(async {
            let late = Instant::now() + 1000 * MS;
            assert!(first.poll(late, &mut noop()).is_pending());
            late
        });
        let took = busy.block_on(async {
            let began = Instant::now();
            rings(&alarms, began + 5 * MS).await - began
        });
        assert!((5 * MS..=6 * MS).contains(&took), "{took:?}");
        // The one that watched is gone: the next to look sees to it that another does.
        drop(idle);
        assert!(alarms.lock().watched.is_none());
        busy.block_on(async {
            assert!(first.poll(late, &mut noop()).is_pending());
            assert!(alarms.lock().watched.is_some());
            poll_fn(|cx| first.poll(late, cx)).await;
        });
    }

    proptest! {
        /// Against a list of all that wait.
        #[test]
        fn those_whose_moment_has_come_are_woken_once(
            steps in prop::collection::vec((0u64..30, prop::option::of(0usize..8)), 1..100),
        ) {
            let (mut book, mut model, zero) = (Book::default(), Vec::<(usize, u64, Arc<Count>)>::new(), Instant::now());
            let moment = |at: u64| zero + Duration::from_millis(at);
            for (now, (after, leaves)) in steps.into_iter().enumerate() {
                let (now, count) = (now as u64, Arc::<Count>::default());
                let place = book.set(moment(now + after), count.clone().into());
                prop_assert!(model.iter().all(|(known, ..)| *known != place), "a place of another");
                model.push((place, now + after, count));
                if let Some(gone) = leaves.filter(|gone| *gone < model.len()) {
                    book.strike(model.swap_remove(gone).0);
                }
                let (due, next) = book.ring(moment(now));
                due.into_iter().for_each(Waker::wake);
                for (_, at, count) in &model {
                    prop_assert_eq!(count.0.load(SeqCst), usize::from(*at <= now));
                }
                let later = model.iter().map(|(_, at, _)| *at).filter(|at| *at > now);
                prop_assert_eq!(next, later.min().map(moment));
            }
        }
    }
}
