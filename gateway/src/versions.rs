//! What is in force, and what was before: one change at a time, and the way back.

use crate::{
    config::Config,
    reload::ReloadError,
    risk::Risk,
    snapshot::{BadUpstream, Snapshot},
};
use arc_swap::ArcSwap;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Earlier versions that are kept.
const KEPT: usize = 10;

/// The versions of the file.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) current: Arc<ArcSwap<Snapshot>>,
    /// What risk control knows outlives all of them.
    risk: Risk,
    /// The oldest first. Its lock is that of a change.
    earlier: Mutex<VecDeque<(u64, Config)>>,
}

impl Versions {
    /// The first. Needs the tokio runtime.
    ///
    /// # Errors
    /// An upstream that cannot be.
    pub(crate) fn begin(config: Config, risk: Risk) -> Result<Self, BadUpstream> {
        let current = Arc::new(ArcSwap::from_pointee(Snapshot::new(config, None)?));
        Ok(Self { current, risk, earlier: Mutex::default() })
    }

    /// The version that is in force.
    pub(crate) fn version(&self) -> u64 {
        self.current.load().version
    }

    /// Those before it that can be put into force again, the oldest first.
    pub(crate) fn earlier(&self) -> Vec<u64> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(version, _)| *version).collect()
    }

    /// Puts a text into force, as the next version; answers which. The one that is in force already stays the same version.
    ///
    /// # Errors
    /// Why it cannot be; then what was in force stays so.
    pub(crate) fn put(&self, config: Config) -> Result<u64, ReloadError> {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(&mut earlier, config)
    }

    /// Puts what an earlier version said into force again, as the next version; answers which.
    ///
    /// # Errors
    /// It is not kept, or cannot be any more.
    pub(crate) fn roll_back(&self, to: u64) -> Result<u64, ReloadError> {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        let found = earlier.iter().find(|(version, _)| *version == to).map(|(_, config)| config.clone());
        self.change(&mut earlier, found.ok_or(ReloadError::NoVersion(to))?)
    }

    fn change(&self, earlier: &mut VecDeque<(u64, Config)>, config: Config) -> Result<u64, ReloadError> {
        let old = self.current.load_full();
        if old.config == config {
            return Ok(old.version);
        }
        if let Some(part) = old.config.fixed(&config) {
            return Err(ReloadError::Fixed(part));
        }
        let new = Snapshot::new(config, Some(&old))?;
        let version = new.version;
        self.risk.says(&new.config.risk);
        self.current.store(Arc::new(new));
        earlier.push_back((old.version, old.config.clone()));
        if earlier.len() > KEPT {
            earlier.pop_front();
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[String]) -> Config {
        let route = |name: &String| format!("- {{name: {name}, match: {{path: /{name}}}, respond: {{}}}}\n");
        let routes: String = names.iter().map(route).collect();
        format!("listeners: [{{address: '127.0.0.1:0'}}]\nroutes:\n{routes}").parse().unwrap()
    }

    #[tokio::test]
    async fn the_way_back_is_a_version_too_and_the_oldest_are_forgotten() {
        let first = config(&["r1".to_owned()]);
        let risk = Risk::open(&first.risk).unwrap();
        let versions = Versions::begin(first, risk).unwrap();
        let name = || versions.current.load().routes[0].config.name.clone();
        assert_eq!(versions.put(config(&["r1".to_owned()])).unwrap(), 1, "nothing has changed");
        for n in 2..=12u64 {
            assert_eq!(versions.put(config(&[format!("r{n}")])).unwrap(), n);
        }
        assert_eq!(versions.earlier(), (2..=11).collect::<Vec<_>>());
        assert!(matches!(versions.roll_back(1), Err(ReloadError::NoVersion(1))));
        assert_eq!((versions.roll_back(7).unwrap(), name(), versions.version()), (13, "r7".to_owned(), 13));
        assert_eq!((versions.roll_back(12).unwrap(), name()), (14, "r12".to_owned()));
        let other = "listeners: [{address: '127.0.0.2:0'}]\nroutes: []".parse().unwrap();
        assert!(matches!(versions.put(other), Err(ReloadError::Fixed("listeners"))));
    }
}
