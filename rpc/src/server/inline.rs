//! Whether a method's handlers are short enough to run inside the connection's own task.
//!
//! A handler that computes for 20 ms stops everyone on its connection for that long. Nobody marks all of these, so each
//! method is watched: once a poll of its handler took long, its calls become tasks of their own for a while, and it
//! goes on being watched there.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What is known of one method. Times are microseconds since the server began.
#[derive(Debug, Default)]
pub(crate) struct Inline {
    spawn_until: AtomicU64,
}

/// A poll that takes longer than this is not short: spawning costs about a microsecond, so at a hundred the loss by
/// spawning is one in a hundred, while the others on the connection wait less.
const LONG: u64 = 100_000_000;
/// How long the calls of a method stay tasks after a long poll. A method with rare long calls stays there for good.
const SPAWN_FOR: u64 = Duration::from_secs(10).as_micros() as u64;

impl Inline {
    /// The next call may be polled inside the connection's task.
    pub(crate) fn admits(&self, now: u64) -> bool {
        now >= self.spawn_until.load(Relaxed)
    }

    /// A poll of a handler took `micros`.
    pub(crate) fn took(&self, micros: u64, now: u64) {
        if micros > LONG {
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
        inline.took(LONG, 10);
        assert!(inline.admits(10));
        inline.took(20_000, 100);
        assert!(!inline.admits(101));
        inline.took(5, 5_000_000);
        assert!(!inline.admits(100 + SPAWN_FOR - 1));
        assert!(inline.admits(100 + SPAWN_FOR));
    }
}
