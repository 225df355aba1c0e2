//! Whether a method's handlers are short enough to run inside the connection's own task.
//!
//! A handler that computes for 20 ms stops everyone on its connection for that long. Nobody marks all of these, so each
//! method is watched: once a poll of its handler took long, its calls become tasks of their own for a while, and it
//! goes on being watched there.
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
    /// Computed for long.
    Long,
}

/// A poll that takes longer than this is not short: spawning costs about a microsecond, so at a hundred the loss by
/// spawning is one in a hundred, while the others on the connection wait less.
pub(crate) const SHORT: Duration = Duration::from_micros(100);
/// What computes for longer than this does so by itself: no page fault or interrupt takes as long.
pub(crate) const LONG: Duration = Duration::from_millis(1);
/// How long the calls of a method stay tasks after a long poll. A method with rare long calls stays there for good.
const SPAWN_FOR: u64 = Duration::from_secs(10).as_micros() as u64;
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
        let long = match took {
            Took::Short if held == 0 => return,
            Took::Short => {
                // Two at once may count as one: it is a measure, not an account.
                self.held.store(held - 1, Relaxed);
                return;
            }
            Took::Held => {
                self.held.store((held + HELD).min(MANY * HELD), Relaxed);
                held + HELD >= MANY * HELD
            }
            Took::Long => true,
        };
        if long {
            self.spawn_until.store(now + SPAWN_FOR, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_poll_moves_the_method_into_tasks_for_a_while() {
        let inline = Inline::default();
        assert!(inline.admits(0));
        inline.took(Took::Short, 10);
        assert!(inline.admits(10));
        inline.took(Took::Long, 100);
        assert!(!inline.admits(101));
        inline.took(Took::Short, 5_000_000);
        assert!(!inline.admits(100 + SPAWN_FOR - 1));
        assert!(inline.admits(100 + SPAWN_FOR));
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
