//! Which record to probe when, and which one is dead: the decisions of the embedded registry. Pure.
//!
//! Events are hints, the lock is the truth. A hint (closed, deleted) only says "look now": the kernel tells of a close
//! just before it drops the lock, so a lock that is still held is looked at again after 1, 2, 5, 10 and 20 ms. Each
//! second everything is listed and probed besides, because hints get lost (queue overflow, a directory made anew).
//!
//! A record whose name is gone while its lock is held was taken away behind a living provider's back: it stays listed,
//! for a bounded time, until its provider has written it again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    config,
    record::{MAX_FILES, generation_of, is_temporary},
};
use crate::port::DownCause;

/// When a record is probed after a hint.
const PROBE_AFTER: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
];
/// How long a living record may be without its name.
const ORPHAN_KEPT: Duration = Duration::from_secs(300);
/// From this age on, a temporary file that nobody holds is litter.
const LITTER_AGE: Duration = Duration::from_secs(10);

/// What a probe of a record's lock found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Its process lives.
    Held,
    /// Nobody holds it: the process has ended or has let go.
    Free,
    /// There is nothing to probe: the file is gone and was not open here.
    Gone,
}

/// What a listing asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Records to open and read.
    pub(crate) unknown: Vec<String>,
    /// Names that were never seen before and are no records: to be told of once.
    pub(crate) foreign: Vec<String>,
}

/// What is known about the files of the directory.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    records: BTreeMap<String, Entry>,
    /// Dead records whose files are still there.
    dead: BTreeSet<String>,
    /// Files that are not to be looked at again.
    ignored: BTreeSet<String>,
    temporary: BTreeMap<String, Duration>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The next probe: its place in [`PROBE_AFTER`], and when the hint came.
    probe: Option<(usize, Duration)>,
    nameless_since: Option<Duration>,
}

impl Entry {
    fn due(&self) -> Option<Duration> {
        self.probe.map(|(stage, hint)| hint + PROBE_AFTER[stage])
    }
}

impl Shelf {
    /// A record was read and its lock is held. It is probed again soon: another reader's removal may have held it.
    pub(crate) fn add(&mut self, now: Duration, name: &str) {
        self.records.insert(name.to_owned(), Entry { probe: Some((1, now)), nameless_since: None });
    }

    /// The file is no readable record.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.ignored.insert(name.to_owned());
    }

    /// The file was found dead before it was read.
    pub(crate) fn bury(&mut self, name: &str) {
        self.records.remove(name);
        self.dead.insert(name.to_owned());
    }

    /// Forget what is known, because there is a new file of this name.
    pub(crate) fn renew(&mut self, name: &str) {
        self.records.remove(name);
        self.dead.remove(name);
        self.ignored.remove(name);
    }

    /// The kernel says that a writer closed the file.
    pub(crate) fn closed(&mut self, now: Duration, name: &str) {
        if let Some(entry) = self.records.get_mut(name) {
            entry.probe = Some((0, now));
        }
    }

    /// The kernel, or a listing, says that the name is gone.
    pub(crate) fn deleted(&mut self, now: Duration, name: &str) {
        self.dead.remove(name);
        self.ignored.remove(name);
        self.temporary.remove(name);
        if let Some(entry) = self.records.get_mut(name) {
            entry.nameless_since.get_or_insert(now);
            entry.probe = Some((0, now));
        }
    }

    /// The directory holds exactly these names.
    pub(crate) fn listed(&mut self, now: Duration, names: &BTreeSet<String>) -> Listing {
        let missing: Vec<String> = self
            .records
            .keys()
            .chain(&self.dead)
            .chain(&self.ignored)
            .chain(self.temporary.keys())
            .filter(|name| !names.contains(*name))
            .cloned()
            .collect();
        for name in missing {
            self.deleted(now, &name);
        }
        for entry in self.records.values_mut() {
            entry.probe.get_or_insert((0, now));
        }
        let mut listing = Listing { unknown: self.unknown(names), ..Listing::default() };
        for name in names {
            if is_temporary(name) {
                self.temporary.entry(name.clone()).or_insert(now);
            } else if generation_of(name).is_none() && name != config::FOLDER && self.ignored.insert(name.clone()) {
                listing.foreign.push(name.clone());
            }
        }
        listing
    }

    /// Files that may be removed, if their lock can be taken: dead records, and old temporary files.
    pub(crate) fn litter(&self, now: Duration) -> Vec<String> {
        let old = self.temporary.iter().filter(|(_, since)| now.saturating_sub(**since) >= LITTER_AGE);
        self.dead.iter().chain(old.map(|(name, _)| name)).cloned().collect()
    }

    /// Of these names, the records that are to be read; at most as many as the directory may have.
    pub(crate) fn unknown(&self, names: &BTreeSet<String>) -> Vec<String> {
        let room = MAX_FILES.saturating_sub(self.records.len());
        names.iter().filter(|name| self.is_unknown(name)).take(room).cloned().collect()
    }

    /// Whether `name` is a record that has not been looked at.
    pub(crate) fn is_unknown(&self, name: &str) -> bool {
        generation_of(name).is_some()
            && !self.records.contains_key(name)
            && !self.dead.contains(name)
            && !self.ignored.contains(name)
    }

    /// Records to probe now.
    pub(crate) fn due(&self, now: Duration) -> Vec<String> {
        let due = |entry: &Entry| entry.due().is_some_and(|at| at <= now);
        self.records.iter().filter(|(_, entry)| due(entry)).map(|(name, _)| name.clone()).collect()
    }

    /// When the next probe is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.records.values().filter_map(Entry::due).min()
    }

    /// A record was probed. `Some`: it is dead, for this reason, and forgotten.
    pub(crate) fn probed(&mut self, now: Duration, name: &str, lock: Lock) -> Option<DownCause> {
        let entry = self.records.get_mut(name)?;
        entry.probe = entry.probe.and_then(|(stage, hint)| {
            // A probe that came late stands for all that were due before it.
            (stage + 1..PROBE_AFTER.len()).find(|next| hint + PROBE_AFTER[*next] > now).map(|next| (next, hint))
        });
        let nameless = entry.nameless_since;
        let cause = match (lock, nameless) {
            (Lock::Held, Some(since)) if now.saturating_sub(since) >= ORPHAN_KEPT => DownCause::Expired,
            (Lock::Held, _) => return None,
            (Lock::Free, None) => DownCause::Died,
            (Lock::Free, Some(_)) => DownCause::Withdrawn,
            (Lock::Gone, _) => DownCause::Unlisted,
        };
        self.records.remove(name);
        if nameless.is_none() {
            self.dead.insert(name.to_owned());
        }
        Some(cause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "stock.7.0123456789abcdef.1.json";
    const TEMP: &str = ".0123456789abcdef.0000000000000001.tmp";

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    fn quiet() -> Shelf {
        let mut shelf = Shelf::default();
        shelf.add(Duration::ZERO, NAME);
        while let Some(at) = shelf.next_due() {
            assert_eq!(shelf.probed(at, NAME, Lock::Held), None);
        }
        shelf
    }

    #[test]
    fn a_close_is_looked_at_now_and_again_up_to_20_ms() {
        let mut shelf = quiet();
        shelf.closed(ms(1000), NAME);
        for at in [1000, 1001, 1002, 1005, 1010, 1020] {
            assert_eq!(shelf.next_due(), Some(ms(at)));
            assert_eq!(shelf.due(ms(at)), [NAME]);
            assert_eq!(shelf.probed(ms(at), NAME, Lock::Held), None);
        }
        assert_eq!(shelf.next_due(), None, "the listing of each second looks again");
        shelf.listed(ms(2000), &names(&[NAME]));
        assert_eq!(shelf.due(ms(2000)), [NAME]);
    }

    #[test]
    fn a_late_probe_stands_for_those_before_it() {
        let mut shelf = quiet();
        shelf.closed(ms(1000), NAME);
        assert_eq!(shelf.probed(ms(1006), NAME, Lock::Held), None);
        assert_eq!(shelf.next_due(), Some(ms(1010)));
    }

    #[test]
    fn the_cause_follows_from_lock_and_name() {
        for (deleted, lock, cause) in [
            (false, Lock::Free, Some(DownCause::Died)),
            (true, Lock::Free, Some(DownCause::Withdrawn)),
            (true, Lock::Gone, Some(DownCause::Unlisted)),
            (true, Lock::Held, None),
            (false, Lock::Held, None),
        ] {
            let mut shelf = quiet();
            if deleted {
                shelf.deleted(ms(50), NAME);
            }
            assert_eq!(shelf.probed(ms(50), NAME, lock), cause, "{deleted} {lock:?}");
        }
    }

    #[test]
    fn a_living_record_without_a_name_stays_for_a_bounded_time() {
        let mut shelf = quiet();
        shelf.deleted(ms(0), NAME);
        shelf.listed(ms(299_000), &names(&[]));
        assert_eq!(shelf.probed(ms(299_000), NAME, Lock::Held), None);
        shelf.listed(ms(300_000), &names(&[]));
        assert_eq!(shelf.probed(ms(300_000), NAME, Lock::Held), Some(DownCause::Expired));
    }

    #[test]
    fn the_dead_are_litter_until_their_file_is_gone_and_never_read_again() {
        let mut shelf = quiet();
        shelf.closed(ms(10), NAME);
        assert_eq!(shelf.probed(ms(10), NAME, Lock::Free), Some(DownCause::Died));
        let listing = shelf.listed(ms(20), &names(&[NAME]));
        assert_eq!((shelf.litter(ms(20)), listing), (vec![NAME.to_owned()], Listing::default()));
        shelf.deleted(ms(30), NAME);
        assert_eq!(shelf.litter(ms(40)), Vec::<String>::new());
    }

    #[test]
    fn only_old_temporary_files_are_litter() {
        let mut shelf = Shelf::default();
        for (at, there, litter) in [
            (0, true, 0),
            (9_999, true, 0),
            (10_000, true, 1),
            (11_000, false, 0),
            (12_000, true, 0),
            (22_000, true, 1),
        ] {
            let names = if there { names(&[TEMP]) } else { names(&[]) };
            assert_eq!(shelf.listed(ms(at), &names), Listing::default());
            assert_eq!(shelf.litter(ms(at)).len(), litter, "{at}");
        }
    }

    #[test]
    fn foreign_files_are_told_of_once() {
        let mut shelf = Shelf::default();
        assert_eq!(shelf.listed(ms(0), &names(&["README"])).foreign, ["README"]);
        assert_eq!(shelf.listed(ms(1), &names(&["README"])), Listing::default());
        assert_eq!(shelf.listed(ms(2), &names(&[NAME])).unknown, [NAME]);
        shelf.ignore(NAME);
        assert_eq!(shelf.listed(ms(3), &names(&[NAME])), Listing::default());
        shelf.renew(NAME);
        assert!(shelf.is_unknown(NAME));
    }

    proptest! {
        #[test]
        fn no_living_record_is_ever_declared_dead_within_the_bound(
            steps in prop::collection::vec((0u8..4, 0u64..2_000), 1..60)
        ) {
            let mut shelf = quiet();
            let mut now = ms(0);
            for (step, wait) in steps {
                now += ms(wait);
                match step {
                    0 => shelf.closed(now, NAME),
                    1 => shelf.deleted(now, NAME),
                    2 => drop(shelf.listed(now, &names(&[NAME]))),
                    _ => drop(shelf.listed(now, &names(&[]))),
                }
                for name in shelf.due(now) {
                    prop_assert_eq!(shelf.probed(now, &name, Lock::Held), None);
                }
                prop_assert!(shelf.next_due().is_none_or(|at| at > now), "probes must not spin");
            }
        }
    }
}
