//! Those that wait because all whom they may go to have as many calls as they may. The time is an argument.
//!
//! What comes free is handed to the first in line that may have it, and never lies about: whoever comes later would take it
//! first, and callers that call again at once would leave nothing to those that wait. So a release wakes one, whoever leaves
//! the line holds nobody up, and what it was given on its way out comes free again by being dropped.

use crate::policy::Codel;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// A line before things that come free.
#[derive(Debug)]
pub(crate) struct Line<T> {
    state: Mutex<State<T>>,
    /// Somebody may wait: a look without the lock.
    some: AtomicBool,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    codel: Codel,
}

/// One of those that wait.
#[derive(Debug)]
struct Waiting<T> {
    may: May,
    since: Duration,
    to: Sender<T>,
}

/// Whose things one may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// Anybody's.
    All,
    /// Those of these.
    These(Vec<usize>),
}

impl May {
    fn have(&self, of: usize) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&of),
        }
    }
}

/// A place in the line, until it is dropped.
#[derive(Debug)]
pub(crate) struct InLine<T> {
    pub(crate) may: May,
    turn: Receiver<T>,
}

impl<T> InLine<T> {
    /// Waits for something; `None` for one that is let go because the line does not empty. Cancel-safe, and over once it has
    /// answered.
    pub(crate) async fn turn(&mut self) -> Option<T> {
        (&mut self.turn).await.ok()
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { waiting: VecDeque::new(), codel: Codel::default() }),
            some: AtomicBool::new(false),
        }
    }
}

impl<T> Line<T> {
    /// Nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        !self.some.load(SeqCst)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.iter().filter(|one| !one.to.is_closed()).count()
    }

    /// Stands in line from `now` on; `None` when `room` others do already.
    pub(crate) fn stand(&self, may: May, room: usize, now: Duration) -> Option<InLine<T>> {
        let mut state = self.lock();
        if state.waiting.len() >= room {
            state.waiting.retain(|one| !one.to.is_closed());
        }
        let free = state.waiting.len() < room;
        let in_line = free.then(|| {
            if state.waiting.is_empty() {
                // It has emptied.
                state.codel.sheds(Duration::ZERO, now);
            }
            let (to, turn) = oneshot::channel();
            state.waiting.push_back(Waiting { may: may.clone(), since: now, to });
            InLine { may, turn }
        });
        self.some.store(!state.waiting.is_empty(), SeqCst);
        in_line
    }

    /// Something of this one's is free: the first that may have it gets it. Comes back when nobody may.
    pub(crate) fn offer(&self, of: usize, thing: T, now: Duration) -> Option<T> {
        let mut state = self.lock();
        let left = state.offer(of, thing, now);
        self.some.store(!state.waiting.is_empty(), SeqCst);
        left
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn offer(&mut self, of: usize, mut thing: T, now: Duration) -> Option<T> {
        while let Some(place) = self.waiting.iter().position(|one| one.may.have(of)) {
            let Some(first) = self.waiting.remove(place) else { break };
            // Who is let go hears of it by the end of the channel.
            if first.to.is_closed() || self.codel.sheds(now.saturating_sub(first.since), now) {
                continue;
            }
            match first.to.send(thing) {
                Ok(()) => return None,
                // It has just gone.
                Err(back) => thing = back,
            }
        }
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn got(one: &mut InLine<usize>) -> Option<Option<usize>> {
        one.turn().now_or_never()
    }

    #[test]
    fn who_has_left_and_who_may_not_are_passed_over() {
        let line = Line::default();
        assert_eq!(line.offer(1, 10, MS), Some(10), "nobody is there");
        let stand = |may| line.stand(may, 3, MS);
        let (gone, mut other, mut any) = (stand(May::All), stand(May::These(vec![2])), stand(May::All));
        assert!(stand(May::All).is_none(), "there is room for three");
        drop(gone);
        let mut last = stand(May::All).expect("who has left takes no room");
        let (other, any) = (other.as_mut().unwrap(), any.as_mut().unwrap());
        assert_eq!(line.offer(1, 10, MS), None);
        assert_eq!((got(other), got(any), got(&mut last)), (None, Some(Some(10)), None));
        assert_eq!((line.offer(2, 20, MS), got(other), line.len()), (None, Some(Some(20)), 1));
        assert_eq!((line.offer(2, 21, MS), line.is_empty()), (None, true));
    }

    #[test]
    fn a_line_that_does_not_empty_is_cut_and_one_that_emptied_is_not() {
        let line = Line::default();
        let mut waiting: Vec<_> = (0..60).map(|_| line.stand(May::All, 100, MS).unwrap()).collect();
        let ends = |waiting: &mut Vec<InLine<usize>>| {
            let ends: Vec<_> = waiting.iter_mut().filter_map(got).collect();
            (ends.iter().filter(|end| end.is_some()).count(), ends.iter().filter(|end| end.is_none()).count())
        };
        (1..=11u32).for_each(|turn| assert_eq!(line.offer(1, 1, 20 * turn * MS), None));
        // In the interval that ended with the eleventh, even the luckiest one had waited for far too long.
        assert_eq!((line.offer(1, 1, 240 * MS), ends(&mut waiting)), (Some(1), (11, 49)));
        assert!(line.is_empty());
        let mut late = line.stand(May::All, 100, 300 * MS).unwrap();
        assert_eq!((line.offer(1, 1, 345 * MS), got(&mut late)), (None, Some(Some(1))), "it had emptied");
    }

    proptest! {
        /// Against a list: the first that is there and may gets it, and nothing is lost.
        #[test]
        fn the_first_that_may_gets_it(steps in prop::collection::vec((0usize..4, 0usize..3, any::<u8>()), 1..120)) {
            let line = Line::default();
            // Who waits, by number; what each may have, `None` for anything.
            let mut model: Vec<(usize, Option<usize>)> = Vec::new();
            let mut all: Vec<Option<InLine<usize>>> = Vec::new();
            for (number, (what, of, which)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        let may = if what == 0 { May::All } else { May::These(vec![of]) };
                        let stands = line.stand(may, 8, Duration::ZERO);
                        prop_assert_eq!(stands.is_some(), model.len() < 8);
                        if stands.is_some() {
                            model.push((all.len(), (what == 1).then_some(of)));
                            all.push(stands);
                        }
                    }
                    2 if !model.is_empty() => {
                        let (gone, _) = model.remove(usize::from(which) % model.len());
                        all[gone] = None;
                    }
                    _ => {
                        let expected = model.iter().position(|(_, may)| may.is_none_or(|may| may == of));
                        let back = line.offer(of, number, Duration::ZERO);
                        prop_assert_eq!(back, expected.is_none().then_some(number));
                        if let Some(place) = expected {
                            let (who, _) = model.remove(place);
                            prop_assert_eq!(all[who].as_mut().and_then(got), Some(Some(number)));
                        }
                    }
                }
                let early = model.iter().any(|(who, _)| all[*who].as_mut().is_some_and(|one| got(one).is_some()));
                prop_assert!(!early, "who waits has nothing");
            }
        }
    }
}
