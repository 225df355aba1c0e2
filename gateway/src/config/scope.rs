//! A value of the file, and where it stands: reading it notes what is wrong, and goes on. Pure.

use super::{
    keys::{Key, Kind, Section},
    problem::Problems,
};
use mainstay::yaml::Node;
use mainstay_registry::nearest;
use std::time::Duration;

/// A value at its place.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    node: &'a Node,
    key: &'a str,
    problems: &'a Problems,
}

/// A part of the file: its keys are those of a section.
pub(super) struct Fields<'a> {
    at: Scope<'a>,
    section: &'static Section,
    found: Vec<(&'a str, &'a Node)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(node: &'a Node, key: &'a str, problems: &'a Problems) -> Self {
        Self { node, key, problems }
    }

    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    pub(super) fn line(&self) -> usize {
        self.node.line()
    }

    /// Notes that something is wrong here.
    pub(super) fn wrong(&self, why: impl Into<String>) {
        self.problems.add(self.node.line(), self.key, why);
    }

    /// Reads the value; `None`, and a note, when it cannot be.
    pub(super) fn read<T>(&self, read: impl FnOnce(&'a Node) -> Result<T, String>) -> Option<T> {
        read(self.node).map_err(|why| self.wrong(why)).ok()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.read(|node| node.text().map_err(|error| error.why))
    }

    /// The value as a part of the file: what it should not hold is noted.
    pub(super) fn fields(&self, section: &'static Section) -> Fields<'a> {
        let mut found = Vec::new();
        for (name, line, node) in self.read(|node| node.pairs().map_err(|error| error.why)).into_iter().flatten() {
            if section.names().any(|known| known == name) {
                found.push((name, node));
                continue;
            }
            let meant = nearest(name, section.names());
            let all = || section.names().collect::<Vec<_>>().join(", ");
            let hint = meant.map_or_else(all, |meant| format!("did you mean `{meant}`?"));
            self.problems.add(line, self.key, format!("`{name}` is not known here: {hint}"));
        }
        Fields { at: *self, section, found }
    }

    /// Reads each value of a list.
    pub(super) fn list<T>(&self, mut read: impl FnMut(Scope<'_>) -> Option<T>) -> Vec<T> {
        let nodes = self.read(|node| node.list().map_err(|error| error.why)).unwrap_or_default();
        let one = |(at, node): (usize, &Node)| read(Scope { node, key: &format!("{}[{at}]", self.key), ..*self });
        nodes.iter().enumerate().filter_map(one).collect()
    }

    /// Reads each value of names and values.
    pub(super) fn named<T>(&self, mut read: impl FnMut(&str, Scope<'_>) -> Option<T>) -> Vec<(String, T)> {
        let pairs = self.read(|node| node.pairs().map_err(|error| error.why)).into_iter().flatten();
        let one = |(name, _, node): (&str, usize, &Node)| {
            let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
            read(name, Scope { node, key: &key, ..*self }).map(|value| (name.to_owned(), value))
        };
        pairs.filter_map(one).collect()
    }
}

impl<'a> Fields<'a> {
    /// Where the part begins.
    pub(super) fn at(&self) -> Scope<'a> {
        self.at
    }

    /// Reads the value of a key; `None` when it is not there.
    pub(super) fn get<T>(&self, name: &str, read: impl FnOnce(Scope<'_>) -> Option<T>) -> Option<T> {
        debug_assert!(self.section.names().any(|known| known == name), "{name} has no row");
        let (_, node) = self.found.iter().find(|(found, node)| *found == name && !node.is_null())?;
        let key = if self.at.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at.key) };
        read(Scope { node, key: &key, problems: self.at.problems })
    }

    /// The same of a key that must be there.
    pub(super) fn must<T>(&self, name: &str, read: impl FnOnce(Scope<'_>) -> Option<T>) -> Option<T> {
        if !self.has(name) {
            self.at.wrong(format!("`{name}` is missing"));
        }
        self.get(name, read)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, node)| *found == name && !node.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name, |at| at.text().map(str::to_owned))
    }

    /// Texts that become values.
    pub(super) fn each<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.get(name, |at| Some(at.list(|at| at.read(|node| read(node.text().map_err(|error| error.why)?)))))
            .unwrap_or_default()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.each(name, |text| Ok(text.to_owned()))
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        self.get(name, |at| at.read(|node| node.boolean().map_err(|error| error.why))).unwrap_or_default()
    }

    /// A whole number between two bounds.
    pub(super) fn number(&self, name: &str, least: u32, most: u32) -> Option<u32> {
        let number = |node: &Node| {
            let number = node.number().map_err(|error| error.why)?;
            let fits = (least..=most).contains(&number);
            fits.then_some(number).ok_or_else(|| format!("it should be a whole number from {least} to {most}"))
        };
        self.get(name, |at| at.read(number))
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name, |at| at.read(|node| duration(node.text().map_err(|error| error.why)?)))
    }

    /// How long something is true.
    pub(super) fn ttl(&self, name: &str) -> Option<Duration> {
        self.get(name, |at| at.read(|node| ttl(node.text().map_err(|error| error.why)?)))
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.get(name, |at| at.read(|node| size(node.text().map_err(|error| error.why)?)))
    }

    /// One of the words of a key.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        let known = self.section.keys.iter().find_map(|key| match key {
            Key(key, Kind::Word(words), _) if *key == name => Some(*words),
            _ => None,
        })?;
        let word = |node: &Node| {
            let text = node.text().map_err(|error| error.why)?;
            let found = known.iter().copied().find(|word| *word == text);
            found.ok_or_else(|| match nearest(text, known.iter().copied()) {
                Some(meant) => format!("`{text}` is not known here: did you mean `{meant}`?"),
                None => format!("it should be one of {}", known.join(", ")),
            })
        };
        self.get(name, |at| at.read(word))
    }
}

/// A time of at most a day: a whole number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let time = time(text).filter(|time| *time <= Duration::from_secs(24 * 3600));
    time.ok_or_else(|| "it should be a time of at most 24h with its unit, such as 250ms, 5s or 2m".to_owned())
}

/// How long something is true: a whole number and a unit, a year at most.
pub(crate) fn ttl(text: &str) -> Result<Duration, String> {
    let time = time(text).filter(|time| *time <= Duration::from_secs(366 * 24 * 3600));
    time.ok_or_else(|| "it should be a time of at most 366d with its unit, such as 90s, 12h or 30d".to_owned())
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let time = number.parse::<u64>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(24 * 3600).map(Duration::from_secs),
        _ => None,
    });
    time.filter(|time| !time.is_zero())
}

/// So many bytes: a whole number, and perhaps a unit.
fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let size = number.parse::<u64>().ok().and_then(|number| match unit {
        "" => Some(number),
        "KiB" => number.checked_mul(1024),
        "MiB" => number.checked_mul(1024 * 1024),
        _ => None,
    });
    let size = size.filter(|size| *size <= 1 << 40);
    size.ok_or_else(|| "it should be a size such as 512, 64KiB or 1MiB".to_owned())
}
