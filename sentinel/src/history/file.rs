//! The history's files: appending with a bound, and reading what is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::entry::Entry;

const NOW: &str = "history.jsonl";
const BEFORE: &str = "history.1.jsonl";
/// When a file is full: some thousand failovers.
const FULL: u64 = 4 * 1024 * 1024;

/// Why the history cannot be read.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct HistoryError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The file that is written.
#[derive(Debug)]
pub(super) struct Appender {
    dir: PathBuf,
    full: u64,
    open: Option<(File, u64)>,
}

impl Appender {
    /// Writes to the history of this directory.
    pub(super) fn new(dir: PathBuf) -> Appender {
        Appender { dir, full: FULL, open: None }
    }

    /// Appends lines. What fails is tried anew with the next ones.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        let (mut file, length) = match self.open.take() {
            Some(open) => open,
            None => open(&self.dir.join(NOW))?,
        };
        file.write_all(&text)?;
        let length = length + text.len() as u64;
        if length < self.full {
            self.open = Some((file, length));
            return Ok(());
        }
        fs::rename(self.dir.join(NOW), self.dir.join(BEFORE))
    }
}

/// Opens a file to append to it. A line that was torn is ended, so that the next is one of its own.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok((file, 0));
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok((file, length))
}

/// All that the history of this directory holds, oldest first. Lines that are none are passed over.
///
/// # Errors
/// When it cannot be read. One that was never begun is empty.
pub fn read(dir: &Path) -> Result<Vec<Entry>, HistoryError> {
    let mut entries = Vec::new();
    for name in [BEFORE, NOW] {
        let path = dir.join(name);
        let failed = |source| HistoryError { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(e)),
        };
        for line in BufReader::new(file).split(b'\n') {
            entries.extend(serde_json::from_slice::<Entry>(&line.map_err(failed)?).ok());
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::entry::What;
    use super::*;
    use crate::scratch::Dir;

    fn event(at: u64) -> Entry {
        let what = |code: &str, text: &str| What {
            at,
            code: code.to_owned(),
            master: Some("m".to_owned()),
            epoch: 3,
            reason: None,
            text: text.to_owned(),
        };
        Entry::Event(what("+sdown", "master m h 1"))
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let dir = Dir::new("history");
        assert_eq!(read(&dir.0).unwrap(), []);
        let mut appender = Appender::new(dir.0.clone());
        appender.append(&[event(1)]).unwrap();
        appender.append(&[event(2), event(3)]).unwrap();
        assert_eq!(read(&dir.0).unwrap(), [event(1), event(2), event(3)]);
        let text = fs::read_to_string(dir.0.join(NOW)).unwrap();
        let line = r#"{"kind":"event","at":1,"code":"+sdown","master":"m","epoch":3,"text":"master m h 1"}"#;
        assert_eq!(text.lines().next(), Some(line));
    }

    #[test]
    fn a_torn_last_line_costs_itself_only() {
        let dir = Dir::new("history");
        Appender::new(dir.0.clone()).append(&[event(1), event(2)]).unwrap();
        let path = dir.0.join(NOW);
        let whole = fs::read(&path).unwrap();
        for cut in 1..whole.len() / 2 {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let kept = if cut == 1 { vec![event(1), event(2)] } else { vec![event(1)] };
            assert_eq!(read(&dir.0).unwrap(), kept, "{cut}");
            Appender::new(dir.0.clone()).append(&[event(3)]).unwrap();
            assert_eq!(read(&dir.0).unwrap(), [kept, vec![event(3)]].concat(), "{cut}");
        }
    }

    #[test]
    fn a_full_file_makes_room_and_the_newest_stay() {
        let dir = Dir::new("history");
        let mut appender = Appender::new(dir.0.clone());
        appender.full = 400;
        (0..100).for_each(|n| appender.append(&[event(n)]).unwrap());
        let kept = read(&dir.0).unwrap();
        assert_eq!(kept.last(), Some(&event(99)));
        assert!((4..=10).contains(&kept.len()), "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[0].at() + 1 == pair[1].at()));
        assert!(fs::metadata(dir.0.join(BEFORE)).unwrap().len() < 600);
    }

    #[test]
    fn a_disk_that_refuses_is_told_and_tried_again() {
        let dir = Dir::new("history");
        let mut appender = Appender::new(dir.0.join("missing"));
        assert!(appender.append(&[event(1)]).is_err());
        fs::create_dir(dir.0.join("missing")).unwrap();
        appender.append(&[event(2)]).unwrap();
        assert_eq!(read(&dir.0.join("missing")).unwrap(), [event(2)]);
    }
}
