//! From a file to a sentinel that is ready to run: read, locked, merged with what it promised before, and written back.
//!
//! Everything that can go wrong goes wrong here, before the first connection, with one sentence that says what to do.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mainstay_registry::{Registry, RegistryError};
use thiserror::Error;

use super::args::Args;
use super::files::{self, FileError};
use super::kept::Kept;
use crate::conf::{Config, Problem, Problems, arguments_to_text};
use crate::core::durable::Durable;
use crate::core::ids::RunId;
use crate::publication::Publication;
use crate::runtime::{self, Conf, Setup};
use crate::server::{BindError, Server, is_executable, is_known};
use crate::store::{Differs, Store, StoreError, merge};
use crate::tls::Connector;

/// Why it cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum StartError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}")]
    Tls(String),
    #[error(transparent)]
    Port(#[from] BindError),
    #[error("`sentinel metrics-bind {at}`: {source}")]
    Metrics { at: SocketAddr, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Differs(#[from] Differs),
    #[error("{}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("sentinel registry: {0}")]
    Registry(#[from] RegistryError),
    #[error("sentinel registry: {0} takes no registrations")]
    TakesNone(String),
}

/// Reads the file and the directives of the command line.
pub(super) fn read(args: &Args) -> Result<Config, StartError> {
    Ok(read_text(args, &text(args)?)?.0)
}

/// The same for a sentinel that runs: where the file is left alone, what was changed beside it holds.
pub(super) fn read_changed(args: &Args) -> Result<(Config, Option<Kept>), StartError> {
    let text = text(args)?;
    let (config, included) = read_text(args, &text)?;
    if !args.keep_conf {
        return Ok((config, None));
    }
    let directory = state_directory(args, std::env::var_os("STATE_DIRECTORY"));
    let kept = Kept::look(&directory, &text, &included)
        .map_err(|source| FileError::Read { path: directory.clone(), source })?;
    let config = match kept.text() {
        Some(copy) => read_text(args, copy)?.0,
        None => config,
    };
    Ok((config, Some(kept)))
}

fn text(args: &Args) -> Result<Vec<u8>, StartError> {
    let mut text = files::read(&args.conf)?;
    if !args.directives.is_empty() {
        text.extend_from_slice(format!("\n{}", arguments_to_text(&args.directives)).as_bytes());
    }
    Ok(text)
}

/// What a text says, and what it includes.
fn read_text(args: &Args, text: &[u8]) -> Result<(Config, Vec<Vec<u8>>), StartError> {
    let (mut config, included) = files::conf(&args.conf, text)?;
    // As redis-sentinel does: a script that is missing is found now, and not in the failover that it is for.
    let scripts = config.scripts.iter().filter(|script| !is_executable(&script.path)).map(|script| &script.unfit);
    let rules = config.rules.iter().filter(|named| !is_known(&named.rule)).map(|named| &named.unfit);
    let unfit: Vec<Problem> = scripts.chain(rules).cloned().collect();
    if !unfit.is_empty() {
        return Err(FileError::Conf { path: args.conf.clone(), problems: Problems::sorted(unfit) }.into());
    }
    config.server.log_format = args.log_format.unwrap_or(config.server.log_format);
    Ok((config, included))
}

/// That what the file names besides can be used: users, certificates, keys.
pub(super) fn usable(config: &Config) -> Result<(), StartError> {
    Server::usable(&config.server)?;
    Connector::new(&config.server.tls).map(drop).map_err(StartError::Tls)
}

/// Opens the state, settles what holds, and writes both files, so that a disk that refuses is known now.
pub(super) fn set_up(
    args: &Args,
    (config, kept): (&Config, Option<Kept>),
    port: u16,
    seed: u64,
) -> Result<Setup, StartError> {
    let directory = state_directory(args, std::env::var_os("STATE_DIRECTORY"));
    let store = Store::open(&directory)?;
    let me = config.me.unwrap_or_else(new_id);
    let durable: Durable = merge(config.durable(me), config.me.is_some(), store.load()?)?;
    store.save(&durable)?;
    // The path must hold when the directory changes.
    let conf = std::path::absolute(&args.conf).unwrap_or_else(|_| args.conf.clone());
    let conf = match kept {
        Some(kept) => kept.settle(&conf)?,
        None => {
            runtime::rewrite(&conf, &durable)?;
            Conf::File(conf)
        }
    };
    let mut setup = Setup::new(durable, store, port, seed);
    setup.conf = Some(conf);
    setup.history = Some(std::path::absolute(&directory).unwrap_or(directory));
    setup.requirepass = config.server.requirepass.clone();
    setup.tls = Connector::new(&config.server.tls).map_err(StartError::Tls)?;
    Ok(setup)
}

/// What publishes into the registry of the file, if it names one.
pub(super) fn publication(config: &Config) -> Result<Option<Publication>, StartError> {
    let Some(url) = &config.registry else { return Ok(None) };
    let hub = mainstay_registry::connect(url)?;
    if !hub.capabilities().register {
        return Err(StartError::TakesNone(Registry::describe(&hub)));
    }
    Ok(Some(Publication::new(hub)))
}

/// Where the state is: as told, else where systemd says, else beside the file.
pub(super) fn state_directory(args: &Args, systemd: Option<OsString>) -> PathBuf {
    if let Some(told) = &args.state {
        return told.clone();
    }
    // A unit may name several, parted by colons.
    let first = systemd.and_then(|dirs| std::env::split_paths(&dirs).next());
    if let Some(dir) = first.filter(|d| !d.as_os_str().is_empty()) {
        return dir;
    }
    let mut beside = args.conf.clone().into_os_string();
    beside.push(".state");
    // Made absolute, since `dir` may change the directory.
    std::path::absolute(&beside).unwrap_or_else(|_| beside.into())
}

/// Forty random hexadecimal digits.
fn new_id() -> RunId {
    let digits: String = (0..40).map(|_| char::from(b"0123456789abcdef"[rand::random_range(0..16)])).collect();
    digits.parse().unwrap_or_else(|_| RunId::from_number(rand::random()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Dir;

    fn dir(name: &str, conf: &str) -> (Dir, Args) {
        let dir = Dir::new(&format!("start-{name}"));
        let path = dir.0.join("sentinel.conf");
        fs::write(&path, conf).unwrap();
        let args = Args { conf: path, ..Args::default() };
        (dir, args)
    }

    const CONF: &str = "port 26379\nsentinel monitor m 127.0.0.1 6379 2\n";

    fn started(args: &Args) -> Setup {
        let (config, kept) = read_changed(args).unwrap();
        set_up(args, (&config, kept), 1, 1).unwrap()
    }

    #[test]
    fn an_id_is_made_once_and_written_to_both() {
        let (dir, args) = dir("id", CONF);
        let me = started(&args).durable.me;
        let conf = fs::read_to_string(&args.conf).unwrap();
        assert!(conf.starts_with(CONF) && conf.contains(&format!("sentinel myid {me}")), "{conf}");
        let again = started(&args);
        assert_eq!(again.durable.me, me);
        assert!(fs::read_to_string(dir.0.join("sentinel.conf.state/state")).unwrap().contains(me.as_str()));
    }

    #[test]
    fn a_file_that_is_to_be_left_alone_is() {
        let (dir, mut args) = dir("keep", CONF);
        args.keep_conf = true;
        let first = started(&args);
        let quorum = |setup: &Setup| setup.durable.masters.values().next().unwrap().settings.quorum;
        assert_eq!((fs::read_to_string(&args.conf).unwrap(), quorum(&first)), (CONF.to_owned(), 2));
        // An operator changes something.
        let Some(Conf::Copy(copy)) = first.conf.clone() else { panic!("{:?}", first.conf) };
        let mut changed = first.durable.clone();
        changed.masters.values_mut().next().unwrap().settings.quorum = 3;
        fs::write(&copy.path, crate::conf::rewrite(&copy.origin, &changed)).unwrap();
        drop(first);
        let again = started(&args);
        assert_eq!((again.durable.me, quorum(&again)), (changed.me, 3));
        drop(again);
        // Somebody edits the file.
        fs::write(&args.conf, format!("{CONF}sentinel down-after-milliseconds m 1000\n")).unwrap();
        let edited = started(&args);
        assert_eq!((edited.durable.me, quorum(&edited)), (changed.me, 2));
        let state = dir.0.join("sentinel.conf.state");
        assert!(!copy.path.exists() && state.join("sentinel.conf.old").exists());
    }

    #[test]
    fn directives_of_the_command_line_hold() {
        let (_dir, mut args) = dir("words", CONF);
        args.directives = ["--port", "26400"].map(str::to_owned).into();
        assert_eq!(read(&args).unwrap().server.port, 26400);
    }

    #[tokio::test]
    async fn a_registry_is_published_into_if_there_is_one_that_takes_it() {
        let config = |url: &str| Config { registry: Some(url.to_owned()), ..Config::default() };
        assert!(publication(&Config::default()).unwrap().is_none());
        assert!(publication(&config("memory://x")).unwrap().is_some());
        let refused = publication(&config("static://10.0.0.1:1")).unwrap_err().to_string();
        assert!(refused.contains("takes no registrations"), "{refused}");
    }

    #[test]
    fn a_script_or_a_command_that_is_none_is_told_with_its_line() {
        let (_dir, args) =
            dir("unfit", &format!("user bob on +get (+ping +role|x)\n{CONF}sentinel notification-script m /no\n"));
        let problems = read(&args).unwrap_err().to_string();
        let lines: Vec<&str> = problems.lines().skip(1).collect();
        let expected = [
            "line 1: `user`: rule `+get`: Unknown command or category name in ACL",
            "line 4: `sentinel notification-script m`: `/no` is no file that this user may run",
        ];
        assert_eq!(lines, expected, "{problems}");
    }

    #[test]
    fn each_failure_says_which_file() {
        let (dir, mut args) = dir("bad", "sentinel monitor m 127.0.0.1 6379\nprot 1\n");
        let problems = read(&args).unwrap_err().to_string();
        assert!(problems.contains("sentinel.conf") && problems.contains("prot"), "{problems}");
        args.conf = dir.0.join("none.conf");
        assert!(matches!(read(&args), Err(StartError::File(FileError::Read { .. }))));
    }

    #[test]
    fn where_the_state_is() {
        let (_dir, mut args) = dir("where", CONF);
        assert!(state_directory(&args, None).ends_with("sentinel.conf.state"));
        assert_eq!(state_directory(&args, Some("/var/lib/s:/x".into())), PathBuf::from("/var/lib/s"));
        args.state = Some("/told".into());
        assert_eq!(state_directory(&args, Some("/var/lib/s".into())), PathBuf::from("/told"));
        assert_ne!(new_id(), new_id());
    }
}
