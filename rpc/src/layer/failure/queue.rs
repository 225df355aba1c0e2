//! Calls that are sent again later, in the order in which their time comes. Pure.

use super::FailbackOptions;
use std::{collections::VecDeque, time::Duration};

/// What waits. All wait for the same time, so who came first is due first.
#[derive(Debug)]
pub(super) struct Queue<T> {
    options: FailbackOptions,
    waiting: VecDeque<Waiting<T>>,
    /// Due, and being sent: their places are kept.
    out: usize,
    /// Whoever waits is due now, for the last time, and nobody else comes.
    ends: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    due: Duration,
    times: u32,
    what: T,
}

impl<T> Queue<T> {
    pub(super) fn new(options: FailbackOptions) -> Self {
        Self { options, waiting: VecDeque::new(), out: 0, ends: false }
    }

    /// Puts one there; `false` when there is no place.
    pub(super) fn push(&mut self, what: T, now: Duration) -> bool {
        let room = !self.ends && self.options.times > 0 && self.waiting.len() + self.out < self.options.waiting;
        if room {
            self.waiting.push_back(Waiting { due: now + self.options.after, times: 0, what });
        }
        room
    }

    /// It is to end: what waits is due at once, is given up if it fails, and nothing more is taken.
    pub(super) fn end(&mut self, now: Duration) {
        self.ends = true;
        self.waiting.iter_mut().for_each(|one| one.due = one.due.min(now));
    }

    /// Nothing waits, and nothing is being sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.out == 0
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.waiting.front().map(|first| first.due)
    }

    /// One that is due, and how often it was sent again before.
    pub(super) fn take(&mut self, now: Duration) -> Option<(T, u32)> {
        self.waiting.front().filter(|first| first.due <= now)?;
        let first = self.waiting.pop_front()?;
        self.out += 1;
        Some((first.what, first.times))
    }

    /// One that was taken need not be sent again.
    pub(super) fn done(&mut self) {
        self.out -= 1;
    }

    /// One that was taken has failed once more; `false` when it is given up.
    pub(super) fn again(&mut self, what: T, times: u32, now: Duration) -> bool {
        self.out -= 1;
        let more = !self.ends && times + 1 < self.options.times;
        if more {
            self.waiting.push_back(Waiting { due: now + self.options.after, times: times + 1, what });
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn each_waits_its_time_and_is_given_up_after_so_many() {
        let options = FailbackOptions { times: 2, waiting: 2, ..FailbackOptions::default() };
        let mut queue = Queue::new(options);
        assert!(queue.push('a', S) && queue.push('b', 2 * S) && !queue.push('c', 2 * S));
        assert_eq!((queue.next(), queue.take(5 * S)), (Some(6 * S), None));
        assert_eq!(queue.take(6 * S), Some(('a', 0)));
        assert!(!queue.push('c', 6 * S), "its place is kept");
        assert!(queue.again('a', 0, 6 * S));
        assert_eq!((queue.take(7 * S), queue.take(11 * S)), (Some(('b', 0)), Some(('a', 1))));
        queue.done();
        assert!(!queue.again('a', 1, 11 * S), "it is given up");
        assert!(queue.push('c', 11 * S));
        assert!(!Queue::new(FailbackOptions { times: 0, ..options }).push('a', S));
    }

    #[test]
    fn at_the_end_all_are_due_once_more() {
        let mut queue = Queue::new(FailbackOptions { times: 3, ..FailbackOptions::default() });
        assert!(queue.push('a', S) && queue.push('b', 2 * S));
        queue.end(3 * S);
        assert!(!queue.push('c', 3 * S));
        assert_eq!([queue.take(3 * S), queue.take(3 * S)], [Some(('a', 0)), Some(('b', 0))]);
        assert!(!queue.is_empty(), "they are being sent");
        assert!(!queue.again('a', 0, 3 * S), "it is given up");
        queue.done();
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_the_bound_holds(steps in prop::collection::vec(0u8..4, 0..100), most in 0usize..5) {
            let options = FailbackOptions { waiting: most, times: 3, after: S };
            let (mut queue, mut now, mut out, mut held) = (Queue::new(options), S, Vec::new(), 0usize);
            for step in steps {
                match step {
                    0 => held += usize::from(queue.push((), now)),
                    1 => out.extend(queue.take(now)),
                    2 => if let Some(((), times)) = out.pop() { held -= usize::from(!queue.again((), times, now)) },
                    _ => if out.pop().is_some() { queue.done(); held -= 1 },
                }
                now += S / 3;
                prop_assert_eq!(queue.waiting.len() + queue.out, held);
                prop_assert!(held <= most && queue.out == out.len());
                prop_assert!(queue.waiting.iter().all(|one| one.times < options.times));
            }
        }
    }
}
