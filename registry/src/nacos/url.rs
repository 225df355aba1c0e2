//! What a URL of Nacos says: `nacos://h1,h2:8848/NAMESPACE?group=G`. Pure, but for the secrets, which are read where the
//! URL says.

use std::fmt;

use super::dial::Dial;
use crate::{dubbo::RegisterMode, error::RegistryError, secret::Login, url::RegistryUrl};

/// The port of the HTTP API, where the URL names none.
const PORT: u16 = 8848;
/// How far the port of the connections is above that of the HTTP API, where the URL does not say otherwise.
const GRPC_OFFSET: u16 = 1000;
/// Nacos' own name for the namespace that one is in without saying so.
pub(super) const PUBLIC: &str = "public";
/// And for the group.
pub(super) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// Most servers that are taken.
const MAX_SERVERS: usize = 64;

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) host: String,
    /// Of the HTTP API.
    pub(super) http: u16,
    /// Of the connections.
    pub(super) grpc: u16,
    /// The way to both.
    pub(super) dial: Dial,
}

/// Where to go, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) servers: Vec<Server>,
    pub(super) namespace: String,
    pub(super) group: String,
    pub(super) login: Option<Login>,
    pub(super) mode: RegisterMode,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.http)
        } else {
            write!(f, "{}:{}", self.host, self.http)
        }
    }
}

impl Server {
    /// `host:port` of its connections.
    pub(super) fn grpc_authority(&self) -> String {
        Self { http: self.grpc, ..self.clone() }.to_string()
    }
}

impl Place {
    /// What `url` says, with the secrets and the certificates read.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(super) fn of(url: &RegistryUrl) -> Result<Self, RegistryError> {
        let (place, dial) = (Self::without_secrets(url)?, Dial::of(url)?);
        let servers = place.servers.iter().map(|server| Server { dial: dial.clone(), ..server.clone() });
        Ok(Self { servers: servers.collect(), login: Login::of(url)?, ..place })
    }

    /// What `url` says, without looking at the environment or at files.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(super) fn without_secrets(url: &RegistryUrl) -> Result<Self, RegistryError> {
        url.only_parameters(&["group", "user", "password", "grpc-port", "register-mode", "ca"])?;
        url.no_user()?;
        let grpc: Option<u16> = url.parameter_as("grpc-port")?;
        let servers: Vec<Server> =
            url.authority().split(',').map(|text| server(url, text, grpc)).collect::<Result<_, _>>()?;
        if servers.len() > MAX_SERVERS {
            return Err(url.bad(format!("it names {} servers, at most {MAX_SERVERS} are taken", servers.len())));
        }
        let namespace = url.path().trim_matches('/');
        let group = url.parameter_as("group")?.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        for (what, name) in [("namespace", namespace), ("group", group.as_str())] {
            if name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
                return Err(
                    url.bad(format!("`{name}` is no {what} for Nacos: letters, digits and `-_.:`, at most 128"))
                );
            }
        }
        let namespace = if namespace.is_empty() { PUBLIC } else { namespace }.to_owned();
        Ok(Self { servers, namespace, group, login: None, mode: RegisterMode::of(url)? })
    }

    /// The place in a URL, without secrets.
    pub(super) fn describe(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let namespace = if self.namespace == PUBLIC { "" } else { &self.namespace };
        let group = if self.group == DEFAULT_GROUP { String::new() } else { format!("?group={}", self.group) };
        format!("nacos://{}/{namespace}{group}", servers.join(","))
    }
}

fn server(url: &RegistryUrl, text: &str, grpc: Option<u16>) -> Result<Server, RegistryError> {
    let port_is_said = match text.rsplit_once(']') {
        Some((_, rest)) => !rest.is_empty(),
        None => text.contains(':'),
    };
    let text = if port_is_said { text.to_owned() } else { format!("{text}:{PORT}") };
    let (host, http) = url.host_and_port(&text)?;
    let grpc = grpc.or_else(|| http.checked_add(GRPC_OFFSET)).filter(|port| *port > 0);
    let grpc =
        grpc.ok_or_else(|| url.bad(format!("no port for connections {GRPC_OFFSET} above {http}: say `grpc-port`")))?;
    Ok(Server { host, http, grpc, dial: Dial::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<Place, RegistryError> {
        Place::of(&RegistryUrl::parse(text).unwrap())
    }

    #[test]
    fn servers_namespace_and_group() {
        let found = place("nacos://h1,h2:18848,[::1]/shop-1?group=G").unwrap();
        let servers: Vec<_> = found.servers.iter().map(|s| (s.to_string(), s.grpc)).collect();
        let expected = [("h1:8848", 9848), ("h2:18848", 19848), ("[::1]:8848", 9848)];
        assert_eq!(servers, expected.map(|(server, grpc)| (server.to_owned(), grpc)));
        assert_eq!((found.namespace.as_str(), found.group.as_str()), ("shop-1", "G"));
        assert_eq!(found.describe(), "nacos://h1:8848,h2:18848,[::1]:8848/shop-1?group=G");
        let plain = place("nacos://h").unwrap();
        assert_eq!((plain.namespace.as_str(), plain.group.as_str()), (PUBLIC, DEFAULT_GROUP));
        assert_eq!(place("nacos://h?grpc-port=7").unwrap().servers[0].grpc, 7);
        let low = place("nacos://h?register-mode=interface").unwrap();
        assert_eq!((plain.mode, low.mode), (RegisterMode::All, RegisterMode::Interface));
    }

    #[test]
    fn mistakes_are_named() {
        for (url, why) in [
            ("nacos://", "is no address"),
            ("nacos://h:x", "is no address"),
            ("nacos://h:65000", "say `grpc-port`"),
            ("nacos://h/a/b", "is no namespace"),
            ("nacos://h?grup=x", "unknown parameter `grup`"),
            ("nacos://joe:pass@h", "`user=env:"),
            ("nacos://h?user=env:HOME", "belong together"),
            ("nacos://h?user=joe&password=pass", "`user`"),
            ("nacos://h?register-mode=none", "all, interface or instance"),
            ("nacos://h?ca=/etc/ca.pem", "`ca` should be a file of certificates: `file:/path`"),
            ("nacos://h?ca=file:/no/such/file", "`ca`: /no/such/file: "),
        ] {
            let error = place(url).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("pass@"), "{url}: {error}");
        }
    }

    #[test]
    fn user_and_password_are_read_and_never_shown() {
        let file = std::env::temp_dir().join(format!("mainstay-test-{:016x}", crate::instance::fresh()));
        std::fs::write(&file, "open sesame\n").unwrap();
        let found = place(&format!("nacos://h?user=env:PATH&password=file:{}", file.display())).unwrap();
        std::fs::remove_file(file).unwrap();
        assert_eq!(found.login.as_ref().unwrap().password.expose(), "open sesame");
        let (shown, user) = (format!("{found:?} {}", found.describe()), std::env::var("PATH").unwrap());
        assert_eq!(found.login.as_ref().unwrap().user.expose(), user);
        assert!(!shown.contains("sesame") && !shown.contains(&user));
    }
}
