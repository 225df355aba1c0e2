//! What a URL of ZooKeeper says: `zookeeper://h1:2181,h2:2181/chroot?group=dubbo`. Pure, but for the secrets, which are
//! read where the URL says.

use std::time::Duration;

use crate::{dubbo::RegisterMode, error::RegistryError, secret::Login, url::RegistryUrl};

/// The port, where the URL names none.
const PORT: u16 = 2181;
/// How long a session outlives its connection, where the URL does not say. A provider that is killed is listed so long;
/// Dubbo's default is a minute, and its servers' least is often 4 s.
const SESSION: Duration = Duration::from_secs(10);
/// Most servers that are taken.
const MAX_SERVERS: usize = 64;
/// The node below which Dubbo keeps its interfaces.
const GROUP: &str = "dubbo";
/// Parameters that are known.
const KNOWN: [&str; 5] = ["group", "session", "user", "password", "register-mode"];

/// Where to go, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Hosts with their ports.
    pub(super) servers: Vec<(String, u16)>,
    /// Before every path: empty, or with a slash in front and none at the end.
    pub(crate) chroot: String,
    /// The node of the interfaces, without a slash.
    pub(crate) group: String,
    pub(super) session: Duration,
    pub(super) login: Option<Login>,
    pub(super) mode: RegisterMode,
}

impl Place {
    /// What `url` says, with the secrets read.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(crate) fn of(url: &RegistryUrl) -> Result<Self, RegistryError> {
        let place = Self::without_secrets(url)?;
        Ok(Self { login: Login::of(url)?, ..place })
    }

    /// What `url` says, without looking at the environment or at files.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(crate) fn without_secrets(url: &RegistryUrl) -> Result<Self, RegistryError> {
        url.only_parameters(&KNOWN)?;
        url.no_user()?;
        let servers: Vec<_> = url.authority().split(',').map(|text| server(url, text)).collect::<Result<_, _>>()?;
        if servers.len() > MAX_SERVERS {
            return Err(url.bad(format!("it names {} servers, at most {MAX_SERVERS} are taken", servers.len())));
        }
        let chroot = url.path().trim_end_matches('/').to_owned();
        let group = url.parameter_as("group")?.unwrap_or_else(|| GROUP.to_owned()).trim_matches('/').to_owned();
        for (what, path) in [("path", chroot.as_str()), ("group", group.as_str())] {
            let bad = |part: &str| matches!(part, "." | "..") || part.chars().any(char::is_control);
            let empty = !path.is_empty() && path.strip_prefix('/').unwrap_or(path).split('/').any(str::is_empty);
            if empty || path.split('/').any(bad) || (what == "group" && path.is_empty()) {
                return Err(url.bad(format!("the {what} `{path}` is no path of ZooKeeper")));
            }
        }
        let session = match url.parameter_as::<u64>("session")? {
            Some(millis @ 1000..=3_600_000) => Duration::from_millis(millis),
            Some(_) => return Err(url.bad("`session` should be from 1000 to 3600000 (milliseconds)")),
            None => SESSION,
        };
        let mode = RegisterMode::of(url)?;
        Ok(Self { servers, chroot, group, session, login: None, mode })
    }

    /// The servers as the client takes them.
    pub(super) fn servers(&self) -> String {
        let all: Vec<String> = self.servers.iter().map(|(host, port)| crate::instance::address(host, *port)).collect();
        all.join(",")
    }

    /// The place in a URL, without secrets.
    pub(crate) fn describe(&self) -> String {
        let group = if self.group == GROUP { String::new() } else { format!("?group={}", self.group) };
        format!("zookeeper://{}{}{group}", self.servers(), self.chroot)
    }
}

fn server(url: &RegistryUrl, text: &str) -> Result<(String, u16), RegistryError> {
    let port_is_said = match text.rsplit_once(']') {
        Some((_, rest)) => !rest.is_empty(),
        None => text.contains(':'),
    };
    url.host_and_port(&if port_is_said { text.to_owned() } else { format!("{text}:{PORT}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<Place, String> {
        Place::of(&RegistryUrl::parse(url).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_are_read() {
        for (url, described) in [
            ("zookeeper://h", "zookeeper://h:2181"),
            ("zookeeper://h1:1,[::1]:2,h3/a/b/", "zookeeper://h1:1,[::1]:2,h3:2181/a/b"),
            ("zookeeper://h/?group=shop", "zookeeper://h:2181?group=shop"),
            ("zookeeper://h?session=4000&register-mode=interface", "zookeeper://h:2181"),
        ] {
            assert_eq!(place(url).unwrap().describe(), described);
        }
        let modes = ["all", "interface", "instance"].map(|mode| {
            let mode = place(&format!("zookeeper://h?register-mode={mode}")).unwrap().mode;
            (mode.interface(), mode.instance())
        });
        assert_eq!(modes, [(true, true), (true, false), (false, true)]);
    }

    #[test]
    fn mistakes_are_named() {
        for (url, why) in [
            ("zookeeper://", "no address"),
            ("zookeeper://h:x", "no address"),
            ("zookeeper://h//a", "no path of ZooKeeper"),
            ("zookeeper://h/a/../b", "no path of ZooKeeper"),
            ("zookeeper://h?group=", "no path of ZooKeeper"),
            ("zookeeper://h?session=10", "milliseconds"),
            ("zookeeper://h?session=soon", "session"),
            ("zookeeper://h?register-mode=none", "all, interface or instance"),
            ("zookeeper://h?usr=x", "unknown parameter"),
            ("zookeeper://joe:secret@h", "not written in the URL"),
            ("zookeeper://h?user=env:PATH", "belong together"),
            ("zookeeper://h?user=joe&password=secret", "a secret is not written here"),
        ] {
            let error = place(url).unwrap_err();
            assert!(error.contains(why) && !error.contains("joe"), "{url}: {error}");
        }
    }
}
