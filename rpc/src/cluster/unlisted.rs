//! Those that a registry lists no more, and does not say why.
//!
//! Providers that do not reach their registry lose their sessions, all at once where it is the registry's side that is cut off,
//! while their callers reach them as ever. The registry is well then, and says that there is nobody. So where nobody is listed
//! any more, those are called on that were listed a moment ago and still answer: as long as a connection to them is open, and
//! for a bounded time. Whoever said goodbye, or whose end is proved, is believed to be gone, and so is whoever closes its
//! connections: a provider that drains, or that an operator took out of the registry, tells its callers so itself. Pure.

use super::snapshot::{Edit, Endpoint};
use mainstay_registry::{Change, DownCause, InstanceId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What a registry loses within this time counts as lost at once: sessions end one after the other, each a change.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long those that answer are called on.
pub(crate) const CALLED_ON: Duration = Duration::from_secs(300);

/// Those that are not listed any more, and whose connections stay open for now.
#[derive(Debug)]
pub(crate) struct Unlisted<L> {
    aside: BTreeMap<InstanceId, Aside<L>>,
    /// They are let go.
    over: Vec<Arc<Endpoint<L>>>,
}

#[derive(Debug)]
struct Aside<L> {
    endpoint: Arc<Endpoint<L>>,
    since: Duration,
    /// It is among those that are called.
    called: bool,
}

impl<L> Default for Unlisted<L> {
    fn default() -> Self {
        Self { aside: BTreeMap::new(), over: Vec::new() }
    }
}

impl<L> Unlisted<L> {
    /// Before a change is applied: whoever it lists is back, with what was known of it; whoever is proved to be gone is gone.
    pub(crate) fn hears(&mut self, edit: &mut Edit<L>, change: &Change) {
        match change {
            Change::Up(instance) => self.is_back(edit, &instance.id),
            Change::Snapshot(all) => all.iter().for_each(|instance| self.is_back(edit, &instance.id)),
            Change::Down(id, cause) if *cause != DownCause::Unlisted => {
                // One that is called is let go as all others are.
                let gone = self.aside.remove(id).filter(|_| !edit.has(id));
                self.over.extend(gone.map(|aside| aside.endpoint));
            }
            _ => {}
        }
    }

    fn is_back(&mut self, edit: &mut Edit<L>, id: &InstanceId) {
        if let Some(aside) = self.aside.remove(id) {
            edit.restore(aside.endpoint);
        }
    }

    /// After changes, and when it [is due](Self::is_due): puts aside whom the registry lists no more, calls on them if nobody is
    /// listed, and answers who is let go. `answers`: a connection to it is open.
    pub(crate) fn settle(
        &mut self,
        edit: &mut Edit<L>,
        now: Duration,
        answers: impl Fn(&Endpoint<L>) -> bool,
    ) -> Vec<Arc<Endpoint<L>>> {
        for (endpoint, cause) in std::mem::take(&mut edit.down) {
            let id = &endpoint.instance.id;
            if cause == DownCause::Unlisted && !edit.has(id) && answers(&endpoint) {
                // One that was called on is so since it was put aside.
                let new = || Aside { endpoint: endpoint.clone(), since: now, called: false };
                self.aside.entry(id.clone()).or_insert_with(new);
            } else {
                self.over.push(endpoint);
            }
        }
        let listed = edit.ids().any(|id| self.aside.get(id).is_none_or(|aside| !aside.called));
        let mut more = 0;
        self.aside.retain(|id, aside| {
            let age = now.saturating_sub(aside.since);
            let answers = answers(&aside.endpoint);
            if answers && !listed && !aside.called && age < AT_ONCE {
                (aside.called, more) = (true, more + 1);
            }
            let stays = answers && now < aside.end();
            match stays {
                true if aside.called => edit.restore(aside.endpoint.clone()),
                true => {}
                false => {
                    edit.take(id);
                    self.over.push(aside.endpoint.clone());
                }
            }
            stays
        });
        if more > 0 {
            tracing::warn!(count = more, "the registry lists nobody any more: those that answer are called on");
        }
        std::mem::take(&mut self.over)
    }

    /// Somebody is to be let go.
    pub(crate) fn is_due(&self, now: Duration, answers: impl Fn(&Endpoint<L>) -> bool) -> bool {
        self.aside.values().any(|aside| aside.end() <= now || !answers(&aside.endpoint))
    }

    /// When somebody is to be let go whatever happens; `None` when nobody is aside.
    pub(crate) fn until(&self) -> Option<Duration> {
        self.aside.values().map(Aside::end).min()
    }
}

impl<L> Aside<L> {
    fn end(&self) -> Duration {
        self.since + if self.called { CALLED_ON } else { AT_ONCE }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::snapshot::{Derive, Snapshot},
        *,
    };
    use mainstay_registry::Instance;
    use std::{cell::RefCell, collections::BTreeSet};

    const S: Duration = Duration::from_secs(1);

    /// A client, and who answers it.
    #[derive(Default)]
    struct World {
        snapshot: Snapshot<u8>,
        unlisted: Unlisted<u8>,
        silent: RefCell<BTreeSet<u8>>,
        gone: Vec<u8>,
    }

    fn id(n: u8) -> InstanceId {
        InstanceId::new(n.to_string())
    }

    fn up(n: u8) -> Change {
        Change::Up(Arc::new(Instance::new("a", "h", n.into()).with_id(id(n))))
    }

    fn down(n: u8) -> Change {
        Change::Down(id(n), DownCause::Unlisted)
    }

    fn number(endpoint: &Endpoint<u8>) -> u8 {
        endpoint.instance.port as u8
    }

    impl World {
        fn of(all: impl IntoIterator<Item = u8>) -> Self {
            let mut world = Self::default();
            world.at(0, all.into_iter().map(up));
            world
        }

        /// Who is called after these changes at this second.
        fn at(&mut self, second: u32, changes: impl IntoIterator<Item = Change>) -> Vec<u8> {
            let mut edit = self.snapshot.edit();
            for change in changes {
                self.unlisted.hears(&mut edit, &change);
                edit.apply(change);
            }
            let answers = |endpoint: &Endpoint<u8>| !self.silent.borrow().contains(&number(endpoint));
            let gone = self.unlisted.settle(&mut edit, S * second, answers);
            self.gone.extend(gone.iter().map(|endpoint| number(endpoint)));
            self.snapshot = edit.finish(&Derive::default());
            self.snapshot.endpoints.iter().map(|endpoint| number(endpoint)).collect()
        }

        fn is_due(&self, second: u32) -> bool {
            self.unlisted.is_due(S * second, |endpoint| !self.silent.borrow().contains(&number(endpoint)))
        }
    }

    #[test]
    fn those_that_were_lost_one_after_the_other_are_called_on_while_they_answer() {
        let mut world = World::of(1..=3);
        assert_eq!(world.at(1, [down(1)]), [2, 3]);
        assert_eq!(world.at(2, [down(2)]), [3], "somebody is listed: the registry is believed");
        assert_eq!(world.at(3, [down(3)]), [1, 2, 3]);
        assert!(world.gone.is_empty() && !world.is_due(4));
        world.silent.borrow_mut().insert(2);
        assert!(world.is_due(4));
        assert_eq!(world.at(4, []), [1, 3]);
        assert_eq!((world.unlisted.until(), world.gone.clone()), (Some(S + CALLED_ON), vec![2]));
        assert_eq!(world.at(301, []), [3], "each for its own time");
        assert!(world.at(303, []).is_empty());
        assert_eq!((world.unlisted.until(), world.gone), (None, vec![2, 1, 3]));
    }

    #[test]
    fn one_that_was_lost_long_before_is_let_go() {
        let mut world = World::of(1..=2);
        assert_eq!(world.at(1, [down(1)]), [2]);
        assert!(world.is_due(11) && world.at(11, []) == [2] && world.gone == [1]);
        assert_eq!(world.at(12, [down(2)]), [2]);
    }

    #[test]
    fn who_says_goodbye_or_is_not_connected_is_gone() {
        for cause in [DownCause::Withdrawn, DownCause::Died, DownCause::Expired] {
            let mut world = World::of(1..=2);
            assert_eq!(world.at(1, [down(1)]), [2]);
            assert_eq!(world.at(2, [Change::Down(id(2), cause)]), [1], "{cause}: nobody is listed");
            assert!(world.at(3, [Change::Down(id(1), cause)]).is_empty(), "{cause}");
            assert_eq!(world.gone, [2, 1]);
        }
        let mut world = World::of(1..=2);
        world.silent.borrow_mut().insert(1);
        assert_eq!((world.at(1, [down(1), down(2)]), world.gone), (vec![2], vec![1]));
    }

    #[test]
    fn who_is_listed_again_is_so_with_what_was_known_of_it() {
        let mut world = World::of(1..=2);
        world.snapshot.endpoints.iter().for_each(|endpoint| drop(endpoint.kept(|| number(endpoint)).clone()));
        assert_eq!(world.at(1, [down(1), down(2)]), [1, 2]);
        assert_eq!(world.at(2, [up(2), up(3)]), [1, 2, 3], "the others may follow");
        world.silent.borrow_mut().insert(3);
        assert_eq!(world.at(3, [Change::Snapshot(Vec::new())]), [1, 2], "3 does not answer");
        assert_eq!(world.at(4, [up(1), up(2)]), [1, 2]);
        assert_eq!(world.unlisted.until(), None);
        let kept: Vec<_> = world.snapshot.endpoints.iter().map(|endpoint| **endpoint.known().unwrap()).collect();
        assert_eq!(kept, [1, 2]);
    }

    #[test]
    fn an_answer_that_goes_on_listing_nobody_makes_nobody_young_again() {
        let mut world = World::of(1..=1);
        for second in [1, 100, 200, 300] {
            assert_eq!(world.at(second, [Change::Snapshot(Vec::new())]), [1]);
        }
        assert!(world.at(301, [Change::Snapshot(Vec::new())]).is_empty());
    }
}
