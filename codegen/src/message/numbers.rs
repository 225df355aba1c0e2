//! Which number each field gets: its own, else the lock's, else the next one. Decides only; reads nothing.

use crate::lock::Locked;
use std::collections::HashMap;

/// One field, value or variant on its way to a number.
pub(crate) struct Item<'a> {
    /// Its name on the wire.
    pub(crate) name: &'a str,
    /// The number that the user wrote.
    pub(crate) explicit: Option<i64>,
}

/// What may be a number.
#[derive(Clone, Copy)]
pub(crate) enum Range {
    /// 1 to 2^29-1, without the ones that protobuf keeps.
    Fields,
    /// Any 32 bits, counted from 1.
    Values,
}

/// Something wrong with the item at `index`.
#[derive(Debug, PartialEq)]
pub(crate) struct Complaint {
    pub(crate) index: usize,
    pub(crate) text: String,
}

const MAX_FIELD: i64 = (1 << 29) - 1;
const KEPT: std::ops::RangeInclusive<i64> = 19_000..=19_999;

/// A number for each item, and what is wrong with them.
///
/// Without a lock, an item without a number follows the one before it, as discriminants do. With a lock, an item that it
/// does not name comes after every number that it has ever held, so that old bytes are never read as something new.
pub(crate) fn assign(items: &[Item<'_>], lock: Option<&Locked>, range: Range) -> (Vec<i64>, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let explicit = items.iter().filter_map(|item| item.explicit);
    let mut last = match lock {
        Some(lock) => explicit.chain(lock.highest()).max().unwrap_or(0).max(0),
        None => 0,
    };
    let numbers: Vec<i64> = items
        .iter()
        .map(|item| {
            if let Some(number) = item.explicit {
                // The default of an enum is 0 wherever it stands, and the count goes on.
                if lock.is_none() && number > 0 {
                    last = number;
                }
                return number;
            }
            if let Some(number) = lock.and_then(|lock| lock.number(item.name)) {
                return number;
            }
            last = next(last, range);
            last
        })
        .collect();
    for (index, (item, &number)) in items.iter().zip(&numbers).enumerate() {
        if let Some(text) = wrong(item, number, lock, range) {
            complaints.push(Complaint { index, text });
        }
    }
    twice(items, &numbers, &mut complaints);
    (numbers, complaints)
}

fn next(last: i64, range: Range) -> i64 {
    match range {
        Range::Fields if KEPT.contains(&(last + 1)) => KEPT.end() + 1,
        _ => last + 1,
    }
}

/// What is wrong with one number by itself.
fn wrong(item: &Item<'_>, number: i64, lock: Option<&Locked>, range: Range) -> Option<String> {
    if item.explicit.is_some()
        && let Some(lock) = lock
        && lock.is_reserved(number)
    {
        return Some(format!(
            "number {number} belonged to a field that was removed, and {} keeps it reserved: old data would be misread; \
             take another number",
            lock.file()
        ));
    }
    match range {
        Range::Fields if number < 1 => Some(format!("{number} is no field number: they begin at 1")),
        Range::Fields if number > MAX_FIELD => {
            Some(format!("{number} is too large for a field number: the largest is {MAX_FIELD}"))
        }
        Range::Fields if KEPT.contains(&number) => {
            Some(format!("{number} is no field number: protobuf keeps 19000 to 19999 for itself"))
        }
        Range::Values if i32::try_from(number).is_err() => Some(format!("{number} does not fit into 32 bits")),
        _ => None,
    }
}

/// Numbers that two items have.
fn twice(items: &[Item<'_>], numbers: &[i64], complaints: &mut Vec<Complaint>) {
    let mut owners: HashMap<i64, usize> = HashMap::new();
    for (index, &number) in numbers.iter().enumerate() {
        let Some(&first) = owners.get(&number) else {
            owners.insert(number, index);
            continue;
        };
        // Where only one of the two was written, that one is at fault.
        let (at, other) = if items[index].explicit.is_none() && items[first].explicit.is_some() {
            (first, index)
        } else {
            (index, first)
        };
        let text = format!("number {number} is taken: `{}` has it", items[other].name);
        complaints.push(Complaint { index: at, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items<'a>(list: &[(&'a str, Option<i64>)]) -> Vec<Item<'a>> {
        list.iter().map(|&(name, explicit)| Item { name, explicit }).collect()
    }

    fn assigned(list: &[(&str, Option<i64>)], lock: Option<&Locked>) -> Vec<i64> {
        let (numbers, complaints) = assign(&items(list), lock, Range::Fields);
        assert_eq!(complaints, [], "{list:?}");
        numbers
    }

    fn lock() -> Locked {
        Locked::for_tests(&[("a", 1), ("b", 4), ("gone", 6)], &[9..=9])
    }

    #[test]
    fn without_a_lock_numbers_follow_the_order() {
        assert_eq!(assigned(&[("a", None), ("b", None)], None), [1, 2]);
        assert_eq!(assigned(&[("a", Some(5)), ("b", None), ("c", Some(2)), ("d", None)], None), [5, 6, 2, 3]);
        assert_eq!(assigned(&[("a", Some(18_999)), ("b", None)], None), [18_999, 20_000]);
    }

    #[test]
    fn with_a_lock_numbers_are_kept_and_new_ones_come_last() {
        let lock = lock();
        assert_eq!(assigned(&[("new", None), ("a", None), ("b", None), ("newer", None)], Some(&lock)), [10, 1, 4, 11]);
        assert_eq!(assigned(&[("b", None)], Some(&lock)), [4]);
    }

    #[test]
    fn a_written_number_keeps_the_data_of_a_renamed_field() {
        assert_eq!(assigned(&[("renamed", Some(6)), ("new", None)], Some(&lock())), [6, 10]);
        assert_eq!(assigned(&[("far", Some(20)), ("new", None)], Some(&lock())), [20, 21]);
    }

    #[test]
    fn what_cannot_be_a_number_is_said() {
        let texts = |list: &[(&str, Option<i64>)], lock: Option<&Locked>| {
            assign(&items(list), lock, Range::Fields).1.into_iter().map(|c| (c.index, c.text)).collect::<Vec<_>>()
        };
        for number in [0, -1, 19_000, 19_999, 1 << 29] {
            assert_eq!(texts(&[("a", Some(number))], None).len(), 1, "{number}");
        }
        assert_eq!(texts(&[("a", None), ("b", Some(1))], None), [(1, "number 1 is taken: `a` has it".into())]);
        // `b` is 4 in the lock; whoever wrote 4 down is at fault.
        assert_eq!(texts(&[("x", Some(4)), ("b", None)], Some(&lock())), [(0, "number 4 is taken: `b` has it".into())]);
        assert!(texts(&[("x", Some(9))], Some(&lock()))[0].1.contains("reserved"));
    }
}
