//! The command line. Pure.
//!
//! Called with a file it is `redis-sentinel`: further words are directives, `--name value …`, that are read after the file.
//! Words that begin with our own options come before the file.

use std::path::PathBuf;

use thiserror::Error;

pub(super) const USAGE: &str = "\
Usage: mainstay-sentinel [run|check] [OPTIONS] /path/to/sentinel.conf [--DIRECTIVE VALUE...]

  run      monitors the masters of the file (the default)
  check    reads the file and says everything that is wrong with it

Options, before the file:
  --state DIR    where votes and epochs are kept; default: $STATE_DIRECTORY, else the file's path + `.state`
  --keep-conf    leave the file alone: what is learnt stays in the state directory
  -v, --version  print the version
  -h, --help     print this help

Directives after the file are those of the file, as with redis-sentinel: --port 26380 --loglevel verbose
";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Run,
    Check,
    Help,
    Version,
}

/// The command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) command: Command,
    pub(super) conf: PathBuf,
    pub(super) state: Option<PathBuf>,
    pub(super) keep_conf: bool,
    /// The words after the file.
    pub(super) directives: Vec<String>,
}

/// Why it cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ArgsError {
    #[error("a sentinel needs its file on disk: name it")]
    NoFile,
    #[error("`{0}` needs a value")]
    NoValue(&'static str),
    #[error("`{0}` before the file is no option of this program; directives come after the file")]
    Unknown(String),
}

impl Args {
    /// Reads the words after the program's name.
    pub(super) fn parse(words: impl Iterator<Item = String>) -> Result<Args, ArgsError> {
        let mut words = words.peekable();
        let (conf, state, directives) = (PathBuf::new(), None, Vec::new());
        let mut args = Args { command: Command::Run, conf, state, keep_conf: false, directives };
        match words.peek().map(String::as_str) {
            Some("run") => drop(words.next()),
            Some("check") => {
                args.command = Command::Check;
                words.next();
            }
            _ => {}
        }
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => args.command = Command::Help,
                "-v" | "--version" => args.command = Command::Version,
                // What redis-server needs to be told.
                "--sentinel" => continue,
                "--keep-conf" => args.keep_conf = true,
                "--state" => args.state = Some(words.next().ok_or(ArgsError::NoValue("--state"))?.into()),
                other if other.starts_with('-') => return Err(ArgsError::Unknown(word)),
                _ => {
                    args.conf = word.into();
                    args.directives = words.filter(|w| w != "--sentinel").collect();
                    return Ok(args);
                }
            }
            if matches!(args.command, Command::Help | Command::Version) {
                return Ok(args);
            }
        }
        Err(ArgsError::NoFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, ArgsError> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_file_is_enough_and_directives_follow_it() {
        let args = parse("/etc/s.conf --port 26380 --sentinel --loglevel verbose").unwrap();
        assert_eq!((args.command, args.conf), (Command::Run, "/etc/s.conf".into()));
        assert_eq!(args.directives, ["--port", "26380", "--loglevel", "verbose"]);
        assert_eq!(parse("--sentinel s.conf").unwrap().conf, PathBuf::from("s.conf"));
    }

    #[test]
    fn our_options_come_before_the_file() {
        let args = parse("check --state /var/s --keep-conf s.conf").unwrap();
        assert_eq!((args.command, args.state, args.keep_conf), (Command::Check, Some("/var/s".into()), true));
        assert_eq!(parse("run -h").unwrap().command, Command::Help);
        assert_eq!(parse("-v").unwrap().command, Command::Version);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse(""), Err(ArgsError::NoFile));
        assert_eq!(parse("run"), Err(ArgsError::NoFile));
        assert_eq!(parse("--state"), Err(ArgsError::NoValue("--state")));
        assert_eq!(parse("--prot 1 s.conf"), Err(ArgsError::Unknown("--prot".into())));
    }
}
