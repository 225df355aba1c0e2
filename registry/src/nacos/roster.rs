//! Whom a service lists, each read once. Pure.
//!
//! The server names everybody whenever one of them changes. What it says of one is kept as the text that it is: of a thousand
//! the one whose text is new is read, and the others are who they were, for all that follows too.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::value::RawValue;

use super::{names, wire::Listing};
use crate::dubbo::{Listed, Node, ServiceInstance, Skipped};

/// Most of one service that are taken.
const MAX_HOSTS: usize = 20_000;
/// How much of the name of one who is skipped is shown, in characters.
const MAX_WHICH: usize = 200;

/// How what a service lists is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// As providers of this interface.
    Interface(String),
    /// As processes of this application.
    Application(String),
}

/// Everybody, in the order of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster(Vec<Arc<Entry>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    text: Box<RawValue>,
    said: Said,
    /// The name that it gives itself, if it is one of ours, and which of those of that name it is.
    own: Option<(Box<str>, Newness)>,
}

/// When it started, and what it came to say since.
type Newness = (u64, u64);

/// What a text says.
#[derive(Debug)]
pub(super) enum Said {
    Provider(Node),
    /// A process of an application. What it offers is learned later, and once.
    Process(Listed),
    /// It offers nothing yet, or is no peer of Dubbo's.
    Nothing,
    /// Who it is, and why no call should go there.
    Skipped(String, &'static str),
}

impl Roster {
    /// Reads a listing after another one, whose texts are not read again.
    pub(super) fn read(listing: &Listing, kind: &Kind, before: &Self) -> Self {
        let mut by_text = None;
        let mut entry = |at: usize, text: &RawValue| {
            // Most lists name the same ones in the same order.
            if let Some(same) = before.0.get(at).filter(|entry| entry.text.get() == text.get()) {
                return same.clone();
            }
            let by_text = by_text.get_or_insert_with(|| before.by_text());
            let known = by_text.get(text.get()).map(|entry| Arc::clone(entry));
            known.unwrap_or_else(|| Arc::new(Entry::read(text, kind, &listing.name)))
        };
        let hosts = listing.hosts.iter().flatten().take(MAX_HOSTS);
        Self(newest(hosts.enumerate().map(|(at, text)| entry(at, text)).collect()))
    }

    fn by_text(&self) -> BTreeMap<&str, &Arc<Entry>> {
        self.0.iter().map(|entry| (entry.text.get(), entry)).collect()
    }

    /// Everybody.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.iter()
    }

    /// Whether it lists the same, in the same order.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// Of those that give themselves one name, the newest: a server lists for a while what was registered over another one that
/// died.
fn newest(entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    let mut known: HashMap<&str, Newness> = HashMap::with_capacity(entries.len());
    let mut twice = false;
    for (id, newness) in entries.iter().filter_map(|entry| entry.own.as_ref()) {
        let newest = known.entry(id).or_insert(*newness);
        twice |= *newest != *newness;
        *newest = (*newest).max(*newness);
    }
    if !twice {
        return entries;
    }
    let counts = |entry: &&Arc<Entry>| entry.own.as_ref().is_none_or(|(id, newness)| known.get(&**id) == Some(newness));
    entries.iter().filter(counts).cloned().collect()
}

impl Entry {
    fn read(text: &RawValue, kind: &Kind, service: &str) -> Self {
        let host: serde_json::Value = serde_json::from_str(text.get()).unwrap_or_default();
        let said = match kind {
            Kind::Interface(interface) => {
                names::offered(&host, interface).map(|(key, one)| Said::Provider((Arc::new(key), Arc::new(one))))
            }
            Kind::Application(application) => names::instance(&host, application).map(Said::process),
        };
        let said = said.unwrap_or_else(|why| Said::skipped(&host, service, &why));
        let own = names::own_id(&host).map(|id| (id.into(), names::newness(&host)));
        Self { text: text.to_owned(), said, own }
    }

    /// What it says.
    pub(super) fn said(&self) -> &Said {
        &self.said
    }

    /// The process that it is, at the application level.
    pub(super) fn process(&self) -> Option<&Listed> {
        match &self.said {
            Said::Process(process) => Some(process),
            _ => None,
        }
    }
}

impl Said {
    fn process(instance: ServiceInstance) -> Self {
        if instance.revision().is_none() {
            return Self::Nothing;
        }
        Self::Process(Listed::new(Arc::new(instance), None))
    }

    fn skipped(host: &serde_json::Value, service: &str, why: &Skipped) -> Self {
        let which = format!("{}:{} in {service}", host["ip"].as_str().unwrap_or("?"), host["port"]);
        Self::Skipped(which.chars().take(MAX_WHICH).collect(), why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn host(port: u16, weight: u32) -> Value {
        let metadata = json!({"protocol": "tri", "path": "a.B", "weight": weight.to_string()});
        json!({"ip": "h", "port": port, "metadata": metadata})
    }

    fn roster(hosts: &[Value], before: &Roster) -> Roster {
        let listing = serde_json::from_value(json!({"name": "providers:a.B::", "hosts": hosts})).unwrap();
        Roster::read(&listing, &Kind::Interface("a.B".to_owned()), before)
    }

    /// How many of `after` were read, and not taken over.
    fn read(before: &Roster, after: &Roster) -> usize {
        after.entries().filter(|one| !before.entries().any(|other| Arc::ptr_eq(one, other))).count()
    }

    #[test]
    fn of_a_thousand_the_one_that_changed_is_read() {
        let mut hosts: Vec<Value> = (1..=1000).map(|port| host(port, 100)).collect();
        let first = roster(&hosts, &Roster::default());
        assert_eq!(read(&Roster::default(), &first), 1000);
        let again = roster(&hosts, &first);
        assert!(again.is(&first));
        hosts[499] = host(500, 7);
        let changed = roster(&hosts, &again);
        assert!(!changed.is(&again) && read(&again, &changed) == 1);
        hosts.remove(0);
        hosts.reverse();
        let (left, known) = (roster(&hosts, &changed), |one: &Arc<Entry>| match one.said() {
            Said::Provider((_, instance)) => (instance.port, instance.weight),
            other => panic!("{other:?}"),
        });
        assert_eq!((left.entries().count(), read(&changed, &left)), (999, 0), "in whatever order");
        assert_eq!(left.entries().map(known).find(|(port, _)| *port == 500), Some((500, 7)));
    }

    #[test]
    fn of_one_that_is_listed_twice_the_newest_counts() {
        let one = |started: u64, change: Option<u64>, weight: u32| {
            let mut host = host(7, weight);
            host["metadata"]["mainstay.id"] = "one".into();
            host["metadata"]["timestamp"] = started.to_string().into();
            if let Some(change) = change {
                host["metadata"]["mainstay.change"] = change.to_string().into();
            }
            host
        };
        let other = host(8, 100);
        for (old, new) in [
            (one(1000, None, 1), one(1000, Some(1), 2)),
            (one(1000, Some(9), 1), one(1000, Some(10), 2)),
            (one(1000, Some(9), 1), one(2000, None, 2)),
        ] {
            for hosts in [[&old, &new, &other], [&new, &other, &old]] {
                let read = roster(&hosts.map(Clone::clone), &Roster::default());
                let known = |one: &Arc<Entry>| match one.said() {
                    Said::Provider((_, instance)) => (instance.port, instance.weight, instance.labels.len()),
                    other => panic!("{other:?}"),
                };
                let mut known: Vec<_> = read.entries().map(known).collect();
                known.sort_unstable();
                assert_eq!(known, [(7, 2, 0), (8, 100, 0)], "{old} {new}");
            }
        }
    }
}
