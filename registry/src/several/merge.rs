//! What a reader of several registries is told: which of them are read, and what they say together. Pure.

use std::{collections::BTreeMap, sync::Arc};

use super::place::Place;
use crate::{instance::Instance, port::Change, set::InstanceSet};

/// What each registry said of one lookup.
#[derive(Debug)]
pub(crate) struct Merge {
    places: Vec<Place>,
    zone: Option<String>,
    /// `None`: it has not said anything yet.
    said: Vec<Option<InstanceSet>>,
}

impl Merge {
    pub(crate) fn new(places: Vec<Place>, zone: Option<&str>) -> Self {
        Self { said: vec![None; places.len()], places, zone: zone.map(str::to_owned) }
    }

    /// The registry `at` said this.
    pub(crate) fn apply(&mut self, at: usize, change: Change) {
        let Some(said) = self.said.get_mut(at) else { return };
        let set = said.get_or_insert_default();
        match change {
            Change::Snapshot(all) => *set = all.into_iter().collect(),
            Change::Up(one) => drop(set.insert(one)),
            Change::Down(id, _) => drop(set.remove(&id)),
        }
    }

    /// Whether one has said something.
    pub(crate) fn is_begun(&self) -> bool {
        self.said.iter().any(Option::is_some)
    }

    /// Whether all have said something.
    pub(crate) fn is_complete(&self) -> bool {
        self.said.iter().all(Option::is_some)
    }

    /// What the reader is told.
    pub(crate) fn pick(&self) -> InstanceSet {
        let read = self.read();
        let mut picked: BTreeMap<_, (u32, &Arc<Instance>)> = BTreeMap::new();
        for at in read {
            let weight = self.places[at].weight;
            for instance in self.said[at].iter().flatten() {
                let known = picked.entry(&instance.id).or_insert((weight, instance));
                if known.0 < weight {
                    *known = (weight, instance);
                }
            }
        }
        picked.into_values().map(|(weight, instance)| weighed(instance, weight)).collect()
    }

    /// Which registries are read.
    fn read(&self) -> Vec<usize> {
        let listing = |takes: &dyn Fn(&Place) -> bool| {
            let of =
                |at: &usize| takes(&self.places[*at]) && self.said[*at].as_ref().is_some_and(|set| !set.is_empty());
            (0..self.places.len()).filter(of).collect::<Vec<_>>()
        };
        let preferred = listing(&|place| place.preferred);
        if !preferred.is_empty() {
            return preferred;
        }
        let near = listing(&|place| self.zone.is_some() && place.zone == self.zone);
        if near.is_empty() { (0..self.places.len()).collect() } else { near }
    }
}

/// The instance with `per_cent` of its weight; what has any keeps some.
fn weighed(instance: &Arc<Instance>, per_cent: u32) -> Arc<Instance> {
    if per_cent == 100 {
        return instance.clone();
    }
    let share = u64::from(instance.weight) * u64::from(per_cent);
    let least = u64::from(share > 0);
    let weight = u32::try_from((share / 100).max(least)).unwrap_or(u32::MAX);
    Arc::new(Instance::clone(instance).with_weight(weight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{instance::InstanceId, port::DownCause};

    fn instance(id: &str, weight: u32) -> Arc<Instance> {
        Arc::new(Instance::new("a", "h", 1).with_id(InstanceId::new(id)).with_weight(weight))
    }

    fn place(text: &str) -> Place {
        super::super::place::placed(crate::RegistryUrl::parse(&format!("x://{text}")).unwrap()).unwrap().1
    }

    /// What is told when registries of these places list these instances (`id:weight`).
    fn told(zone: Option<&str>, registries: &[(&str, &[(&str, u32)])]) -> Vec<(String, u32)> {
        let mut merge = Merge::new(registries.iter().map(|(text, _)| place(text)).collect(), zone);
        for (at, (_, list)) in registries.iter().enumerate() {
            merge.apply(at, Change::Snapshot(list.iter().map(|(id, weight)| instance(id, *weight)).collect()));
        }
        merge.pick().iter().map(|one| (one.id.to_string(), one.weight)).collect()
    }

    #[test]
    fn who_is_read() {
        let (a, b): (&[_], &[_]) = (&[("a", 100)], &[("b", 100)]);
        for (zone, registries, expected) in [
            (None, [("", a), ("", b)], &["a", "b"][..]),
            (None, [("?preferred=true", a), ("", b)], &["a"]),
            (None, [("?preferred=true", &[]), ("", b)], &["b"]),
            (None, [("?preferred=true", a), ("?preferred=true", b)], &["a", "b"]),
            (Some("x"), [("?zone=x", a), ("?zone=y", b)], &["a"]),
            (Some("x"), [("?zone=x", &[]), ("?zone=y", b)], &["b"]),
            (Some("z"), [("?zone=x", a), ("?zone=y", b)], &["a", "b"]),
            (None, [("?zone=x", a), ("", b)], &["a", "b"]),
            (Some("x"), [("?zone=x", a), ("?preferred=true", b)], &["b"]),
        ] {
            let told = told(zone, &registries);
            assert_eq!(told.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), expected, "{zone:?} {registries:?}");
        }
    }

    #[test]
    fn weights_are_factors_and_the_same_instance_counts_once() {
        for (first, second, expected) in [
            ("", "", [("a", 100), ("both", 7), ("b", 50)]),
            ("?weight=50", "", [("a", 50), ("both", 7), ("b", 50)]),
            ("?weight=0", "?weight=200", [("a", 0), ("both", 14), ("b", 100)]),
            ("?weight=1", "?weight=1", [("a", 1), ("both", 1), ("b", 1)]),
        ] {
            let mut told = told(None, &[(first, &[("a", 100), ("both", 7)]), (second, &[("b", 50), ("both", 7)])]);
            told.sort_by_key(|(id, _)| id.len() == 1 && id == "b");
            assert_eq!(told, expected.map(|(id, weight)| (id.to_owned(), weight)), "{first} {second}");
        }
    }

    proptest! {
        /// A registry that goes silent, or has not begun, takes nothing away from what the others say.
        #[test]
        fn what_one_says_never_hides_what_another_does_unless_it_is_preferred(
            steps in prop::collection::vec((0usize..3, 0u8..5, any::<bool>()), 0..40)
        ) {
            let mut merge = Merge::new(vec![Place::default(); 3], None);
            let mut model = vec![std::collections::BTreeSet::new(); 3];
            for (at, id, up) in steps {
                let id = id.to_string();
                if up {
                    merge.apply(at, Change::Up(instance(&id, 1)));
                    model[at].insert(id);
                } else {
                    merge.apply(at, Change::Down(InstanceId::new(id.as_str()), DownCause::Unlisted));
                    model[at].remove(&id);
                }
            }
            let expected: std::collections::BTreeSet<String> = model.into_iter().flatten().collect();
            let told: std::collections::BTreeSet<String> = merge.pick().iter().map(|one| one.id.to_string()).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
