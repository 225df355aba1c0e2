//! What all publishers say of a backend, and what holds of it. Pure.
//!
//! The primary of the greatest epoch holds. At an equal epoch (a sentinel's file was edited, or nothing has failed over
//! yet and publishers disagree) the present one stays while anybody names it; else the one that most name. The replicas
//! are those that are named at the primary's epoch. While nobody names one there, the former ones stay, but for the one
//! that is the primary now: right after a failover its replicas are still being published, and a pool must not let go
//! of all its connections for that.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_registry::{Change, Instance, InstanceId, Role};

use super::{Address, Primary, Replicas};

/// What one publisher says of one server.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    address: Address,
    role: Role,
    epoch: u64,
}

/// Everything said, and what follows.
#[derive(Debug, Default)]
pub(super) struct Book {
    claims: BTreeMap<InstanceId, Claim>,
    primary: Option<Primary>,
    replicas: Option<Replicas>,
}

impl Book {
    /// Takes in a change. What it means is asked for with [`settle`](Self::settle), once for several.
    pub(super) fn take(&mut self, change: Change) {
        match change {
            Change::Snapshot(all) => {
                self.claims.clear();
                all.iter().for_each(|instance| self.up(instance));
            }
            Change::Up(instance) => self.up(&instance),
            Change::Down(id, _) => drop(self.claims.remove(&id)),
            // A later kind of change says nothing that this version could act on.
            _ => {}
        }
    }

    fn up(&mut self, instance: &Instance) {
        match instance.standing() {
            Some((role, epoch)) => {
                let address = Address { host: instance.host.clone(), port: instance.port };
                self.claims.insert(instance.id.clone(), Claim { address, role, epoch });
            }
            None => drop(self.claims.remove(&instance.id)),
        }
    }

    /// Makes what holds follow what is said.
    pub(super) fn settle(&mut self) {
        self.primary = primary(&self.claims, self.primary.take());
        if let Some(primary) = &self.primary {
            self.replicas = replicas(&self.claims, primary, self.replicas.take());
        }
    }

    pub(super) fn primary(&self) -> Option<&Primary> {
        self.primary.as_ref()
    }

    pub(super) fn replicas(&self) -> Option<&Replicas> {
        self.replicas.as_ref()
    }
}

fn primary(claims: &BTreeMap<InstanceId, Claim>, present: Option<Primary>) -> Option<Primary> {
    let named = || claims.values().filter(|c| c.role == Role::Primary);
    let Some(epoch) = named().map(|c| c.epoch).max() else { return present };
    let mut votes: BTreeMap<&Address, usize> = BTreeMap::new();
    named().filter(|c| c.epoch == epoch).for_each(|c| *votes.entry(&c.address).or_default() += 1);
    if let Some(present) = present.filter(|p| p.epoch > epoch || p.epoch == epoch && votes.contains_key(&p.address)) {
        return Some(present);
    }
    // Of several that as many name, the first in order: all consumers choose the same.
    let most = votes.iter().rev().max_by_key(|(_, count)| **count);
    most.map(|(address, _)| Primary { address: (*address).clone(), epoch })
}

fn replicas(claims: &BTreeMap<InstanceId, Claim>, primary: &Primary, present: Option<Replicas>) -> Option<Replicas> {
    let Primary { address, epoch } = primary;
    let named = claims.values().filter(|c| c.role == Role::Replica && c.epoch == *epoch && c.address != *address);
    let mut addresses: BTreeSet<Address> = named.map(|c| c.address.clone()).collect();
    if addresses.is_empty() {
        let former = present?.addresses;
        addresses.extend(former.into_iter().filter(|a| a != address));
    }
    Some(Replicas { addresses: addresses.into_iter().collect(), epoch: *epoch })
}

#[cfg(test)]
mod tests {
    use mainstay_registry::DownCause;
    use proptest::prelude::*;
    use std::sync::Arc;

    use super::*;

    /// `s1 b P 2`: publisher s1 says that b is the primary of epoch 2. `s1 b -`: it says nothing of b any more.
    fn take(book: &mut Book, said: &str) {
        let words: Vec<&str> = said.split(' ').collect();
        let (who, host) = (words[0], words[1]);
        let id = InstanceId::new(format!("{who} {host}"));
        book.take(match words[2] {
            "-" => Change::Down(id, DownCause::Withdrawn),
            role => {
                let role = if role == "P" { Role::Primary } else { Role::Replica };
                let instance = Instance::new("m", host, 1).with_id(id);
                Change::Up(instance.in_role(role, words[3].parse().unwrap()).into())
            }
        });
        book.settle();
    }

    fn shown(book: &Book) -> String {
        let primary = book.primary().map(|p| format!("{}@{}", p.address.host, p.epoch)).unwrap_or_default();
        let hosts = |r: &Replicas| r.addresses.iter().map(|a| a.host.clone()).collect::<Vec<_>>().join(",");
        let replicas = book.replicas().map(|r| format!(" {}@{}", hosts(r), r.epoch)).unwrap_or_default();
        format!("{primary}{replicas}")
    }

    #[test]
    fn what_holds_after_what_was_said() {
        let table: &[(&str, &[(&str, &str)])] = &[
            (
                "a failover as one publisher after the other tells of it",
                &[
                    ("s1 a P 0", "a@0"),
                    ("s2 a P 0", "a@0"),
                    ("s1 b R 0", "a@0 b@0"),
                    ("s2 c R 0", "a@0 b,c@0"),
                    ("s1 b P 1", "b@1 c@1"),
                    ("s1 a -", "b@1 c@1"),
                    ("s1 c R 1", "b@1 c@1"),
                    ("s2 b P 1", "b@1 c@1"),
                    ("s2 a R 1", "b@1 a,c@1"),
                ],
            ),
            (
                "a publisher that comes back with what held before",
                &[("s1 b P 2", "b@2"), ("s3 a P 1", "b@2"), ("s1 b -", "b@2"), ("s3 a P 3", "a@3")],
            ),
            (
                "nobody is left",
                &[("s1 a P 1", "a@1"), ("s1 b R 1", "a@1 b@1"), ("s1 b -", "a@1 b@1"), ("s1 a -", "a@1 b@1")],
            ),
            ("the last replica is promoted", &[("s1 a P 1", "a@1"), ("s1 b R 1", "a@1 b@1"), ("s1 b P 2", "b@2 @2")]),
            (
                "one of two replicas goes",
                &[("s1 a P 1", "a@1"), ("s1 b R 1", "a@1 b@1"), ("s1 c R 1", "a@1 b,c@1"), ("s1 b -", "a@1 c@1")],
            ),
            ("replicas before their primary", &[("s1 b R 4", ""), ("s1 a P 4", "a@4 b@4")]),
            (
                "an equal epoch: the present one while anybody names it, then the one that most name",
                &[
                    ("s1 a P 0", "a@0"),
                    ("s2 b P 0", "a@0"),
                    ("s3 b P 0", "a@0"),
                    ("s4 c P 0", "a@0"),
                    ("s1 a -", "b@0"),
                ],
            ),
            ("who names itself both is no replica", &[("s1 a P 1", "a@1"), ("s2 a R 1", "a@1")]),
        ];
        for (what, steps) in table {
            let mut book = Book::default();
            for (said, expected) in *steps {
                take(&mut book, said);
                assert_eq!(shown(&book), *expected, "{what}: after `{said}`");
            }
        }
    }

    #[test]
    fn an_empty_snapshot_changes_nothing_and_a_full_one_everything() {
        let mut book = Book::default();
        take(&mut book, "s1 a P 1");
        book.take(Change::Snapshot(Vec::new()));
        book.settle();
        assert_eq!(shown(&book), "a@1");
        let server = |host: &str, role| Arc::new(Instance::new("m", host, 1).in_role(role, 2));
        book.take(Change::Snapshot(vec![server("b", Role::Primary), server("c", Role::Replica)]));
        book.settle();
        assert_eq!(shown(&book), "b@2 c@2");
    }

    #[test]
    fn what_says_no_role_is_nobody() {
        let mut book = Book::default();
        take(&mut book, "s1 a P 1");
        book.take(Change::Up(Instance::new("m", "a", 1).with_id(InstanceId::new("s1 a")).into()));
        book.take(Change::Up(Instance::new("m", "b", 1).into()));
        book.settle();
        assert_eq!((shown(&book).as_str(), book.claims.len()), ("a@1", 0));
    }

    proptest! {
        #[test]
        fn the_epoch_never_goes_back_and_there_is_a_primary_for_ever(
            said in prop::collection::vec((0..3u8, 0..3u8, prop::option::of((any::<bool>(), 0..6u64))), 1..60)
        ) {
            let (mut book, mut least) = (Book::default(), None);
            for (who, host, claim) in said {
                let claim = claim.map_or("-".to_owned(), |(primary, e)| format!("{} {e}", if primary { "P" } else { "R" }));
                take(&mut book, &format!("s{who} h{host} {claim}"));
                let now = book.primary().map(|p| p.epoch);
                prop_assert!(now >= least);
                least = now;
                if let (Some(p), Some(r)) = (book.primary(), book.replicas()) {
                    prop_assert!(r.epoch == p.epoch && !r.addresses.contains(&p.address));
                }
            }
        }
    }
}
