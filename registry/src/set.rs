//! A set of instances, in the order of their ids. Pure.
//!
//! A list of pointers and nothing else: of an application that offers a hundred services, each service's set points to the
//! same instances. The next set after a change costs a pointer for each that did not change, and two sets are told apart
//! by one walk along both, in which equal pointers are not followed.

use std::{cmp::Ordering, iter::Peekable, slice, sync::Arc};

use crate::instance::{Instance, InstanceId};

/// Instances by their ids, each id once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceSet(Vec<Arc<Instance>>);

impl InstanceSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in the order of their ids.
    pub fn iter(&self) -> slice::Iter<'_, Arc<Instance>> {
        self.0.iter()
    }

    /// The instance of this id.
    pub fn get(&self, id: &InstanceId) -> Option<&Arc<Instance>> {
        self.place(id).ok().map(|place| &self.0[place])
    }

    /// Whether there is an instance of this id.
    pub fn contains(&self, id: &InstanceId) -> bool {
        self.place(id).is_ok()
    }

    /// Puts an instance in; answers the one that had its id before.
    pub fn insert(&mut self, instance: Arc<Instance>) -> Option<Arc<Instance>> {
        match self.place(&instance.id) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place], instance)),
            Err(place) => {
                self.0.insert(place, instance);
                None
            }
        }
    }

    /// Takes the instance of this id out.
    pub fn remove(&mut self, id: &InstanceId) -> Option<Arc<Instance>> {
        self.place(id).ok().map(|place| self.0.remove(place))
    }

    /// What became of those of `self` in `after`, and who is new there, in the order of their ids. Who is the same in both,
    /// in all that it says, is left out.
    pub(crate) fn compared<'a>(&'a self, after: &'a Self) -> Compared<'a> {
        Compared { before: self.iter().peekable(), after: after.iter().peekable() }
    }

    /// Those of `self` of which `other` has none of the same id.
    pub(crate) fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<Instance>> {
        self.compared(other).filter_map(|step| match step {
            (Some(gone), None) => Some(gone),
            _ => None,
        })
    }

    fn place(&self, id: &InstanceId) -> Result<usize, usize> {
        self.0.binary_search_by(|one| one.id.cmp(id))
    }
}

/// The differences between two sets: what was there, and what is there now.
pub(crate) struct Compared<'a> {
    before: Peekable<slice::Iter<'a, Arc<Instance>>>,
    after: Peekable<slice::Iter<'a, Arc<Instance>>>,
}

impl<'a> Iterator for Compared<'a> {
    type Item = (Option<&'a Arc<Instance>>, Option<&'a Arc<Instance>>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.before.peek(), self.after.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(after)) if Arc::ptr_eq(before, after) => Ordering::Equal,
                (Some(before), Some(after)) => before.id.cmp(&after.id),
            };
            let before = if order.is_le() { self.before.next() } else { None };
            let after = if order.is_ge() { self.after.next() } else { None };
            if before != after {
                return Some((before, after));
            }
        }
    }
}

impl FromIterator<Arc<Instance>> for InstanceSet {
    /// Of several of one id the last one counts.
    fn from_iter<I: IntoIterator<Item = Arc<Instance>>>(all: I) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.dedup_by(|later, kept| {
            let same = later.id == kept.id;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        // It is kept for long, and ten thousand have a hundred of it.
        all.shrink_to_fit();
        Self(all)
    }
}

impl FromIterator<Instance> for InstanceSet {
    fn from_iter<I: IntoIterator<Item = Instance>>(all: I) -> Self {
        all.into_iter().map(Arc::new).collect()
    }
}

impl<'a> IntoIterator for &'a InstanceSet {
    type Item = &'a Arc<Instance>;
    type IntoIter = slice::Iter<'a, Arc<Instance>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn instance((id, weight): (u8, u32)) -> Instance {
        Instance::told(InstanceId::new(id.to_string()), "a", "h", 1).with_weight(weight)
    }

    fn any_set() -> impl Strategy<Value = Vec<(u8, u32)>> {
        prop::collection::vec((0u8..12, 1u32..3), 0..12)
    }

    type Model = BTreeMap<InstanceId, Arc<Instance>>;

    fn model(all: &[(u8, u32)]) -> Model {
        all.iter().map(|one| (InstanceId::new(one.0.to_string()), Arc::new(instance(*one)))).collect()
    }

    proptest! {
        /// Against a map.
        #[test]
        fn it_is_a_map_by_id(first in any_set(), puts in any_set(), takes in prop::collection::vec(0u8..12, 0..6)) {
            let (mut set, mut known) = (first.iter().map(|one| instance(*one)).collect::<InstanceSet>(), model(&first));
            for one in puts {
                let one = Arc::new(instance(one));
                prop_assert_eq!(set.insert(one.clone()), known.insert(one.id.clone(), one));
            }
            for id in takes.into_iter().map(|id| InstanceId::new(id.to_string())) {
                prop_assert_eq!(set.contains(&id), known.contains_key(&id));
                prop_assert_eq!(set.get(&id), known.get(&id));
                prop_assert_eq!(set.remove(&id), known.remove(&id));
            }
            prop_assert_eq!((set.len(), set.is_empty()), (known.len(), known.is_empty()));
            prop_assert!(set.iter().eq(known.values()));
        }

        #[test]
        fn two_are_compared_by_id(before in any_set(), after in any_set()) {
            let sets = [&before, &after].map(|all| all.iter().map(|one| instance(*one)).collect::<InstanceSet>());
            let (before, after) = (model(&before), model(&after));
            let ids: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let differs = ids.iter().map(|id| (before.get(id), after.get(id))).filter(|(before, after)| before != after);
            prop_assert!(sets[0].compared(&sets[1]).eq(differs));
            let gone = before.values().filter(|one| !after.contains_key(&one.id));
            prop_assert!(sets[0].without(&sets[1]).eq(gone));
        }
    }
}
