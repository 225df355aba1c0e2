//! A file that is bounded: when it is full it becomes `.1`, that one `.2`, and the last goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file that is written to, and how many of what size there are.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    written: u64,
    max_size: u64,
    /// Besides the one that is written to.
    kept: u32,
}

impl Rotating {
    /// Goes on with what is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path, max_size: u64, max_files: u32) -> io::Result<Self> {
        let file = append(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, max_size, kept: max_files.saturating_sub(1) })
    }

    fn turn(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.kept).rev() {
            if numbered(number).exists() {
                fs::rename(numbered(number), numbered(number + 1))?;
            }
        }
        match self.kept {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, numbered(1))?,
        }
        self.file = append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for Rotating {
    /// Writes whole what it is given: a line is in one file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written > 0 && self.written + bytes.len() as u64 > self.max_size {
            self.turn()?;
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_of_such_a_size_are_kept() {
        let folder = std::env::temp_dir().join(format!("mainstay-rotate-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("decisions.json");
        let mut file = Rotating::open(&path, 10, 3).unwrap();
        (0..9).for_each(|n| file.write_all(format!("line{n}").as_bytes()).unwrap());
        drop(file);
        let mut file = Rotating::open(&path, 10, 3).unwrap();
        file.write_all(b"whole line").unwrap();
        file.write_all(b"a line that is longer than a file").unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(read("decisions.json"), "a line that is longer than a file");
        assert_eq!((read("decisions.json.1"), read("decisions.json.2")), ("whole line".into(), "line8".into()));
        assert_eq!(read("decisions.json.3"), "");
        fs::remove_dir_all(folder).unwrap();
    }
}
