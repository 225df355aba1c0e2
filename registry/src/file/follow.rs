//! The shell that follows the directory: one task per handle, which does what `shelf.rs` decides and tells the feeds.
//!
//! All file operations here are short system calls on a local directory, none of which waits for another process, so
//! they run in the task itself: a thread hop would cost more than most of them and delay the news of a death.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    Shared, directory, disk,
    record::generation_of,
    shelf::{Lock, Shelf},
    watch::{Hint, Watch},
};
use crate::{instance::InstanceId, key::ServiceKey, port::DownCause};

/// Most records that are kept open. Those beyond are opened for each probe; of such a one nobody can tell, once its name
/// is gone, whether its process lives.
const MAX_OPEN: usize = 256;

/// The task's state.
#[derive(Debug)]
pub(super) struct Follower {
    shared: Arc<Shared>,
    shelf: Shelf,
    open: BTreeMap<String, File>,
    watch: Watch,
    start: Instant,
    list_at: Duration,
    touched: BTreeSet<ServiceKey>,
    causes: BTreeMap<InstanceId, DownCause>,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            shelf: Shelf::default(),
            open: BTreeMap::new(),
            watch: Watch::default(),
            start: Instant::now(),
            list_at: Duration::ZERO,
            touched: BTreeSet::new(),
            causes: BTreeMap::new(),
        }
    }

    /// Follows for ever; the handle's end aborts the task.
    pub(super) async fn run(mut self) {
        self.watch = Watch::new(&self.shared.dir);
        loop {
            if self.start.elapsed() >= self.list_at {
                self.list();
            }
            self.probe();
            self.publish();
            let next = self.shelf.next_due().map_or(self.list_at, |due| due.min(self.list_at));
            tokio::select! {
                hints = self.watch.hints() => hints.into_iter().for_each(|hint| self.heed(hint)),
                () = sleep_until(self.start + next) => {}
            }
        }
    }

    fn heed(&mut self, hint: Hint) {
        let now = self.start.elapsed();
        match hint {
            Hint::Appeared(name) if generation_of(&name).is_some() => self.appeared(&name),
            Hint::Appeared(_) => {}
            Hint::Closed(name) => {
                self.shelf.closed(now, &name);
                self.shared.disturbed(|own| own.is_current(&name));
            }
            Hint::Deleted(name) => {
                self.shelf.deleted(now, &name);
                self.shared.disturbed(|own| own.is_current(&name));
            }
            Hint::Lost => self.list_at = now,
            Hint::DirectoryGone => {
                self.list_at = now;
                self.shared.disturbed(|_| true);
            }
        }
    }

    /// There is a file of this name, or was: hints come late. One that was read meanwhile stays as it is known, and so does
    /// one that is gone again, until the hint of its end is here; forgotten now, it would never be seen to end.
    fn appeared(&mut self, name: &str) {
        let path = self.shared.dir.join(name);
        let opened = disk::open(&path);
        let gone = opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let known = self.open.get(name).is_some_and(|file| disk::is_at(file, &path).unwrap_or(false));
        if !gone && !known {
            self.shelf.renew(name);
            self.take_in(name, opened);
        }
    }

    /// Looks at the whole directory, which is made again if it is gone.
    fn list(&mut self) {
        let now = self.start.elapsed();
        self.list_at = now + self.watch.interval();
        let listed = self.shared.prepare().map_err(|error| error.to_string()).and_then(|()| {
            if self.watch.follow(&self.shared.dir) {
                self.shared.disturbed(|_| true);
            }
            disk::list(&self.shared.dir).map_err(|error| format!("listing the directory: {error}"))
        });
        match listed {
            Ok(names) => {
                self.take_stock(now, &names);
                self.shared.well();
            }
            // What is known stays: that the directory cannot be read says nothing about the providers.
            Err(why) => self.shared.unwell(why),
        }
    }

    fn take_stock(&mut self, now: Duration, names: &BTreeSet<String>) {
        let listing = self.shelf.listed(now, names);
        for name in listing.unknown {
            self.read(&name);
        }
        for name in self.shelf.litter(now) {
            match disk::sweep(&self.shared.dir.join(&name)) {
                Ok(true) => self.shelf.deleted(now, &name),
                Ok(false) => {}
                Err(error) => tracing::debug!(name, %error, "cannot sweep"),
            }
        }
        for name in listing.foreign {
            tracing::warn!(dir = %self.shared.dir.display(), name, "a file that is no record of ours is ignored");
        }
    }

    /// Reads a new record, if its process lives.
    fn read(&mut self, name: &str) {
        self.take_in(name, disk::open(&self.shared.dir.join(name)));
    }

    fn take_in(&mut self, name: &str, opened: io::Result<File>) {
        let now = self.start.elapsed();
        let file = match opened.and_then(|file| Ok((disk::probe(&file)?, file))) {
            Ok((Lock::Held, file)) => file,
            Ok(_) => return self.shelf.bury(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.ignore(name, &error.to_string()),
        };
        let record = match disk::read(&file, self.shared.uid) {
            Ok(record) => record,
            Err(why) => return self.ignore(name, &why),
        };
        self.shelf.add(now, name);
        if self.open.len() < MAX_OPEN {
            self.open.insert(name.to_owned(), file);
        }
        let generation = generation_of(name).unwrap_or_default();
        let registrations = record.registrations.into_iter().map(Arc::new).collect();
        let touched = self.shared.view().catalog.put(&name.to_owned(), generation, registrations);
        self.touched.extend(touched);
    }

    fn ignore(&mut self, name: &str, why: &str) {
        tracing::warn!(dir = %self.shared.dir.display(), name, why, "a record that cannot be read is ignored");
        self.shelf.ignore(name);
    }

    /// Looks at the locks that are due.
    fn probe(&mut self) {
        let mut dead = Vec::new();
        for name in self.shelf.due(self.start.elapsed()) {
            let lock = self.look(&name);
            if lock == Lock::Free && self.is_nameless(&name) {
                self.shelf.deleted(self.start.elapsed(), &name);
            }
            if let Some(cause) = self.shelf.probed(self.start.elapsed(), &name, lock) {
                dead.push((name, cause));
            }
        }
        if dead.is_empty() {
            return;
        }
        // Whoever replaces a record names the new one before the old one is let go of. So it is here by now, if there
        // is one: it is read before anybody is told that the old one is gone.
        if let Ok(names) = disk::list(&self.shared.dir) {
            for name in self.shelf.unknown(&names) {
                self.read(&name);
            }
        }
        let mut view = self.shared.view();
        for (name, cause) in dead {
            let gone = view.catalog.registrations(&name).iter().map(|record| (record.instance.id.clone(), cause));
            self.causes.extend(gone);
            self.touched.extend(view.catalog.remove(&name));
            self.open.remove(&name);
        }
    }

    fn look(&self, name: &str) -> Lock {
        let lock = match self.open.get(name) {
            Some(file) => disk::probe(file),
            None => disk::open(&self.shared.dir.join(name)).and_then(|file| disk::probe(&file)),
        };
        match lock {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lock::Gone,
            // A probe that fails (no file handles left, say) says nothing about the provider.
            Err(error) => {
                tracing::debug!(name, %error, "cannot probe");
                Lock::Held
            }
        }
    }

    /// Whether the file that was read under this name is there no longer; the hint may still be on its way.
    fn is_nameless(&self, name: &str) -> bool {
        let path = self.shared.dir.join(name);
        self.open.get(name).is_some_and(|file| disk::is_at(file, &path).is_ok_and(|there| !there))
    }

    fn publish(&mut self) {
        let (touched, causes) = (std::mem::take(&mut self.touched), std::mem::take(&mut self.causes));
        if !touched.is_empty() {
            self.shared.view().publish(&touched, &causes);
        }
    }
}

impl Shared {
    /// Makes and checks the directory, as at the start: it may be another one by now.
    fn prepare(&self) -> Result<(), crate::RegistryError> {
        directory::prepare(&self.dir, self.uid, self.shared_parent)
    }

    fn well(&self) {
        let mut view = self.view();
        if view.unwell.take().is_some() {
            tracing::info!(dir = %self.dir.display(), "the registry directory can be read again");
        }
        view.first_listing();
    }

    fn unwell(&self, why: String) {
        let mut view = self.view();
        if view.unwell.as_ref() != Some(&why) {
            tracing::warn!(dir = %self.dir.display(), why, "the registry directory cannot be read: what is known stays");
            view.unwell = Some(why);
        }
        view.first_listing();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileRegistry, Lookup, Registration, Role, file::own::Own, instance::fresh};

    #[test]
    fn a_late_hint_of_a_record_that_was_replaced_keeps_nothing_of_it() {
        let dir = std::env::temp_dir().join(format!("mainstay-follow-{:016x}", fresh()));
        let registry = FileRegistry::open(&dir).unwrap();
        let mut follower = Follower::new(registry.core.shared.clone());
        let mut own = Own::new(dir.as_path().into());
        let server = |host| Arc::new(Registration::of_backend("m", host, 1, Role::Primary, 1));
        let (a, b) = (server("a"), server("b"));
        own.offer(&a).unwrap();
        follower.list();
        let first = disk::list(&dir).unwrap().pop_first().unwrap();
        own.offer(&b).unwrap();
        own.retract(&a.instance.id).unwrap();
        let last = disk::list(&dir).unwrap().pop_first().unwrap();
        // Listed before its hint came, and gone before.
        for hint in
            [Hint::Appeared(first.clone()), Hint::Closed(first.clone()), Hint::Deleted(first), Hint::Appeared(last)]
        {
            follower.heed(hint);
        }
        follower.probe();
        let found = registry.core.shared.view().catalog.find(&Lookup::new(a.keys[0].clone()));
        assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&b.instance.id]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
