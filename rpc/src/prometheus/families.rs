//! The families of metrics by name, the series of each by labels, and how many there may be. Pure but for the counts
//! that threads share.

use super::Histogram;
use metrics::Key;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

/// Label sets of one metric that are told apart at most.
pub const MAX_SERIES: usize = 2048;
/// Metrics that are told apart at most; further ones are not recorded.
const MAX_FAMILIES: usize = 1024;
/// The longest value of a label, in characters; the rest is cut off.
const MAX_VALUE: usize = 200;

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One row of numbers. A clone is the same one.
#[derive(Clone)]
pub(super) enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Histogram>),
}

/// Names and values, in the order in which they were said.
pub(super) type Labels = Vec<(String, String)>;

/// Everything that is recorded.
#[derive(Default)]
pub(super) struct Families {
    help: BTreeMap<String, String>,
    all: BTreeMap<String, Family>,
}

/// What is recorded under one name.
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) series: BTreeMap<Labels, Series>,
    /// Where those are counted that are not told apart.
    pub(super) overflow: Option<Series>,
}

impl Series {
    /// A row of zeros.
    pub(super) fn new(kind: Kind, bounds: impl FnOnce() -> Arc<[f64]>) -> Self {
        match kind {
            Kind::Counter => Self::Counter(Arc::default()),
            Kind::Gauge => Self::Gauge(Arc::default()),
            Kind::Histogram => Self::Histogram(Arc::new(Histogram::new(bounds()))),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

impl Families {
    /// Says what a metric means, whether or not it is recorded yet.
    pub(super) fn describe(&mut self, name: &str, help: &str) {
        if self.help.len() < MAX_FAMILIES {
            self.help.insert(sane(name), help.to_owned());
        }
    }

    /// The series of a key, and whether it is that key's alone; `None` when there can be none.
    pub(super) fn series(&mut self, key: &Key, kind: Kind, new: impl FnOnce() -> Series) -> Option<(Series, bool)> {
        let name = sane(key.name());
        if !self.all.contains_key(&name) && self.all.len() >= MAX_FAMILIES {
            return None;
        }
        let empty = || Family { kind, series: BTreeMap::new(), overflow: None };
        let family = self.all.entry(name).or_insert_with(empty);
        if family.kind != kind {
            return None;
        }
        let labels: Labels = key.labels().map(|label| (sane(label.key()), cut(label.value()))).collect();
        if let Some(series) = family.series.get(&labels) {
            return Some((series.clone(), false));
        }
        if family.series.len() >= MAX_SERIES {
            return Some((family.overflow.get_or_insert_with(new).clone(), false));
        }
        let series = new();
        family.series.insert(labels, series.clone());
        Some((series, true))
    }

    /// All that is recorded, with what it means where that was said.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>, &Family)> {
        self.all.iter().map(|(name, family)| (name.as_str(), self.help.get(name).map(String::as_str), family))
    }
}

/// A name as Prometheus takes it.
fn sane(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

fn cut(value: &str) -> String {
    value.chars().take(MAX_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Label;

    #[test]
    fn names_are_made_sane_and_values_are_cut() {
        for (name, expected) in [("a.b-c", "a_b_c"), ("9x", "_9x"), ("", "_"), ("ü:1", "__1"), ("fine_1", "fine_1")] {
            assert_eq!(sane(name), expected);
        }
        let mut families = Families::default();
        let key = Key::from_parts("a", vec![Label::new("l", "ä".repeat(1000))]);
        let new = || Series::new(Kind::Counter, || [].into());
        assert!(families.series(&key, Kind::Counter, new).is_some_and(|(_, its_own)| its_own));
        let (_, _, family) = families.iter().next().unwrap();
        assert_eq!(family.series.keys().next().unwrap()[0].1.chars().count(), MAX_VALUE);
    }

    #[test]
    fn there_is_an_end_of_names_too() {
        let mut families = Families::default();
        let mut add = |name: String| {
            let new = || Series::new(Kind::Gauge, || [].into());
            families.describe(&name, "x");
            families.series(&Key::from_name(name), Kind::Gauge, new).is_some()
        };
        assert_eq!((0..MAX_FAMILIES * 2).filter(|n| add(format!("m{n}"))).count(), MAX_FAMILIES);
        assert!(add("m1".to_owned()) && families.help.len() == MAX_FAMILIES);
    }
}
