//! Every setting of an application, in one table: its name, what it takes, what it means. Pure.
//!
//! The same name is a flag (`--drain-delay 5s`), a variable (`MAINSTAY_DRAIN_DELAY=5s`) and a key of the file
//! (`drain-delay = "5s"`). Reading, help and `--print-config` all walk this table, so none of them can forget one.

use super::text;
use crate::{access::Form, admin::may_listen, server::Place};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// What an application is set to. What is `None` follows from the rest; see the methods.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) registry: String,
    pub(crate) listen: Listen,
    pub(crate) advertise: Advertise,
    pub(crate) zone: Option<String>,
    pub(crate) weight: u32,
    /// What the instance says of itself.
    pub(crate) labels: BTreeMap<String, String>,
    /// Instead of what the traits say.
    pub(crate) service_version: Option<String>,
    pub(crate) service_group: Option<String>,
    /// The place of the token that consumers show.
    pub(crate) service_token: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    /// Where operators ask.
    admin: Option<Listen>,
    /// How calls are logged.
    pub(crate) access_log: Option<Form>,
    /// The place of their token, not the token.
    pub(crate) admin_token: Option<String>,
    drain_delay: Option<Duration>,
    pub(crate) drain_grace: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_message: usize,
    pub(crate) max_streams: u32,
}

/// Where to listen, as far as said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) host: Option<IpAddr>,
    pub(crate) port: Option<u16>,
}

/// What consumers are told, as far as said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advertise {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

/// The files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Who vouches for clients, if they must show a certificate.
    pub(crate) client_ca: Option<PathBuf>,
}

/// One row of the table.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What it takes, for help.
    pub(crate) takes: &'static str,
    pub(crate) help: &'static str,
    pub(crate) apply: fn(&mut Settings, &str) -> Result<(), String>,
    pub(crate) show: fn(&Settings) -> String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registry: "file://".to_owned(),
            listen: Listen::default(),
            advertise: Advertise::default(),
            zone: None,
            weight: 100,
            labels: BTreeMap::new(),
            service_version: None,
            service_group: None,
            service_token: None,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            admin: None,
            access_log: None,
            admin_token: None,
            drain_delay: None,
            drain_grace: Duration::from_secs(20),
            max_connections: 10_000,
            max_message: 4 << 20,
            max_streams: 1024,
        }
    }
}

impl Settings {
    /// Whether the registry joins processes of this machine only: of several, each does.
    pub(crate) fn is_local(&self) -> bool {
        self.registry.split('|').all(|url| matches!(scheme(url.trim()), "file" | "memory"))
    }

    /// How long to serve on after saying goodbye to the registry: as long as the news takes to reach consumers.
    pub(crate) fn drain_delay(&self) -> Duration {
        let by_registry = if self.is_local() { Duration::from_millis(100) } else { Duration::from_secs(3) };
        self.drain_delay.unwrap_or(by_registry)
    }

    /// Under which version and group everything is served, as far as said.
    pub(crate) fn place(&self) -> Place {
        let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
        Place { version: shared(&self.service_version), group: shared(&self.service_group) }
    }

    /// The files of TLS, if it is to be used.
    ///
    /// # Errors
    /// The name of a setting that is missing, and of the one that wants it.
    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>, [&'static str; 2]> {
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(cert), Some(key), client_ca) => {
                Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone(), client_ca: client_ca.clone() }))
            }
            (None, None, None) => Ok(None),
            (Some(_), None, _) => Err(["tls-key", "tls-cert"]),
            (None, Some(_), _) => Err(["tls-cert", "tls-key"]),
            (None, None, Some(_)) => Err(["tls-cert", "tls-client-ca"]),
        }
    }
}

impl Settings {
    /// Where operators ask, if they may: on loopback unless more is said.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        let said = self.admin?;
        Some(SocketAddr::new(said.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), said.port.unwrap_or(0)))
    }

    /// What does not fit together, with the setting to blame.
    pub(crate) fn misfit(&self) -> Result<(), (&'static str, String)> {
        if let Err([missing, given]) = self.tls() {
            return Err((given, format!("`{given}` wants `{missing}` too")));
        }
        match self.admin() {
            Some(at) => {
                may_listen(at.ip(), self.admin_token.is_some()).map_err(|why| ("admin", format!("`admin`: {why}")))
            }
            None if self.admin_token.is_some() => Err(("admin-token", "`admin-token` wants `admin` too".to_owned())),
            None => Ok(()),
        }
    }
}

/// The scheme of a URL, as written.
pub(crate) fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// The table.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "registry",
        takes: "URL",
        help: "where to register, several with `|` between; default file://, the embedded one",
        apply: |s, text| text::registry(text).map(|url| s.registry = url),
        show: |s| text::without_secrets(&s.registry),
    },
    Setting {
        name: "listen",
        takes: "ADDRESS",
        help: "where to listen: [HOST][:PORT]; default a free port, on loopback with a registry of this machine only",
        apply: |s, text| text::listen(text).map(|listen| s.listen = listen),
        show: |s| match (s.listen.host, s.listen.port) {
            (None, None) => "a free port".to_owned(),
            (None, Some(port)) => format!(":{port}"),
            (Some(host), port) => text::host_port(&host.to_string(), port),
        },
    },
    Setting {
        name: "advertise",
        takes: "ADDRESS",
        help: "what consumers are told to connect to: HOST[:PORT]; default by rule, as `--print-config` shows",
        apply: |s, text| text::advertise(text).map(|advertise| s.advertise = advertise),
        show: |s| match &s.advertise {
            Advertise { host: Some(host), port } => text::host_port(host, *port),
            Advertise { host: None, .. } => "by rule".to_owned(),
        },
    },
    Setting {
        name: "zone",
        takes: "NAME",
        help: "the zone this instance is in; consumers of the same zone prefer it",
        apply: |s, text| text::not_empty(text).map(|zone| s.zone = Some(zone)),
        show: |s| s.zone.clone().unwrap_or_else(|| "none".to_owned()),
    },
    Setting {
        name: "weight",
        takes: "NUMBER",
        help: "share of the load relative to other instances; 0 takes none; default 100",
        apply: |s, text| text::number(text, 0, 1_000_000).map(|weight| s.weight = weight),
        show: |s| s.weight.to_string(),
    },
    Setting {
        name: "labels",
        takes: "NAME=VALUE,…",
        help: "what rules may ask of this instance, such as env=gray; dubbo.tag=NAME takes calls with that tag alone",
        apply: |s, text| text::labels(text).map(|labels| s.labels.extend(labels)),
        show: |s| match s.labels.is_empty() {
            true => "none".to_owned(),
            false => s.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","),
        },
    },
    Setting {
        name: "service-version",
        takes: "VERSION",
        help: "the version under which everything is served; default what each trait says",
        apply: |s, text| text::label(text).map(|version| s.service_version = Some(version)),
        show: |s| s.service_version.clone().unwrap_or_else(|| "by trait".to_owned()),
    },
    Setting {
        name: "service-group",
        takes: "GROUP",
        help: "the group under which everything is served; default what each trait says",
        apply: |s, text| text::label(text).map(|group| s.service_group = Some(group)),
        show: |s| s.service_group.clone().unwrap_or_else(|| "by trait".to_owned()),
    },
    Setting {
        name: "service-token",
        takes: "PLACE",
        help: "where the token is that consumers show, and learn from the registry: env:NAME or file:/path; default none",
        apply: |s, text| text::secret_place(text).map(|place| s.service_token = Some(place)),
        show: |s| s.service_token.clone().unwrap_or_else(|| "none".to_owned()),
    },
    Setting {
        name: "tls-cert",
        takes: "FILE",
        help: "the certificate to show, and its intermediates, in PEM: serves TLS alone; wants `tls-key`",
        apply: |s, text| text::tls_file(text).map(|file| s.tls_cert = Some(file)),
        show: |s| file(s.tls_cert.as_ref()),
    },
    Setting {
        name: "tls-key",
        takes: "FILE",
        help: "the certificate's private key, in PEM",
        apply: |s, text| text::tls_file(text).map(|file| s.tls_key = Some(file)),
        show: |s| file(s.tls_key.as_ref()),
    },
    Setting {
        name: "tls-client-ca",
        takes: "FILE",
        help: "the authorities, in PEM, one of which must vouch for each client: mutual TLS",
        apply: |s, text| text::tls_file(text).map(|file| s.tls_client_ca = Some(file)),
        show: |s| file(s.tls_client_ca.as_ref()),
    },
    Setting {
        name: "admin",
        takes: "ADDRESS",
        help: "where operators ask: [HOST:]PORT, on loopback unless a host is said; default nowhere",
        apply: |s, text| text::listen(text).map(|listen| s.admin = Some(listen)),
        show: |s| s.admin().map_or_else(|| "none".to_owned(), |at| at.to_string()),
    },
    Setting {
        name: "admin-token",
        takes: "PLACE",
        help: "where the token is that operators show: env:NAME or file:/path; default none, on loopback alone",
        apply: |s, text| text::secret_place(text).map(|place| s.admin_token = Some(place)),
        show: |s| s.admin_token.clone().unwrap_or_else(|| "none".to_owned()),
    },
    Setting {
        name: "access-log",
        takes: "FORM",
        help: "writes a line to the output for each call that ends: `json` or `text`; default none",
        apply: |s, text| text::form(text).map(|form| s.access_log = Some(form)),
        show: |s| s.access_log.map_or("none", Form::as_str).to_owned(),
    },
    Setting {
        name: "drain-delay",
        takes: "TIME",
        help: "how long to serve on after deregistering; default 100ms with a registry of this machine only, else 3s",
        apply: |s, text| text::duration(text).map(|delay| s.drain_delay = Some(delay)),
        show: |s| format!("{:?}", s.drain_delay()),
    },
    Setting {
        name: "drain-grace",
        takes: "TIME",
        help: "how long calls under way may take to end when draining; default 20s",
        apply: |s, text| text::duration(text).map(|grace| s.drain_grace = grace),
        show: |s| format!("{:?}", s.drain_grace),
    },
    Setting {
        name: "max-connections",
        takes: "NUMBER",
        help: "connections at once; further ones wait; default 10000",
        apply: |s, text| text::number(text, 1, 10_000_000).map(|max| s.max_connections = max as usize),
        show: |s| s.max_connections.to_string(),
    },
    Setting {
        name: "max-message",
        takes: "BYTES",
        help: "the largest message that is accepted; default 4194304",
        apply: |s, text| text::number(text, 1, 1 << 30).map(|max| s.max_message = max as usize),
        show: |s| s.max_message.to_string(),
    },
    Setting {
        name: "max-streams",
        takes: "NUMBER",
        help: "calls under way on one connection; default 1024",
        apply: |s, text| text::number(text, 1, 1_000_000).map(|max| s.max_streams = max),
        show: |s| s.max_streams.to_string(),
    },
];

fn file(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_reads_back_what_it_was_set_to() {
        for (name, text, shown) in [
            ("registry", "static://h:1", "static://h:1"),
            ("registry", "file:///a|memory://u:secret@b?zone=x", "file:///a | memory://b"),
            ("registry", "file://joe:secret@h/x?key=secret", "file://h/x"),
            ("listen", "0.0.0.0:7001", "0.0.0.0:7001"),
            ("listen", "7001", ":7001"),
            ("listen", "[::1]", "[::1]"),
            ("advertise", "stock.local:80", "stock.local:80"),
            ("zone", "a", "a"),
            ("weight", "0", "0"),
            ("labels", "env=v2,dubbo.tag=gray", "dubbo.tag=gray,env=v2"),
            ("service-version", "2.0.0", "2.0.0"),
            ("service-group", " blue ", "blue"),
            #[cfg(feature = "tls")]
            ("tls-cert", "/etc/desk.pem", "/etc/desk.pem"),
            #[cfg(feature = "tls")]
            ("tls-key", "/etc/desk.key", "/etc/desk.key"),
            #[cfg(feature = "tls")]
            ("tls-client-ca", "/etc/ca.pem", "/etc/ca.pem"),
            ("admin", "9901", "127.0.0.1:9901"),
            ("admin", "[::1]:9901", "[::1]:9901"),
            ("admin-token", "env:TOKEN", "env:TOKEN"),
            ("service-token", "file:/etc/token", "file:/etc/token"),
            ("access-log", " JSON ", "json"),
            ("access-log", "text", "text"),
            ("drain-delay", "250ms", "250ms"),
            ("drain-grace", "1m", "60s"),
            ("max-connections", "7", "7"),
            ("max-message", "1024", "1024"),
            ("max-streams", "9", "9"),
        ] {
            let (mut settings, setting) = (Settings::default(), find(name).unwrap());
            (setting.apply)(&mut settings, text).unwrap();
            assert_eq!((setting.show)(&settings), shown, "{name}");
        }
    }

    #[test]
    fn tls_wants_a_certificate_and_its_key() {
        let file = || Some(PathBuf::from("x"));
        for (tls_cert, tls_key, tls_client_ca, expected) in [
            (None, None, None, Ok(false)),
            (file(), file(), None, Ok(true)),
            (file(), file(), file(), Ok(true)),
            (file(), None, file(), Err(["tls-key", "tls-cert"])),
            (None, file(), None, Err(["tls-cert", "tls-key"])),
            (None, None, file(), Err(["tls-cert", "tls-client-ca"])),
        ] {
            let settings = Settings { tls_cert, tls_key, tls_client_ca, ..Settings::default() };
            assert_eq!(settings.tls().map(|files| files.is_some()), expected);
        }
    }

    #[test]
    fn a_port_for_operators_that_others_reach_wants_a_token() {
        let said = |text: &str| Some(text::listen(text).unwrap());
        for (admin, token, misfit) in [
            (None, None, None),
            (said("9901"), None, None),
            (said("0.0.0.0:9901"), None, Some("admin")),
            (said("0.0.0.0:9901"), Some("env:T"), None),
            (None, Some("env:T"), Some("admin-token")),
        ] {
            let settings = Settings { admin, admin_token: token.map(str::to_owned), ..Settings::default() };
            assert_eq!(settings.misfit().err().map(|(name, _)| name), misfit, "{admin:?}");
        }
        for text in ["sesame", "env:", "file:", "http:x"] {
            assert!(text::secret_place(text).is_err_and(|why| !why.contains("sesame")), "{text}");
        }
    }

    #[test]
    fn the_drain_fits_thirty_seconds_and_is_short_on_one_machine() {
        let mut settings = Settings::default();
        assert!(settings.is_local() && settings.drain_delay() < Duration::from_millis(500));
        settings.registry = "file:///a|memory://".to_owned();
        assert!(settings.is_local());
        settings.registry = "file:///a | zookeeper://h:2181".to_owned();
        assert!(!settings.is_local());
        assert!(settings.drain_delay() + settings.drain_grace < Duration::from_secs(27));
    }
}
