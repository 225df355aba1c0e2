//! A server that the tests of one executable share: one start in place of one for each, where nobody ends it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Started when somebody wants it, and ended when nobody has it any more: it is for a `static`, and what a static holds is
/// never dropped.
#[derive(Debug)]
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// Not started.
    pub const fn new() -> Self {
        Shared(Mutex::new(Weak::new()))
    }

    /// The one that others have, or else a new one, for which whoever wants it at the same time waits.
    ///
    /// # Panics
    /// As `start`; the next one who wants it starts it again.
    pub fn get(&self, start: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(start());
            *shared = Arc::downgrade(&started);
            started
        })
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_while_somebody_has_it_and_a_new_one_after() {
        let shared = Shared::new();
        let (one, other) = (shared.get(|| 1), shared.get(|| 2));
        assert_eq!((*one, *other), (1, 1));
        drop((one, other));
        assert_eq!(*shared.get(|| 3), 3);
    }
}
