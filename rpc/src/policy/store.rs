//! Where governor keeps what it knows of each key, and the time it is told. Pure.
//!
//! Keys come from peers, so their number is bounded: those whose whole quota is there again go first, since they are as
//! good as unknown. When all are in use, new ones share one place until there is room.

use foldhash::fast::RandomState;
use governor::{clock::Clock, nanos::Nanos, state::StateStore};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Keys that are told apart at most, by each rule.
pub(super) const MAX_KEYS: usize = 16_384;

/// A clock that is told the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Arc<AtomicU64>);

impl Told {
    /// It is at least `nanos` now.
    pub(super) fn tell(&self, nanos: u64) {
        self.0.fetch_max(nanos, Relaxed);
    }
}

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Relaxed).into()
    }
}

/// What is known of the keys: when the whole quota of each is there again.
#[derive(Debug)]
pub(super) struct Store {
    known: Mutex<Known>,
    clock: Told,
    max: usize,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<u64, Nanos, RandomState>,
    /// What those share for whom there was no room.
    rest: Option<Nanos>,
}

impl Store {
    pub(super) fn new(clock: Told, max: usize) -> Self {
        Self { known: Mutex::default(), clock, max }
    }
}

impl StateStore for Store {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = known.keys.get_mut(key) {
            let (answer, next) = f(Some(*state))?;
            *state = next;
            return Ok(answer);
        }
        if known.keys.len() >= self.max {
            let now = self.clock.now();
            known.keys.retain(|_, full| *full > now);
        }
        if known.keys.len() >= self.max {
            let (answer, next) = f(known.rest)?;
            known.rest = Some(next);
            return Ok(answer);
        }
        let (answer, next) = f(None)?;
        known.keys.insert(*key, next);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_the_others_share() {
        let clock = Told::default();
        let store = Store::new(clock.clone(), 2);
        let put = |key, full: u64| {
            store.measure_and_replace(&key, |old| Ok::<_, ()>((old.map(u64::from), full.into()))).unwrap()
        };
        assert_eq!([put(1, 100), put(2, 200), put(3, 300), put(4, 400)], [None, None, None, Some(300)]);
        clock.tell(150);
        assert_eq!([put(5, 500), put(2, 201), put(6, 600)], [None, Some(200), Some(400)], "1 was as good as unknown");
        let refused = store.measure_and_replace(&2, |_| Err::<((), Nanos), _>("no"));
        assert_eq!((refused, put(2, 7)), (Err("no"), Some(201)), "a refusal changes nothing");
    }
}
