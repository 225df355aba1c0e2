//! A directory of one's own that is gone afterwards.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A fresh directory under the system's temporary directory, removed with everything in it on drop.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one; `name` is for whoever looks at the file system meanwhile.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(name: &str) -> io::Result<Scratch> {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mainstay-{name}-{}-{n}", std::process::id()));
        fs::create_dir_all(&path)
            .map_err(|e| io::Error::new(e.kind(), format!("making the directory {}: {e}", path.display())))?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file inside it, with the directories that lead there.
    ///
    /// # Errors
    /// When the file or a directory cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory: it harms no one, and a panic here would hide the test's.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_apart_and_both_go() {
        let (a, b) = (Scratch::new("t").unwrap(), Scratch::new("t").unwrap());
        assert_ne!(a.path(), b.path());
        let file = a.write("deep/er/file", "x").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
        let (pa, pb) = (a.path().to_owned(), b.path().to_owned());
        drop((a, b));
        assert!(!pa.exists() && !pb.exists());
    }
}
