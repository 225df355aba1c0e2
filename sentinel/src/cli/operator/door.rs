//! Where a sentinel is and how to get in: what was said, and for the rest what its file says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::super::files::{self, FileError};
use super::order::Reach;
use crate::conf::{Config, ServerConfig, TlsConfig};
use crate::core::config::Secret;
use crate::core::ids::{Address, MasterName};
use crate::tls::Connector;

/// Redis' own port for sentinels.
const PORT: u16 = 26379;
const HERE: &str = "127.0.0.1";

/// How to get in.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) address: Address,
    pub(super) user: Option<String>,
    pub(super) pass: Option<Secret>,
    pub(super) tls: Option<Connector>,
    pub(super) patience: Duration,
}

/// Why it cannot be said how.
#[derive(Debug, Error)]
pub(super) enum DoorError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}")]
    Tls(String),
}

impl Door {
    /// Reads the files that `reach` names.
    pub(super) fn open(reach: &Reach) -> Result<Door, DoorError> {
        let config = reach.conf.as_deref().map(read).transpose()?.unwrap_or_default();
        let pass = secret(reach.pass.as_ref(), reach.pass_file.as_deref())?;
        let tls = tls(reach, &config.server);
        let tls = tls.as_ref().map(Connector::new).transpose().map_err(DoorError::Tls)?.flatten();
        Ok(Door {
            address: reach.at.clone().unwrap_or_else(|| address(&config.server, reach.conf.is_some())),
            user: reach.user.clone(),
            pass: pass.or(config.server.requirepass),
            tls,
            patience: reach.patience,
        })
    }

    /// The same way in at another sentinel of the group.
    pub(super) fn of(&self, address: Address) -> Door {
        Door { address, ..self.clone() }
    }
}

fn read(path: &Path) -> Result<Config, FileError> {
    Ok(files::conf(path, &files::read(path)?)?.0)
}

/// Where a sentinel of this file listens: at the first address that is one, else on this machine.
fn address(server: &ServerConfig, from_file: bool) -> Address {
    let bound = server.bind.iter().map(|word| word.trim_start_matches('-'));
    let host = bound.into_iter().find(|word| !matches!(*word, "*" | "::*" | "0.0.0.0" | "::")).unwrap_or(HERE);
    let port = match (from_file, server.port) {
        (false, _) => PORT,
        (true, 0) => server.tls.port,
        (true, port) => port,
    };
    Address::new(host, port)
}

/// The encryption that is wanted: by a flag, or since the file's port without it is off.
fn tls(reach: &Reach, server: &ServerConfig) -> Option<TlsConfig> {
    let only_tls = reach.conf.is_some() && reach.at.is_none() && server.port == 0 && server.tls.port != 0;
    if !(reach.tls || reach.ca.is_some() || only_tls) {
        return None;
    }
    let mut tls = server.tls.clone();
    tls.replication = true;
    tls.ca_cert_file = reach.ca.clone().or(tls.ca_cert_file);
    if reach.cert.is_some() || reach.key.is_some() {
        (tls.client_cert_file, tls.client_key_file) = (reach.cert.clone(), reach.key.clone());
    }
    Some(tls)
}

/// Credentials for the data servers, as far as they were said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Servers {
    pub(super) user: Option<String>,
    pub(super) pass: Option<Secret>,
    pub(super) pass_file: Option<PathBuf>,
}

/// How to get in at the data servers of a master.
#[derive(Debug)]
pub(super) struct Access {
    user: Option<String>,
    pass: Option<Secret>,
    tls: Option<Connector>,
    /// The sentinel's file was given, so what it names is on this machine.
    pub(super) on_this_machine: bool,
}

impl Access {
    /// As it was said, else as the sentinel's file says.
    pub(super) fn open(reach: &Reach, master: &str, said: &Servers) -> Result<Access, DoorError> {
        let config = reach.conf.as_deref().map(read).transpose()?.unwrap_or_default();
        let settings = config.masters.get(&MasterName::from(master)).map(|m| &m.settings);
        let (user, pass) = settings.map(|s| (s.auth_user.clone(), s.auth_pass.clone())).unwrap_or_default();
        let said_pass = secret(said.pass.as_ref(), said.pass_file.as_deref())?;
        let tls = Connector::new(&config.server.tls).map_err(DoorError::Tls)?;
        let on_this_machine = reach.conf.is_some();
        Ok(Access { user: said.user.clone().or(user), pass: said_pass.or(pass), tls, on_this_machine })
    }

    /// The way in at one of them.
    pub(super) fn door(&self, address: Address, patience: Duration) -> Door {
        Door { address, user: self.user.clone(), pass: self.pass.clone(), tls: self.tls.clone(), patience }
    }
}

/// What was said, or what the file says that was named.
fn secret(said: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, DoorError> {
    let Some(path) = file else { return Ok(said.cloned()) };
    let text = files::read(path)?;
    let text = String::from_utf8_lossy(&text);
    Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::conf::parse;
    use crate::scratch::Dir;

    fn reach() -> Reach {
        Reach {
            at: None,
            conf: None,
            user: None,
            pass: None,
            pass_file: None,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            patience: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_is_said_goes_before_what_the_file_says() {
        let dir = Dir::new("door-said");
        let conf = dir.0.join("s.conf");
        fs::write(&conf, "port 26400\nbind -::* 10.0.0.7\nrequirepass secret\n").unwrap();
        let mut reach = Reach { conf: Some(conf), ..reach() };
        let door = Door::open(&reach).unwrap();
        assert_eq!((door.address, door.pass), (Address::new("10.0.0.7", 26400), Some(Secret("secret".into()))));
        fs::write(dir.0.join("pass"), "other\n").unwrap();
        (reach.at, reach.pass_file) = (Some(Address::new("h", 1)), Some(dir.0.join("pass")));
        let door = Door::open(&reach).unwrap();
        assert_eq!((door.address, door.pass), (Address::new("h", 1), Some(Secret("other".into()))));
    }

    #[test]
    fn data_servers_have_credentials_of_their_own() {
        let dir = Dir::new("door-access");
        let conf = dir.0.join("s.conf");
        fs::write(&conf, "sentinel monitor m 10.0.0.1 6379 2\nsentinel auth-user m u\nsentinel auth-pass m p\n")
            .unwrap();
        let reach = Reach { conf: Some(conf), ..reach() };
        let door = |said: &Servers| {
            let access = Access::open(&reach, "m", said).unwrap();
            assert!(access.on_this_machine);
            access.door(Address::new("h", 1), Duration::from_secs(1))
        };
        let from_file = door(&Servers::default());
        assert_eq!((from_file.user, from_file.pass), (Some("u".into()), Some(Secret("p".into()))));
        fs::write(dir.0.join("pass"), "q\n").unwrap();
        let said = door(&Servers { pass_file: Some(dir.0.join("pass")), ..Servers::default() });
        assert_eq!((said.user, said.pass), (Some("u".into()), Some(Secret("q".into()))));
    }

    #[test]
    fn without_a_word_it_is_redis_own_port_on_this_machine() {
        assert_eq!(Door::open(&reach()).unwrap().address, Address::new("127.0.0.1", 26379));
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let dir = Dir::new("door-bad");
        let path = dir.0.join("s.conf");
        let with = Reach { conf: Some(path.clone()), ..reach() };
        assert!(matches!(Door::open(&with), Err(DoorError::File(FileError::Read { .. }))));
        fs::write(&path, "prot 1\n").unwrap();
        assert!(Door::open(&with).unwrap_err().to_string().contains("did you mean `port`?"));
        let without = Reach { tls: true, ..reach() };
        assert!(matches!(Door::open(&without), Err(DoorError::Tls(_))));
    }

    #[test]
    fn a_file_whose_only_port_is_encrypted_wants_encryption() {
        let server = |text: &str| parse(text.as_bytes()).unwrap().server;
        let with = Reach { conf: Some("s.conf".into()), ..reach() };
        let only = server("port 0\ntls-port 26390\n");
        assert!(tls(&with, &only).is_some_and(|tls| tls.replication));
        assert_eq!(address(&only, true).port, 26390);
        assert!(tls(&with, &server("port 1\ntls-port 2\n")).is_none());
    }
}
