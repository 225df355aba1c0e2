//! A file system that is small, and can be filled. It is this machine's, so it needs root.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Scratch;

/// A file system of its own in a fresh directory; both are gone on drop.
#[derive(Debug)]
pub struct SmallDisk {
    place: Scratch,
}

impl SmallDisk {
    /// Makes one that holds so many KiB; `name` is for whoever looks at the file system meanwhile.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str, kib: u32) -> io::Result<SmallDisk> {
        let place = Scratch::new(name)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=0700"), name]).arg(place.path());
        run(mount)?;
        Ok(SmallDisk { place })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Fills it up to the last byte; answers how many that took.
    ///
    /// # Errors
    /// When the file that fills it cannot be written for another reason.
    pub fn fill(&self) -> io::Result<u64> {
        let mut file = File::create(self.filling())?;
        let mut count = 0;
        loop {
            match file.write(&[0; 512]) {
                Ok(written) => count += written as u64,
                Err(e) if e.kind() == ErrorKind::StorageFull => return Ok(count),
                Err(e) => return Err(e),
            }
        }
    }

    /// There is room again.
    ///
    /// # Errors
    /// When it was not full.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.filling())
    }

    fn filling(&self) -> PathBuf {
        self.place.join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: who has a file in it keeps it until the file is closed. A panic here would hide the test's.
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(self.path());
        let _ = run(umount);
    }
}

fn run(mut command: Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_and_has_room_again() {
        let disk = SmallDisk::new("small", 64).unwrap();
        let (file, path) = (disk.path().join("more"), disk.path().to_owned());
        assert!((32 * 1024..=64 * 1024).contains(&disk.fill().unwrap()));
        assert_eq!(fs::write(&file, "x").unwrap_err().kind(), ErrorKind::StorageFull);
        fs::remove_file(&file).unwrap();
        disk.free().unwrap();
        fs::write(&file, "x").unwrap();
        drop(disk);
        assert!(!path.exists());
    }
}
