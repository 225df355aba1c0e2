//! What operators change at run time beside a file that is left alone (`--keep-conf`).
//!
//! A copy of the file in the state directory takes the changes, as the file itself would otherwise, from the first one on.
//! While the file (and what it includes) is as it was, the copy holds at the next start: what an operator set stays set.
//! When somebody has edited the file, that is the later word: it holds, and the copy is put aside and told of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::runtime::{Conf, ConfCopy};
use crate::store::StoreError;

/// The copy's name in the state directory, and that of one that does not hold any more.
const COPY: &str = "sentinel.conf";
const OLD: &str = "sentinel.conf.old";
/// How a copy begins; the digest of its origin follows.
const HEAD: &str = "# Changed at run time. Holds as long as the file it was copied from has the digest ";

/// The copy, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    path: PathBuf,
    /// What a copy begins as.
    origin: Vec<u8>,
    /// The copy that is there: of this origin, or of another.
    found: Option<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Holds(Vec<u8>),
    Stale,
}

impl Kept {
    /// Looks for the copy of a file that holds `text`, with what it includes.
    pub(super) fn look(state: &Path, text: &[u8], included: &[Vec<u8>]) -> io::Result<Kept> {
        let path = state.join(COPY);
        let found = match fs::read(&path) {
            Ok(copy) => Some(copy),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        Ok(Kept::of(path, found, text, included))
    }

    fn of(path: PathBuf, found: Option<Vec<u8>>, text: &[u8], included: &[Vec<u8>]) -> Kept {
        let mut digest = Sha256::new();
        for part in std::iter::once(text).chain(included.iter().map(Vec::as_slice)) {
            // The lengths keep apart what one file ends and the next begins with.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let head = format!("{HEAD}{digest}.\n");
        let holds = |copy: Vec<u8>| if copy.starts_with(head.as_bytes()) { Found::Holds(copy) } else { Found::Stale };
        let found = found.map(holds);
        let origin = [head.as_bytes(), text].concat();
        Kept { path, origin, found }
    }

    /// The copy, if it holds.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match &self.found {
            Some(Found::Holds(copy)) => Some(copy),
            Some(Found::Stale) | None => None,
        }
    }

    /// Puts a copy aside that does not hold, and says where the changes go.
    pub(super) fn settle(self, conf: &Path) -> Result<Conf, StoreError> {
        if self.found == Some(Found::Stale) {
            let old = self.path.with_file_name(OLD);
            fs::rename(&self.path, &old).map_err(|e| StoreError::writing(&self.path, e))?;
            tracing::warn!(
                "{} was edited since it was changed at run time: the file holds, those changes do not; they are in {}",
                conf.display(),
                old.display()
            );
        }
        if self.found.as_ref().is_some_and(|found| *found != Found::Stale) {
            tracing::warn!("what was changed at run time holds, from {}", self.path.display());
        }
        Ok(Conf::Copy(ConfCopy { path: self.path, origin: self.origin }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"port 26379\n";

    fn kept(found: Option<&[u8]>, text: &[u8], included: &[Vec<u8>]) -> Kept {
        Kept::of("/s/sentinel.conf".into(), found.map(<[u8]>::to_vec), text, included)
    }

    #[test]
    fn a_copy_holds_as_long_as_its_origin_is_as_it_was() {
        let included = || vec![b"sentinel monitor m 127.0.0.1 1 1\n".to_vec()];
        let origin = kept(None, FILE, &included()).origin;
        assert!(origin.ends_with(FILE) && origin.starts_with(HEAD.as_bytes()));
        let copy = [origin.as_slice(), b"sentinel quorum m 3\n"].concat();
        assert_eq!(kept(Some(&copy), FILE, &included()).text(), Some(copy.as_slice()));
        let edited: [(&[u8], Vec<Vec<u8>>); 4] = [
            (b"port 26380\n", included()),
            (b"", included()),
            (FILE, Vec::new()),
            (FILE, vec![b"sentinel monitor m 127.0.0.1 1 2\n".to_vec()]),
        ];
        for (text, included) in edited {
            assert_eq!(kept(Some(&copy), text, &included).found, Some(Found::Stale), "{text:?}");
        }
        assert_eq!(kept(Some(b"port 1\n"), FILE, &[]).found, Some(Found::Stale), "it is no copy of ours");
    }
}
