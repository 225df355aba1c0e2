//! What lies in the directory, for people: every record with its process, and what is no record and why.

use std::{fs, io};

use super::{
    FileRegistry, Shared, config, directory, disk,
    record::{MAX_FILES, generation_of, is_temporary, pid_of},
    shelf::Lock,
    watch::Watch,
};
use crate::{
    error::RegistryError,
    inspect::{Finding, Inspect, Inspection, Listing, Offer},
};

/// Where the kernel says how many inotify instances a user may have.
const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";

impl Inspect for FileRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        Box::pin(std::future::ready(list(&self.core.shared, interface)))
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        let shared = &self.core.shared;
        Box::pin(std::future::ready(vec![examine_directory(shared), examine_hints(shared), examine_records(shared)]))
    }
}

/// What is found under a name.
enum Found {
    Offers(Vec<Offer>),
    Skipped(String),
    Nothing,
}

fn list(shared: &Shared, interface: Option<&str>) -> Result<Listing, RegistryError> {
    let names = disk::list(&shared.dir).map_err(RegistryError::io("listing the directory", &*shared.dir))?;
    let (mut offers, mut skipped) = (Vec::new(), Vec::new());
    for name in names {
        match look(shared, &name) {
            Found::Offers(found) => {
                offers.extend(found.into_iter().filter(|offer| interface.is_none_or(|one| offer.key.interface == one)));
            }
            Found::Skipped(why) => skipped.push((name, why)),
            Found::Nothing => {}
        }
    }
    Ok(Listing::new(offers, skipped))
}

fn look(shared: &Shared, name: &str) -> Found {
    if is_temporary(name) || name == config::FOLDER {
        return Found::Nothing;
    }
    let Some(pid) = generation_of(name).and_then(|_| pid_of(name)) else {
        return Found::Skipped("it is no record of ours".to_owned());
    };
    let file = match disk::open(&shared.dir.join(name)) {
        Ok(file) => file,
        // It was let go of while the directory was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return Found::Skipped(error.to_string()),
    };
    match disk::probe(&file) {
        Ok(Lock::Held) => {}
        Ok(_) => return Found::Skipped(format!("its process {pid} has ended: nobody holds its lock")),
        Err(error) => return Found::Skipped(error.to_string()),
    }
    match disk::read(&file, shared.uid) {
        Err(why) => Found::Skipped(why),
        Ok(record) => {
            let registrations = record.registrations.into_iter();
            let offers = registrations.flat_map(|one| {
                let instance = one.instance;
                one.keys.into_iter().map(move |key| Offer::new(key, instance.clone()).by(format!("pid {pid}")))
            });
            Found::Offers(offers.collect())
        }
    }
}

fn examine_directory(shared: &Shared) -> Finding {
    let safe = directory::prepare(&shared.dir, shared.uid, shared.shared_parent);
    match safe.and_then(|()| directory::check_locks(&shared.dir)) {
        Ok(()) => Finding::fine("directory", format!("{} is ours alone, and locks exclude", shared.dir.display())),
        Err(error) => Finding::bad("directory", error.to_string()),
    }
}

fn examine_hints(shared: &Shared) -> Finding {
    let allowed = fs::read_to_string(INOTIFY).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    match Watch::new(&shared.dir).has_hints() {
        true => Finding::fine("hints", format!("inotify tells of changes ({allowed} watchers allowed per user)")),
        false => Finding::doubtful(
            "hints",
            format!(
                "no inotify to be had ({allowed} watchers allowed per user): the directory is listed every 50 ms \
                 instead; raise fs.inotify.max_user_instances"
            ),
        ),
    }
}

fn examine_records(shared: &Shared) -> Finding {
    let names = match disk::list(&shared.dir) {
        Ok(names) => names,
        Err(error) => return Finding::bad("records", format!("the directory cannot be listed: {error}")),
    };
    let records = names.iter().filter(|name| generation_of(name).is_some()).count();
    let text = format!("{records} records of at most {MAX_FILES}");
    if records * 10 >= MAX_FILES * 8 {
        return Finding::doubtful("records", format!("{text}: those beyond are not seen; use another registry"));
    }
    Finding::fine("records", text)
}
