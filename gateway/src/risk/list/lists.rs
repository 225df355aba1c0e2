//! The lists, and who is on them. Pure: the time is an argument.
//!
//! Ranges are found by their widths: for each width that some range has, the address is cut to it and looked up. So a list of
//! a hundred thousand ranges of three widths costs three looks.

use super::{Subject, Who};
use crate::ingress::Cidr;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    /// Who is on it is refused.
    Deny,
    /// Addresses on it are not refused by address, and nobody on it is scored.
    Allow,
    /// Rules are told of it.
    Gray,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::Deny, Self::Allow, Self::Gray];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Gray => "gray",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// What is said of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it is over, since the epoch; `None`: never.
    pub(crate) until: Option<Duration>,
    pub(crate) reason: Option<String>,
    /// Who wrote it, and when; `None`: the file says it.
    pub(crate) by: Option<(String, Duration)>,
}

/// Entries by list and subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    entries: HashMap<(Name, Subject), Entry>,
    /// How many ranges there are of each width.
    widths: BTreeMap<(Name, bool, u8), usize>,
}

impl Lists {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, list: Name, subject: &Subject) -> Option<&Entry> {
        self.entries.get(&(list, subject.clone()))
    }

    pub(crate) fn put(&mut self, list: Name, subject: Subject, entry: Entry) {
        let width = width(list, &subject);
        if self.entries.insert((list, subject), entry).is_none()
            && let Some(width) = width
        {
            *self.widths.entry(width).or_default() += 1;
        }
    }

    /// Takes an entry out; whether it was there.
    pub(crate) fn take(&mut self, list: Name, subject: &Subject) -> bool {
        let was = self.entries.remove(&(list, subject.clone())).is_some();
        if let Some(width) = width(list, subject).filter(|_| was) {
            let left = self.widths.entry(width).or_default();
            *left -= 1;
            if *left == 0 {
                self.widths.remove(&width);
            }
        }
        was
    }

    /// Takes out what is over.
    pub(crate) fn purge(&mut self, now: Duration) {
        let over = self.entries.iter().filter(|(_, entry)| !entry.counts(now)).map(|(key, _)| key.clone());
        for (list, subject) in over.collect::<Vec<_>>() {
            self.take(list, &subject);
        }
    }

    /// The entry that an address is on a list by: the narrowest range that holds it.
    pub(crate) fn net(&self, list: Name, who: &Who, now: Duration) -> Option<(Subject, &Entry)> {
        let ip = who.ip?;
        let is_v4 = ip.to_canonical().is_ipv4();
        let widths = self.widths.range((list, is_v4, 0)..=(list, is_v4, u8::MAX));
        widths.rev().find_map(|((.., bits), _)| {
            let subject = Subject::Net(Cidr::around(ip.to_canonical(), *bits));
            let entry = self.get(list, &subject).filter(|entry| entry.counts(now))?;
            Some((subject, entry))
        })
    }

    /// The entry that somebody is on a list by, by account, device or key.
    pub(crate) fn named(&self, list: Name, who: &Who, now: Duration) -> Option<(Subject, &Entry)> {
        if self.entries.is_empty() {
            return None;
        }
        let account = who.account.clone().map(Subject::Account);
        let device = who.device.clone().map(Subject::Device);
        let key = who.key.clone().map(Subject::Key);
        account.into_iter().chain(device).chain(key).find_map(|subject| {
            let entry = self.get(list, &subject).filter(|entry| entry.counts(now))?;
            Some((subject, entry))
        })
    }

    /// All of it, in order.
    pub(crate) fn all(&self) -> BTreeMap<(Name, &Subject), &Entry> {
        self.entries.iter().map(|((list, subject), entry)| ((*list, subject), entry)).collect()
    }
}

impl Entry {
    /// It is not over.
    pub(crate) fn counts(&self, now: Duration) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

fn width(list: Name, subject: &Subject) -> Option<(Name, bool, u8)> {
    let Subject::Net(range) = subject else { return None };
    let (is_v4, bits) = range.width();
    Some((list, is_v4, bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const NOW: Duration = Duration::from_secs(1000);

    fn entry(until: Option<u64>) -> Entry {
        Entry { until: until.map(Duration::from_secs), reason: None, by: None }
    }

    fn who(ip: &str) -> Who {
        Who { ip: ip.parse().ok(), ..Who::default() }
    }

    #[test]
    fn the_narrowest_range_that_is_not_over_counts() {
        let mut lists = Lists::default();
        for (range, until) in
            [("10.0.0.0/8", None), ("10.1.0.0/16", Some(2000)), ("10.1.1.1", Some(1000)), ("2001:db8::/32", None)]
        {
            lists.put(Name::Deny, Subject::parse("cidr", range).unwrap(), entry(until));
        }
        let found = |ip: &str, now| {
            lists.net(Name::Deny, &who(ip), now).map(|(subject, _)| subject.value()).unwrap_or_default()
        };
        for (ip, range) in [
            ("10.1.1.1", "10.1.0.0/16"),
            ("::ffff:10.1.1.1", "10.1.0.0/16"),
            ("10.2.0.1", "10.0.0.0/8"),
            ("11.0.0.1", ""),
            ("2001:db8::7", "2001:db8::/32"),
            ("2001:db9::7", ""),
        ] {
            assert_eq!(found(ip, NOW), range, "{ip}");
        }
        assert_eq!(found("10.1.1.1", NOW - Duration::from_secs(1)), "10.1.1.1");
        assert_eq!(found("10.1.1.1", NOW * 3), "10.0.0.0/8");
        assert!(lists.net(Name::Gray, &who("10.1.1.1"), NOW).is_none());
        lists.purge(NOW * 3);
        assert_eq!((lists.len(), lists.widths.len()), (2, 2));
    }

    #[test]
    fn names_are_of_their_kind() {
        let mut lists = Lists::default();
        lists.put(Name::Gray, Subject::Device("joe".into()), entry(None));
        let joe = |account: Option<&str>, device: Option<&str>| Who {
            account: account.map(str::to_owned),
            device: device.map(str::to_owned),
            ..Who::default()
        };
        assert!(lists.named(Name::Gray, &joe(Some("joe"), None), NOW).is_none());
        assert!(lists.named(Name::Gray, &joe(Some("ann"), Some("joe")), NOW).is_some());
        assert!(lists.take(Name::Gray, &Subject::Device("joe".into())));
        assert!(!lists.take(Name::Gray, &Subject::Device("joe".into())));
    }

    proptest! {
        /// As asking every range one after the other.
        #[test]
        fn who_is_held_is_found(
            ranges in proptest::collection::vec((any::<u32>(), 0u8..=32, any::<bool>()), 0..20),
            gone in 0usize..20,
            ips in proptest::collection::vec(any::<u32>(), 1..20),
        ) {
            let net = |address: u32, bits| Cidr::around(IpAddr::V4(Ipv4Addr::from(address)), bits);
            let mut lists = Lists::default();
            for (address, bits, over) in &ranges {
                lists.put(Name::Deny, Subject::Net(net(*address, *bits)), entry(over.then_some(5)));
            }
            let gone = ranges.get(gone).map(|(address, bits, _)| net(*address, *bits));
            if let Some(gone) = gone {
                lists.take(Name::Deny, &Subject::Net(gone));
            }
            // What was said last of a range counts.
            let last = |range: Cidr| ranges.iter().rev().find(|(address, bits, _)| net(*address, *bits) == range);
            for ip in ips.into_iter().chain(ranges.iter().map(|(address, ..)| *address)) {
                let ip = IpAddr::V4(Ipv4Addr::from(ip));
                let slow = ranges.iter().map(|(address, bits, _)| net(*address, *bits)).any(|range| {
                    range.holds(ip) && Some(range) != gone && last(range).is_some_and(|(.., over)| !over)
                });
                let who = Who { ip: Some(ip), ..Who::default() };
                prop_assert_eq!(lists.net(Name::Deny, &who, NOW).is_some(), slow);
            }
        }
    }
}
