//! Whether a method's handlers are short enough to run inside the connection's own task.
//!
//! A handler that computes for 20 ms stops everyone on its connection for that long. Nobody marks all of these, so each
//! method is watched: once a poll of its handler took long, its calls become tasks of their own for a hundred times as
//! long, and it goes on being watched there. So connections are held up for one part in a hundred of the time at most,
//! a method of which one call in a hundred computes stays in tasks for good, and a millisecond that somebody else took
//! from the processor, which counts as the handler's, costs a tenth of a second.
//!
//! What counts is the processor's time: on a busy machine a thread is put aside in the middle of the shortest handler, and
//! methods that become tasks for that would make it busier still. A handler that blocks its thread without computing
//! cannot be told from one that was put aside, nor one that computes for a little too long from one whose memory the
//! kernel had to make, except by how often it happens.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What is known of one method. Times are microseconds since the server began.
#[derive(Debug, Default)]
pub(crate) struct Inline {
    spawn_until: AtomicU64,
    /// Grows by [`HELD`] with each poll that was held up, and falls by one with each that was short.
    held: AtomicU32,
}

/// How long a poll took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// Short.
    Short,
    /// Longer than short, but without computing for long.
    Held,
    /// Computed for long: for this long.
    Long(Duration),
}

/// A poll that takes longer than this is not short: spawning costs about a microsecond, so at a hundred the loss by
/// spawning is one in a hundred, while the others on the connection wait less.
pub(crate) const SHORT: Duration = Duration::from_micros(100);
/// What computes for longer than this does so by itself: no page fault or interrupt takes as long.
pub(crate) const LONG: Duration = Duration::from_millis(1);
/// How many times as long as a long poll computed the calls of its method stay tasks.
const SPAWN_TIMES: u32 = 100;
/// How long they stay tasks after many polls that were held up: nobody knows for how long those would compute.
const HELD_FOR: Duration = Duration::from_secs(10);
/// One poll in so many may be held up without harm.
const HELD: u32 = 16;
/// As many in a row show that it is the handler.
const MANY: u32 = 4;

impl Inline {
    /// The next call may be polled inside the connection's task.
    pub(crate) fn admits(&self, now: u64) -> bool {
        now >= self.spawn_until.load(Relaxed)
    }

    /// A poll of a handler has ended.
    pub(crate) fn took(&self, took: Took, now: u64) {
        let held = self.held.load(Relaxed);
        match took {
            Took::Short if held == 0 => {}
            // Two at once may count as one: it is a measure, not an account.
            Took::Short => self.held.store(held - 1, Relaxed),
            Took::Held => {
                self.held.store((held + HELD).min(MANY * HELD), Relaxed);
                if held + HELD >= MANY * HELD {
                    self.spawn(HELD_FOR, now);
                }
            }
            Took::Long(computed) => self.spawn(computed.saturating_mul(SPAWN_TIMES), now),
        }
    }

    /// Calls become tasks for this long at least.
    fn spawn(&self, long: Duration, now: u64) {
        let until = now.saturating_add(micros(long));
        self.spawn_until.fetch_max(until, Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000;

    fn long(millis: u64) -> Took {
        Took::Long(Duration::from_millis(millis))
    }

    #[test]
    fn one_long_poll_moves_the_method_into_tasks_for_a_hundred_times_as_long() {
        let inline = Inline::default();
        assert!(inline.admits(0));
        inline.took(Took::Short, 10);
        assert!(inline.admits(10));
        inline.took(long(20), 100);
        assert!(!inline.admits(101));
        inline.took(Took::Short, 1_000 * MILLI);
        assert!(!inline.admits(100 + 2_000 * MILLI - 1));
        assert!(inline.admits(100 + 2_000 * MILLI));
    }

    #[test]
    fn a_shorter_one_takes_nothing_from_a_longer_one() {
        let inline = Inline::default();
        inline.took(long(20), 0);
        inline.took(long(2), 10);
        assert!(!inline.admits(1_999 * MILLI));
        inline.took(Took::Long(Duration::MAX), 20);
        assert!(!inline.admits(u64::MAX - 1));
    }

    /// Whatever the lengths and pauses of long polls, those that ran inside a connection's task, where they held it up,
    /// took one part in a hundred of the time, and the very first one.
    #[test]
    fn connections_are_held_up_for_one_part_in_a_hundred_at_most() {
        for (lasts, pause) in [(1, 0), (2, 30), (20, 100), (20, 1_999), (20, 2_500), (300, 10_000), (1_000, 7)] {
            let inline = Inline::default();
            let (mut now, mut held_up) = (0, 0);
            for _ in 0..1_000 {
                if inline.admits(now) {
                    held_up += lasts * MILLI;
                }
                now += lasts * MILLI;
                inline.took(long(lasts), now);
                now += pause * MILLI;
            }
            assert!(held_up <= lasts * MILLI + now / 100, "{lasts} ms every {pause} ms: {held_up} of {now}");
        }
    }

    #[test]
    fn a_thread_that_is_put_aside_now_and_then_moves_nothing() {
        let inline = Inline::default();
        for n in 0..10_000 {
            inline.took(if n % 20 == 0 { Took::Held } else { Took::Short }, n);
            assert!(inline.admits(n), "{n}");
        }
    }

    #[test]
    fn a_handler_that_blocks_again_and_again_is_moved() {
        for every in [1, 2, 8] {
            let inline = Inline::default();
            let moved = (0..100).find(|&n| {
                inline.took(if n % every == 0 { Took::Held } else { Took::Short }, n);
                !inline.admits(n)
            });
            assert!(moved.is_some(), "one in {every}");
        }
    }
}
