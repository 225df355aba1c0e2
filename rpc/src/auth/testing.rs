//! Secrets at their places, for tests.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A file with a secret, which goes when this does.
pub(crate) struct Place(PathBuf);

impl Place {
    /// A file that holds `text`.
    pub(crate) fn of(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mainstay-secret-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    /// Where it is, as settings say it.
    pub(crate) fn said(&self) -> String {
        format!("file:{}", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
