//! Waiting for a condition with a deadline, in place of sleeping for a guess.
//!
//! A sleep is too short on a busy machine and too long on an idle one. A condition is polled here every few
//! milliseconds, and a test that waits in vain says what it waited for.

use std::time::{Duration, Instant};

/// How long between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `cond` holds.
///
/// # Panics
/// When it does not within `deadline`, naming `what`.
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, mut cond: impl FnMut() -> bool) {
    eventually_some(deadline, what, || cond().then_some(()));
}

/// Waits until `find` finds something, and hands it over.
///
/// # Panics
/// When it does not within `deadline`, naming `what`.
#[track_caller]
pub fn eventually_some<T>(deadline: Duration, what: &str, find: impl FnMut() -> Option<T>) -> T {
    match poll(deadline, find) {
        Some(found) => found,
        None => panic!("waited {deadline:?} in vain: {what}"),
    }
}

/// Waits until `find` finds something, or for `deadline`.
pub fn poll<T>(deadline: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        // The condition is looked at once more after the deadline, so a stopped machine does not fail a test.
        let last = Instant::now() >= end;
        if let Some(found) = find() {
            return Some(found);
        }
        if last {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_is_seen() {
        let mut looks = 0;
        eventually(Duration::from_secs(5), "three looks", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "waited 10ms in vain: the moon")]
    fn a_condition_that_stays_false_is_named() {
        eventually(Duration::from_millis(10), "the moon", || false);
    }

    #[test]
    fn what_was_found_is_handed_over() {
        assert_eq!(eventually_some(Duration::ZERO, "a value", || Some(7)), 7);
        assert_eq!(poll(Duration::ZERO, || None::<u8>), None);
    }
}
