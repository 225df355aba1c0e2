//! The command line. Pure.
//!
//! Called with a file it is `redis-sentinel`: further words are directives, `--name value …`, that are read after the file.
//! Words that begin with our own options come before the file. A file that has the name of a command is given as a path,
//! `./status`; and a word that no file has for a name, without a dot or a slash in it, was meant to be a command.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::history::Wanted;
use super::operator::{Order, VERBS};
use crate::conf::{LogFormat, hint};

pub(super) const USAGE: &str = "\
Usage: mainstay-sentinel [run|check] [OPTIONS] /path/to/sentinel.conf [--DIRECTIVE VALUE...]
       mainstay-sentinel COMMAND [OPTIONS] [NAME]

  run      monitors the masters of the file (the default)
  check    reads the file, says everything that is wrong with it, and what could be better

Options of these two, before the file:
  --state DIR    where votes and epochs are kept; default: $STATE_DIRECTORY, else the file's path + `.state`
  --keep-conf    leave the file alone: what is learnt, and what SENTINEL SET and the like change, stays in the state
                 directory; when the file is edited, it holds again
  --log-format text|json
  --json         of check: one line for programs
  -v, --version  print the version
  -h, --help     print this help

Directives after the file are those of the file, as with redis-sentinel: --port 26380 --loglevel verbose

Commands that talk to a running sentinel, and to its peers:
  status [NAME]              what each sentinel sees, and whether they agree
  topology [NAME]            the master with its replicas and sentinels
  why-not NAME               the first condition that keeps a replica from being promoted, and what would change it
  switchover NAME [--to HOST:PORT] [--wait]
                             another master, without loss or not at all
  failover NAME [--wait]     another master at any price: writes that no replica has yet are lost
  drill NAME [--switchover | --kill-with COMMAND] [--yes]
                             looks at all that a failover needs; with `--yes` does one under a writer, measures gap and
                             loss and writes a report: --report PATH, --confirm REPLICAS (WAIT), --every MS,
                             --redis-user USER, --redis-pass PASSWORD, --redis-pass-file FILE for the data servers
  pause NAME [--by WHO]      all sentinels only observe, and tell what they would have done, also over a restart
  resume NAME                ends that
  history [NAME] (--state DIR | --conf FILE) [--events] [--last N]
                             what happened, from the disk of a sentinel on this machine
  ckquorum NAME              whether quorum and majority can be reached
  set NAME OPTION VALUE...   changes settings; `--all`: at every sentinel
  reset PATTERN              forgets replicas and sentinels; `--all`: at every sentinel

Their options:
  --at HOST:PORT   the sentinel; default 127.0.0.1:26379
  --conf FILE      its sentinel.conf, for address, password and TLS
  --user USER, --pass PASSWORD, --pass-file FILE
  --tls, --cacert FILE, --cert FILE, --key FILE
  --timeout MS     for a connection or a reply; default 2000
  --within MS      how long `--wait` waits; default 60000
  --json           one line for programs

They end with 0 if all is well, 1 if the answer is no or something failed, 2 if they cannot be understood or cannot reach the
sentinel.
";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Run(Args),
    Check(Args),
    /// Something at a running sentinel.
    Order(Box<Order>),
    /// What happened.
    History(Wanted),
    Help,
    Version,
}

/// A file and how it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) conf: PathBuf,
    pub(super) state: Option<PathBuf>,
    pub(super) keep_conf: bool,
    pub(super) log_format: Option<LogFormat>,
    /// `check` answers with one line for programs.
    pub(super) json: bool,
    /// The words after the file.
    pub(super) directives: Vec<String>,
}

/// Why the command line cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ArgsError {
    #[error("`{word}` is neither a command nor a file here{hint}")]
    NoCommand { word: String, hint: String },
    #[error("a sentinel needs its file on disk: name it")]
    NoFile,
    #[error("`{0}` needs a value")]
    NoValue(&'static str),
    #[error("`{0}` before the file is no option of this program; directives come after the file")]
    Unknown(String),
    #[error("`{0}` is no option of this command")]
    UnknownOption(String),
    #[error("`{0}` is one word too much")]
    TooMuch(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("`{option} {value}`: {expected} expected")]
    Invalid { option: &'static str, value: String, expected: &'static str },
}

/// A mistake, and whether it was made in a command for a running sentinel, which has an exit code of its own for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) error: ArgsError,
    pub(super) in_order: bool,
}

impl Command {
    /// Reads the words after the program's name. `is_file` is asked where a word may be a command or a file.
    pub(super) fn parse(
        words: impl Iterator<Item = String>,
        is_file: impl Fn(&Path) -> bool,
    ) -> Result<Command, Mistake> {
        let mut words: Vec<String> = words.collect();
        let first = words.first().map_or("", String::as_str);
        if let Some(verb) = VERBS.iter().find(|verb| verb.name == first) {
            words.remove(0);
            if words.iter().any(|w| w == "-h" || w == "--help") {
                return Ok(Command::Help);
            }
            let order = Order::parse(verb, words).map_err(|error| Mistake { error, in_order: true })?;
            return Ok(Command::Order(Box::new(order)));
        }
        if first == "history" {
            words.remove(0);
            let wanted = Wanted::parse(words).map_err(|error| Mistake { error, in_order: true })?;
            return Ok(Command::History(wanted));
        }
        let make = match first {
            "check" => Command::Check,
            _ => Command::Run,
        };
        if matches!(first, "run" | "check") {
            words.remove(0);
        } else if !first.is_empty()
            && !first.starts_with('-')
            && !first.contains(['.', '/'])
            && !is_file(first.as_ref())
        {
            let hint = hint(first, VERBS.iter().map(|verb| verb.name).chain(["run", "check", "history"]));
            return Err(Mistake { error: ArgsError::NoCommand { word: first.to_owned(), hint }, in_order: true });
        }
        file(words.into_iter(), make).map_err(|error| Mistake { error, in_order: false })
    }
}

/// Options, a file, and directives.
fn file(mut words: impl Iterator<Item = String>, make: fn(Args) -> Command) -> Result<Command, ArgsError> {
    let mut args = Args::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "-v" | "--version" => return Ok(Command::Version),
            // What redis-server needs to be told.
            "--sentinel" => {}
            "--keep-conf" => args.keep_conf = true,
            "--json" => args.json = true,
            "--log-format" => args.log_format = Some(log_format(words.next())?),
            "--state" => args.state = Some(words.next().ok_or(ArgsError::NoValue("--state"))?.into()),
            other if other.starts_with('-') => return Err(ArgsError::Unknown(word)),
            _ => {
                args.conf = word.into();
                args.directives = words.filter(|w| w != "--sentinel").collect();
                return Ok(make(args));
            }
        }
    }
    Err(ArgsError::NoFile)
}

fn log_format(value: Option<String>) -> Result<LogFormat, ArgsError> {
    let (option, expected) = ("--log-format", "text or json");
    let value = value.ok_or(ArgsError::NoValue(option))?;
    LogFormat::of(&value).ok_or(ArgsError::Invalid { option, value, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a directory that has a file `sentinel`.
    fn parsed(line: &str) -> Result<Command, Mistake> {
        Command::parse(line.split_whitespace().map(str::to_owned), |path| path == Path::new("sentinel"))
    }

    fn parse(line: &str) -> Result<Command, ArgsError> {
        parsed(line).map_err(|mistake| mistake.error)
    }

    fn args(line: &str) -> Args {
        match parse(line) {
            Ok(Command::Run(args) | Command::Check(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_enough_and_directives_follow_it() {
        assert!(matches!(parse("/etc/s.conf"), Ok(Command::Run(_))));
        let args_ = args("/etc/s.conf --port 26380 --sentinel --loglevel verbose");
        assert_eq!(args_.conf, PathBuf::from("/etc/s.conf"));
        assert_eq!(args_.directives, ["--port", "26380", "--loglevel", "verbose"]);
        assert_eq!(args("--sentinel s.conf").conf, PathBuf::from("s.conf"));
        assert_eq!(args("./status").conf, PathBuf::from("./status"));
    }

    #[test]
    fn our_options_come_before_the_file() {
        let Ok(Command::Check(args)) = parse("check --state /var/s --keep-conf s.conf") else { panic!() };
        assert_eq!((args.state, args.keep_conf), (Some("/var/s".into()), true));
        let Ok(Command::Check(args)) = parse("check --log-format json --json s.conf") else { panic!() };
        assert_eq!((args.log_format, args.json), (Some(LogFormat::Json), true));
        assert!(matches!(parse("--log-format yaml s.conf"), Err(ArgsError::Invalid { .. })));
        assert_eq!(parse("run -h"), Ok(Command::Help));
        assert_eq!(parse("status --help"), Ok(Command::Help));
        assert_eq!(parse("-v"), Ok(Command::Version));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse(""), Err(ArgsError::NoFile));
        assert_eq!(parse("run"), Err(ArgsError::NoFile));
        assert_eq!(parse("--state"), Err(ArgsError::NoValue("--state")));
        assert_eq!(parse("--prot 1 s.conf"), Err(ArgsError::Unknown("--prot".into())));
        let mistake = |line: &str| parsed(line).unwrap_err().in_order;
        assert!(mistake("status --jsn") && !mistake("--prot"));
    }

    #[test]
    fn a_command_that_was_mistyped_is_not_taken_for_a_file() {
        let said = |line: &str| parse(line).unwrap_err().to_string();
        assert_eq!(said("stauts"), "`stauts` is neither a command nor a file here; did you mean `status`?");
        assert_eq!(said("chekc s.conf"), "`chekc` is neither a command nor a file here; did you mean `check`?");
        assert_eq!(said("hello m --json"), "`hello` is neither a command nor a file here");
        assert_eq!(args("sentinel --port 1").conf, PathBuf::from("sentinel"));
        // Whether these are there shows when they are read.
        for word in ["sentinel.conf", "./stauts", "/etc/stauts"] {
            assert_eq!(args(word).conf, PathBuf::from(word));
        }
        assert_eq!(args("run stauts").conf, PathBuf::from("stauts"));
    }
}
