//! This process's own record: one file for all its leases.
//!
//! One file per process, so that one lock says whether the process lives. Each change writes a new file under a new
//! name and lets the old one go afterwards, so that readers see the old or the new offer and never none.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

use super::{
    disk,
    record::{RecordFile, record_name},
    shelf::Lock,
};
use crate::{
    controller::Seen,
    error::RegistryError,
    instance::{InstanceId, Registration, fresh},
};

/// What this process offers, and the file that says so.
#[derive(Debug)]
pub(super) struct Own {
    dir: Arc<Path>,
    token: u64,
    generation: u64,
    registrations: BTreeMap<InstanceId, Arc<Registration>>,
    standing: Option<(String, File)>,
}

impl Own {
    pub(super) fn new(dir: Arc<Path>) -> Self {
        Self { dir, token: fresh(), generation: 0, registrations: BTreeMap::new(), standing: None }
    }

    /// Whether `name` is the record as it should be there.
    pub(super) fn is_current(&self, name: &str) -> bool {
        self.standing.as_ref().is_some_and(|(current, _)| current == name)
    }

    /// Offers `wanted`, in the place of what had its id. Nothing is written if the file says so already.
    pub(super) fn offer(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
        let id = &wanted.instance.id;
        let said = self.registrations.get(id).is_some_and(|known| known == wanted);
        if said && self.seen(wanted)? == Seen::Same {
            return Ok(());
        }
        let mut next = self.registrations.clone();
        next.insert(id.clone(), wanted.clone());
        self.replace(next)
    }

    /// Offers the instance no longer.
    pub(super) fn retract(&mut self, id: &InstanceId) -> Result<(), RegistryError> {
        let mut next = self.registrations.clone();
        match next.remove(id) {
            Some(_) => self.replace(next),
            None => Ok(()),
        }
    }

    /// What others find about `wanted`: read from the directory by name, as they do.
    pub(super) fn seen(&self, wanted: &Registration) -> Result<Seen, RegistryError> {
        let Some((name, file)) = &self.standing else { return Ok(Seen::Absent) };
        let path = self.dir.join(name);
        let failed = |error| RegistryError::io("reading back", &path)(error);
        if !disk::is_at(file, &path).map_err(failed)? {
            return Ok(Seen::Absent);
        }
        let read = disk::open(&path).map_err(failed)?;
        if disk::probe(&read).map_err(failed)? != Lock::Held {
            return Ok(Seen::Absent);
        }
        let owner = rustix::process::geteuid().as_raw();
        let same = disk::read(&read, owner).is_ok_and(|record| record.registrations.contains(wanted));
        Ok(if same { Seen::Same } else { Seen::Different })
    }

    fn replace(&mut self, next: BTreeMap<InstanceId, Arc<Registration>>) -> Result<(), RegistryError> {
        let standing = match next.values().next() {
            None => None,
            Some(first) => {
                let bytes = RecordFile::encode(next.values())?;
                let application = &first.instance.application;
                let name = record_name(application, std::process::id(), self.token, self.generation + 1);
                let file = disk::publish(&self.dir, self.token, &name, &bytes)?;
                Some((name, file))
            }
        };
        self.generation += 1;
        self.registrations = next;
        if let Some((name, file)) = std::mem::replace(&mut self.standing, standing) {
            disk::retract(&self.dir, &name, file);
        }
        Ok(())
    }
}

impl Drop for Own {
    /// Says goodbye also when the runtime is torn down before the leases are.
    fn drop(&mut self) {
        if let Some((name, file)) = self.standing.take() {
            disk::retract(&self.dir, &name, file);
        }
    }
}
