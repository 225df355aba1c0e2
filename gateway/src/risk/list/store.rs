//! The lists at work: those of the file and those of operators, each swapped whole; and those of operators on disk.
//!
//! A change is answered when it is on disk: what was acknowledged is there after a crash.

use super::{
    Subject, Who,
    lists::{Entry, Lists, Name},
    paper,
};
use arc_swap::ArcSwap;
use serde_json::Value;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// The name of the file.
const FILE: &str = "lists.json";

/// The lists.
#[derive(Debug)]
pub(crate) struct Store {
    file: ArcSwap<Lists>,
    written: ArcSwap<Lists>,
    /// Somebody is on one of them: asked of every request.
    any: AtomicBool,
    /// One change at a time. Where they are kept, if anywhere.
    place: Mutex<Option<PathBuf>>,
}

/// What an operator wants of a list.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put { ttl: Option<Duration>, reason: Option<String> },
    Delete,
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("there are {0} entries, and no more are kept")]
    Full(usize),
    #[error("the file of this gateway says it: it is taken out there")]
    OfTheFile,
    #[error("no operator wrote it")]
    Unknown,
    #[error("it cannot be written to disk: {0}")]
    Disk(#[from] io::Error),
}

impl Store {
    /// Those that lie in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// What lies there is none: a gateway that forgot whom it refuses would let them in.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, String> {
        let place = folder.map(|folder| folder.join(FILE));
        let mut written = Lists::default();
        if let (Some(folder), Some(place)) = (folder, &place) {
            let told = |error: io::Error| format!("{}: {error}", place.display());
            fs::create_dir_all(folder).map_err(told)?;
            match fs::read_to_string(place) {
                Ok(text) => written = paper::read(&text).map_err(|why| format!("{}: {why}", place.display()))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(told(error)),
            }
        }
        let any = AtomicBool::new(written.len() > 0);
        Ok(Self { file: ArcSwap::default(), written: ArcSwap::from_pointee(written), any, place: Mutex::new(place) })
    }

    /// What the file says now. An entry that it said before, and still says so, goes on where it was.
    pub(crate) fn says(&self, entries: &[(Name, Subject, Option<Duration>, Option<String>)], now: Duration) {
        let old = self.file.load();
        let mut new = Lists::default();
        for (list, subject, ttl, reason) in entries {
            let known = old.get(*list, subject).filter(|entry| entry.until.is_some() == ttl.is_some());
            let until = ttl.map(|ttl| known.and_then(|known| known.until).unwrap_or(now + ttl).min(now + ttl));
            new.put(*list, subject.clone(), Entry { until, reason: reason.clone(), by: None });
        }
        self.file.store(Arc::new(new));
        self.look();
    }

    /// Makes a change that an operator wants. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Why it is not made.
    pub(crate) fn change(
        &self,
        (list, subject): (Name, Subject),
        change: Change,
        by: &str,
        (now, most): (Duration, usize),
    ) -> Result<(), ListError> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Lists::clone(&self.written.load());
        new.purge(now);
        match change {
            Change::Put { ttl, reason } => {
                if new.get(list, &subject).is_none() && new.len() >= most {
                    return Err(ListError::Full(new.len()));
                }
                let until = ttl.map(|ttl| now + ttl);
                new.put(list, subject, Entry { until, reason, by: Some((by.to_owned(), now)) });
            }
            Change::Delete if new.take(list, &subject) => {}
            Change::Delete if self.file.load().get(list, &subject).is_some() => return Err(ListError::OfTheFile),
            Change::Delete => return Err(ListError::Unknown),
        }
        if let Some(place) = place.as_deref() {
            keep(place, &paper::write(&new))?;
        }
        self.written.store(Arc::new(new));
        self.look();
        Ok(())
    }

    fn look(&self) {
        self.any.store(self.file.load().len() + self.written.load().len() > 0, SeqCst);
    }

    /// Nobody is on any of them.
    pub(crate) fn are_empty(&self) -> bool {
        !self.any.load(SeqCst)
    }

    /// The entry that somebody is refused by. An address that is on the list of those that pass is not refused by address.
    pub(crate) fn denies(&self, who: &Who, now: Duration) -> Option<(Subject, Option<String>)> {
        let net = self.by_net(Name::Deny, who, now).filter(|_| self.by_net(Name::Allow, who, now).is_none());
        net.or_else(|| self.by_name(Name::Deny, who, now))
    }

    /// Whether somebody is on a list, by whatever is known.
    pub(crate) fn holds(&self, list: Name, who: &Who, now: Duration) -> bool {
        self.by_net(list, who, now).or_else(|| self.by_name(list, who, now)).is_some()
    }

    fn by_net(&self, list: Name, who: &Who, now: Duration) -> Option<(Subject, Option<String>)> {
        let found = |lists: &Lists| lists.net(list, who, now).map(|(subject, entry)| (subject, entry.reason.clone()));
        found(&self.file.load()).or_else(|| found(&self.written.load()))
    }

    fn by_name(&self, list: Name, who: &Who, now: Duration) -> Option<(Subject, Option<String>)> {
        let found = |lists: &Lists| lists.named(list, who, now).map(|(subject, entry)| (subject, entry.reason.clone()));
        found(&self.file.load()).or_else(|| found(&self.written.load()))
    }

    /// All entries, for people.
    pub(crate) fn page(&self, now: Duration) -> Value {
        paper::page(&self.file.load(), &self.written.load(), now)
    }
}

/// Puts a text in the place of what is there: whole, or not at all.
fn keep(place: &Path, text: &str) -> io::Result<()> {
    let beside = place.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, place)?;
    // The name is on disk when its folder is.
    place.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn ip(text: &str) -> (Subject, Who) {
        (Subject::parse("ip", text).unwrap(), Who { ip: text.parse().ok(), ..Who::default() })
    }

    fn put(seconds: u64) -> Change {
        Change::Put { ttl: Some(Duration::from_secs(seconds)), reason: None }
    }

    #[test]
    fn what_operators_write_is_kept_and_bounded() {
        let folder = std::env::temp_dir().join(format!("mainstay-lists-{}", std::process::id()));
        let store = Store::open(Some(&folder)).unwrap();
        let (subject, who) = ip("10.0.0.1");
        store.change((Name::Deny, subject.clone()), put(10), "ann", (NOW, 1)).unwrap();
        assert!(store.denies(&who, NOW).is_some() && store.denies(&who, NOW + Duration::from_secs(10)).is_none());
        let (other, _) = ip("10.0.0.2");
        let full = store.change((Name::Deny, other.clone()), put(10), "ann", (NOW, 1));
        assert!(matches!(full, Err(ListError::Full(1))));
        let later = NOW + Duration::from_secs(10);
        store.change((Name::Gray, other.clone()), put(10), "ann", (later, 1)).unwrap();
        drop(store);
        let store = Store::open(Some(&folder)).unwrap();
        assert!(store.holds(Name::Gray, &ip("10.0.0.2").1, later) && store.denies(&who, NOW).is_none());
        store.change((Name::Gray, other.clone()), Change::Delete, "ann", (later, 1)).unwrap();
        let gone = store.change((Name::Gray, other), Change::Delete, "ann", (later, 1));
        assert!(matches!(gone, Err(ListError::Unknown)));
        fs::write(folder.join(FILE), "nonsense").unwrap();
        assert!(Store::open(Some(&folder)).unwrap_err().contains(FILE));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_file_says_what_it_says_and_its_times_run_on() {
        let store = Store::open(None).unwrap();
        let (subject, who) = ip("10.0.0.1");
        let said = [(Name::Deny, subject.clone(), Some(Duration::from_secs(10)), None)];
        store.says(&said, NOW);
        let later = NOW + Duration::from_secs(8);
        store.says(&said, later);
        assert!(store.denies(&who, later).is_some() && store.denies(&who, NOW + Duration::from_secs(10)).is_none());
        let of_the_file = store.change((Name::Deny, subject), Change::Delete, "ann", (NOW, 9));
        assert!(matches!(of_the_file, Err(ListError::OfTheFile)));
        store.says(&[], NOW);
        assert!(store.denies(&who, NOW).is_none());
    }

    #[test]
    fn an_address_that_may_pass_is_refused_by_name_alone() {
        let store = Store::open(None).unwrap();
        let range = Subject::parse("cidr", "10.0.0.0/8").unwrap();
        let joe = Subject::Account("joe".into());
        let said = |list, subject: &Subject| (list, subject.clone(), None, None);
        let (one, who) = ip("10.0.0.1");
        store.says(&[said(Name::Deny, &range), said(Name::Deny, &joe), said(Name::Allow, &one)], NOW);
        assert!(store.denies(&who, NOW).is_none());
        assert!(store.denies(&ip("10.0.0.2").1, NOW).is_some());
        assert!(store.denies(&Who { account: Some("joe".into()), ..who }, NOW).is_some());
    }
}
