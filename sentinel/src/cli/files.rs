//! Reading the files that a command line names, with which file it was when that fails.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use crate::conf::{Config, Problems, parse_with};

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(super) enum FileError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:\n{problems}", path.display())]
    Conf { path: PathBuf, problems: Problems },
}

/// What a file holds.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// What the text of a `sentinel.conf` says, and the texts that it includes, which are beside it.
pub(super) fn conf(path: &Path, text: &[u8]) -> Result<(Config, Vec<Vec<u8>>), FileError> {
    let beside = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut included = Vec::new();
    let include = |name: &str| {
        let text = fs::read(beside.join(name)).map_err(|e| e.to_string())?;
        included.push(text.clone());
        Ok(text)
    };
    let config = parse_with(text, include).map_err(|problems| FileError::Conf { path: path.to_owned(), problems })?;
    Ok((config, included))
}
