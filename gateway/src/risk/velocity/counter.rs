//! All keys of one counter. There are so many at most: when another comes, the one that was touched longest ago is forgotten,
//! so that who makes keys up pushes out who is quiet, and costs no memory. Pure: the time is an argument.

use super::window::{Amounts, Values, slice};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// How often.
    Count,
    /// How many different.
    Distinct,
    /// How much together.
    Sum,
}

/// How it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) window: Duration,
    pub(crate) max_keys: usize,
}

/// What is counted of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Once,
    /// The hash of a value.
    Value(u64),
    Amount(f64),
}

/// A counter.
#[derive(Debug)]
pub(crate) struct Counter {
    shape: Shape,
    keys: HashMap<Box<str>, Kept>,
    /// By when they were touched last.
    by_touch: BTreeMap<u64, Box<str>>,
    touches: u64,
}

#[derive(Debug)]
struct Kept {
    touched: u64,
    window: Window,
}

#[derive(Debug)]
enum Window {
    Amounts(Box<Amounts>),
    Values(Values),
}

impl Counter {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, keys: HashMap::new(), by_touch: BTreeMap::new(), touches: 0 }
    }

    /// Counts an event for a key. Answers whether another key was forgotten for it.
    pub(crate) fn add(&mut self, key: &str, what: What, now: Duration) -> bool {
        self.touches += 1;
        let slice = slice(self.shape.window, now);
        let mut forgot = false;
        if let Some(kept) = self.keys.get_mut(key) {
            if let Some(name) = self.by_touch.remove(&kept.touched) {
                self.by_touch.insert(self.touches, name);
            }
            kept.touched = self.touches;
        } else {
            if self.keys.len() >= self.shape.max_keys
                && let Some((_, oldest)) = self.by_touch.pop_first()
            {
                forgot = self.keys.remove(&oldest).is_some();
            }
            let window = match self.shape.kind {
                Kind::Distinct => Window::Values(Values::default()),
                Kind::Count | Kind::Sum => Window::Amounts(Box::default()),
            };
            self.by_touch.insert(self.touches, key.into());
            self.keys.insert(key.into(), Kept { touched: self.touches, window });
        }
        if let Some(kept) = self.keys.get_mut(key) {
            match (&mut kept.window, what) {
                (Window::Amounts(amounts), What::Amount(amount)) => amounts.add(slice, amount),
                (Window::Amounts(amounts), _) => amounts.add(slice, 1.0),
                (Window::Values(values), What::Value(value)) => values.add(slice, value),
                (Window::Values(_), _) => {}
            }
        }
        forgot
    }

    /// What was counted for a key of late. Asking is no touch: who only asks keeps nobody in mind.
    pub(crate) fn total(&self, key: &str, now: Duration) -> f64 {
        let slice = slice(self.shape.window, now);
        match self.keys.get(key).map(|kept| &kept.window) {
            None => 0.0,
            Some(Window::Amounts(amounts)) => amounts.total(slice),
            Some(Window::Values(values)) => values.total(slice) as f64,
        }
    }

    /// Keys that are in mind.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(kind: Kind, max_keys: usize) -> Shape {
        Shape { kind, window: Duration::from_secs(12), max_keys }
    }

    #[test]
    fn each_kind_counts_what_it_says() {
        let s = Duration::from_secs;
        let total = |kind, events: &[What]| {
            let mut counter = Counter::new(shape(kind, 9));
            assert!(!events.iter().any(|what| counter.add("joe", *what, s(100))));
            assert_eq!(counter.total("ann", s(100)), 0.0);
            (counter.total("joe", s(111)), counter.total("joe", s(112)))
        };
        assert_eq!(total(Kind::Count, &[What::Once, What::Once]), (2.0, 0.0));
        assert_eq!(total(Kind::Sum, &[What::Amount(2.5), What::Amount(3.0)]), (5.5, 0.0));
        assert_eq!(total(Kind::Distinct, &[What::Value(1), What::Value(2), What::Value(1)]), (2.0, 0.0));
    }

    proptest! {
        /// As one that keeps a list of all events and of the order in which keys were touched.
        #[test]
        fn who_was_touched_longest_ago_is_forgotten(
            events in prop::collection::vec((0u8..8, 0u64..3000, 0u8..4), 1..120),
            max_keys in 1usize..6,
            kind in prop::sample::select(vec![Kind::Count, Kind::Distinct, Kind::Sum]),
        ) {
            let mut counter = Counter::new(shape(kind, max_keys));
            let (mut order, mut all, mut now) = (Vec::<u8>::new(), Vec::<(u8, u64, u8)>::new(), 100_000);
            for (key, pause, value) in events {
                now += pause;
                let at = Duration::from_millis(now);
                let what = match kind {
                    Kind::Count => What::Once,
                    Kind::Distinct => What::Value(u64::from(value)),
                    Kind::Sum => What::Amount(f64::from(value)),
                };
                let forgot = counter.add(&key.to_string(), what, at);
                let known = order.iter().position(|known| *known == key);
                prop_assert_eq!(forgot, known.is_none() && order.len() >= max_keys);
                if let Some(known) = known {
                    order.remove(known);
                } else if order.len() >= max_keys {
                    let oldest = order.remove(0);
                    all.retain(|(key, ..)| *key != oldest);
                }
                order.push(key);
                all.push((key, now, value));
                for key in 0..8 {
                    let live = all.iter().filter(|(own, at, _)| *own == key && at / 1000 + 12 > now / 1000);
                    let slow = match kind {
                        Kind::Count => live.count() as f64,
                        Kind::Sum => live.map(|(.., value)| f64::from(*value)).sum(),
                        Kind::Distinct => live.map(|(.., value)| *value).collect::<std::collections::BTreeSet<_>>().len() as f64,
                    };
                    prop_assert_eq!(counter.total(&key.to_string(), at), slow);
                }
                prop_assert!(counter.len() == order.len() && counter.by_touch.len() == order.len());
            }
        }
    }
}
