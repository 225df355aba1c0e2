//! Directives that are not about masters: those that matter to a sentinel's port and process, and those that only a
//! Redis server acts on, which are known by name and passed over.

use super::option::{number, yes_no};
use super::problem::hint;
use super::user::{self, User};
use crate::core::config::Secret;
use std::net::SocketAddr;

/// How the port and the process are set up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Port without TLS; 0: none.
    pub port: u16,
    /// Addresses to listen at. `*` and `-::*` stand for all; one with a dash may be missing on this machine.
    pub bind: Vec<String>,
    /// Without a password and an explicit `bind`, take loopback connections only.
    pub protected_mode: bool,
    /// Greatest number of connections.
    pub max_clients: usize,
    /// Seconds after which an idle connection is closed, subscribers aside; 0: never.
    pub timeout: u64,
    /// Seconds between TCP keepalive probes; 0: none.
    pub tcp_keepalive: u64,
    /// Length of the queue of connections not accepted yet.
    pub tcp_backlog: u32,
    /// The default user's password.
    pub requirepass: Option<Secret>,
    /// The users of the file.
    pub users: Vec<User>,
    /// The file that holds the users instead.
    pub aclfile: Option<String>,
    /// Entries kept of refused logins and commands.
    pub acllog_max_len: usize,
    /// `SENTINEL SET` may not change scripts.
    pub deny_scripts_reconfig: bool,
    /// Encryption.
    pub tls: TlsConfig,
    /// The local address of outgoing connections.
    pub bind_source_addr: Option<String>,
    /// Where relative paths begin.
    pub dir: Option<String>,
    /// The log's file; `None`: standard output.
    pub logfile: Option<String>,
    /// debug, verbose, notice or warning.
    pub loglevel: String,
    /// Go to the background.
    pub daemonize: bool,
    /// Where the process id is written.
    pub pidfile: Option<String>,
    /// no, upstart, systemd or auto.
    pub supervised: String,
    /// Where metrics are shown; `None`: nowhere.
    pub metrics_bind: Option<SocketAddr>,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl LogFormat {
    /// The form of this name.
    pub fn of(name: &str) -> Option<LogFormat> {
        match name.to_ascii_lowercase().as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
}

/// The `tls-…` directives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsConfig {
    /// Port with TLS; 0: none.
    pub port: u16,
    /// Own certificate.
    pub cert_file: Option<String>,
    /// Own private key.
    pub key_file: Option<String>,
    /// Certificate shown to others as a client; else `cert_file`.
    pub client_cert_file: Option<String>,
    /// Its private key.
    pub client_key_file: Option<String>,
    /// Authorities.
    pub ca_cert_file: Option<String>,
    /// A directory of authorities.
    pub ca_cert_dir: Option<String>,
    /// What is asked of clients.
    pub auth_clients: ClientAuth,
    /// Outgoing connections use TLS, and the TLS port is announced.
    pub replication: bool,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They must.
    #[default]
    Required,
    /// They may.
    Optional,
    /// They are not asked.
    No,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            port: 26379,
            bind: vec!["*".to_owned(), "-::*".to_owned()],
            protected_mode: false,
            max_clients: 10_000,
            timeout: 0,
            tcp_keepalive: 300,
            tcp_backlog: 511,
            requirepass: None,
            users: Vec::new(),
            aclfile: None,
            acllog_max_len: 128,
            deny_scripts_reconfig: true,
            tls: TlsConfig::default(),
            bind_source_addr: None,
            dir: None,
            logfile: None,
            loglevel: "notice".to_owned(),
            daemonize: false,
            pidfile: None,
            supervised: "no".to_owned(),
            metrics_bind: None,
            log_format: LogFormat::default(),
        }
    }
}

/// Puts a directive into the configuration.
///
/// # Errors
/// What is wrong with it.
pub(super) fn set(config: &mut ServerConfig, words: &[String]) -> Result<(), String> {
    let (name, values) = (words[0].as_str(), &words[1..]);
    match name {
        "bind" => {
            config.bind = values.iter().filter(|v| !v.is_empty()).cloned().collect();
            return Ok(());
        }
        "user" => {
            let user = user::user(values)?;
            if config.users.iter().any(|known| known.name == user.name) {
                return Err(user::twice(&user));
            }
            config.users.push(user);
            return Ok(());
        }
        _ if OURS.contains(&name) => {}
        _ if REDIS.split_ascii_whitespace().any(|known| known == name) => return Ok(()),
        _ => return Err(format!("unknown directive{}", hint(name, all()))),
    }
    let [value] = values else { return Err("one value expected".to_owned()) };
    let text = || (!value.is_empty()).then(|| value.clone());
    let tls = &mut config.tls;
    match name {
        "port" => config.port = whole(value, "port")?,
        "protected-mode" => config.protected_mode = yes(value)?,
        "maxclients" => {
            let most = number::<u32>(value).filter(|most| *most > 0);
            config.max_clients = most.ok_or_else(|| format!("`{value}` is no number above 0"))? as usize;
        }
        "timeout" => config.timeout = whole(value, "number of seconds")?,
        "tcp-keepalive" => config.tcp_keepalive = whole(value, "number of seconds")?,
        "tcp-backlog" => config.tcp_backlog = whole(value, "number")?,
        "requirepass" => config.requirepass = text().map(Secret),
        "aclfile" => config.aclfile = text(),
        "acllog-max-len" => config.acllog_max_len = whole::<u32>(value, "number")? as usize,
        "bind-source-addr" => config.bind_source_addr = text(),
        "dir" => config.dir = text(),
        "logfile" => config.logfile = text(),
        "loglevel" => config.loglevel = one_of(value, &["debug", "verbose", "notice", "warning", "nothing"])?,
        "daemonize" => config.daemonize = yes(value)?,
        "pidfile" => config.pidfile = text(),
        "supervised" => config.supervised = one_of(value, &["no", "upstart", "systemd", "auto"])?,
        "tls-port" => tls.port = whole(value, "port")?,
        "tls-cert-file" => tls.cert_file = text(),
        "tls-key-file" => tls.key_file = text(),
        "tls-client-cert-file" => tls.client_cert_file = text(),
        "tls-client-key-file" => tls.client_key_file = text(),
        "tls-ca-cert-file" => tls.ca_cert_file = text(),
        "tls-ca-cert-dir" => tls.ca_cert_dir = text(),
        "tls-replication" => tls.replication = yes(value)?,
        "tls-auth-clients" => {
            tls.auth_clients = match one_of(value, &["yes", "no", "optional"])?.as_str() {
                "no" => ClientAuth::No,
                "optional" => ClientAuth::Optional,
                _ => ClientAuth::Required,
            }
        }
        other => return Err(format!("unknown directive{}", hint(other, all()))),
    }
    Ok(())
}

/// A directive that may stand more than once.
pub(super) fn repeats(name: &str) -> bool {
    matches!(name, "user" | "include" | "save" | "rename-command" | "loadmodule" | "client-output-buffer-limit")
}

fn all() -> impl Iterator<Item = &'static str> {
    OURS.iter().copied().chain(REDIS.split_ascii_whitespace()).chain(["sentinel", "include", "bind", "user"])
}

fn whole<N: TryFrom<i64>>(value: &str, what: &str) -> Result<N, String> {
    number(value).ok_or_else(|| format!("`{value}` is no {what}"))
}

fn yes(value: &str) -> Result<bool, String> {
    yes_no(value).map_err(|error| error.to_string())
}

fn one_of(value: &str, known: &[&str]) -> Result<String, String> {
    let value = value.to_ascii_lowercase();
    if known.contains(&value.as_str()) {
        return Ok(value);
    }
    Err(format!("`{value}` is none of {}{}", known.join(", "), hint(&value, known.iter().copied())))
}

/// Directives with one value that a sentinel acts on.
const OURS: &[&str] = &[
    "port",
    "protected-mode",
    "maxclients",
    "timeout",
    "tcp-keepalive",
    "tcp-backlog",
    "requirepass",
    "aclfile",
    "acllog-max-len",
    "bind-source-addr",
    "dir",
    "logfile",
    "loglevel",
    "daemonize",
    "pidfile",
    "supervised",
    "tls-port",
    "tls-cert-file",
    "tls-key-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-replication",
    "tls-auth-clients",
];

/// Directives that Redis knows and a sentinel passes over, with any values.
const REDIS: &str = "
    acl-pubsub-default active-defrag-cycle-max active-defrag-cycle-min active-defrag-ignore-bytes
    active-defrag-max-scan-fields active-defrag-threshold-lower active-defrag-threshold-upper active-expire-effort
    activedefrag activerehashing always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-incremental-fsync
    aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename appendfsync appendonly
    auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave_cpulist bio_cpulist busy-reply-threshold
    client-output-buffer-limit client-query-buffer-limit cluster-allow-pubsubshard-when-down
    cluster-allow-reads-when-down cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-hostname
    cluster-announce-ip cluster-announce-port cluster-announce-tls-port cluster-config-file cluster-enabled
    cluster-link-sendbuf-limit cluster-migration-barrier cluster-node-timeout cluster-port
    cluster-preferred-endpoint-type cluster-replica-no-failover cluster-replica-validity-factor
    cluster-require-full-coverage cluster-slave-no-failover cluster-slave-validity-factor crash-log-enabled
    crash-memcheck-enabled databases dbfilename disable-thp dynamic-hz enable-debug-command enable-module-command
    enable-protected-configs hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries
    hash-max-ziplist-value hll-sparse-max-bytes hz ignore-warnings io-threads io-threads-do-reads jemalloc-bg-thread
    latency-monitor-threshold latency-tracking latency-tracking-info-percentiles lazyfree-lazy-eviction
    lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time
    lfu-log-factor list-compress-depth list-max-listpack-size list-max-ziplist-size loadmodule locale-collate
    lua-time-limit masterauth masteruser maxmemory maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy
    maxmemory-samples min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write
    no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values proc-title-template
    propagation-error-behavior proto-max-bulk-len rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum
    rdbcompression rename-command repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load
    repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-ping-replica-period
    repl-ping-slave-period repl-timeout replica-announce-ip replica-announce-port replica-announced
    replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush replica-priority replica-read-only
    replica-serve-stale-data replicaof sanitize-dump-payload save server_cpulist set-max-intset-entries
    set-max-listpack-entries set-max-listpack-value set-proc-title shutdown-on-sigint shutdown-on-sigterm
    shutdown-timeout slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority
    slave-read-only slave-serve-stale-data slaveof slowlog-log-slower-than slowlog-max-len socket-mark-id
    stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries syslog-enabled syslog-facility
    syslog-ident tls-ciphers tls-ciphersuites tls-client-key-file-pass tls-cluster tls-dh-params-file
    tls-key-file-pass tls-prefer-server-ciphers tls-protocols tls-session-cache-size tls-session-cache-timeout
    tls-session-caching tracking-table-max-keys unixsocket unixsocketperm zset-max-listpack-entries
    zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value";

#[cfg(test)]
mod tests {
    use super::*;

    fn after(line: &str) -> Result<ServerConfig, String> {
        let mut config = ServerConfig::default();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        set(&mut config, &words).map(|()| config)
    }

    #[test]
    fn directives_reach_the_configuration() {
        assert_eq!(after("port 0").unwrap().port, 0);
        assert_eq!(after("bind 127.0.0.1 ::1").unwrap().bind, ["127.0.0.1", "::1"]);
        assert_eq!(after("tls-auth-clients optional").unwrap().tls.auth_clients, ClientAuth::Optional);
        assert_eq!(after("user bob on").unwrap().users[0].name, "bob");
        assert_eq!(after("requirepass pw").unwrap().requirepass, Some(Secret("pw".into())));
        assert_eq!(after("repl-diskless-sync-delay 0").unwrap(), ServerConfig::default());
        for name in OURS {
            let refused = set(&mut ServerConfig::default(), &[(*name).to_owned(), "1".to_owned()]);
            assert!(!refused.is_err_and(|e| e.starts_with("unknown")), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = [
            ("port 70000", "`70000` is no port"),
            ("port", "one value expected"),
            ("maxclients 0", "`0` is no number above 0"),
            ("daemonize maybe", "`maybe` is no yes or no"),
            (
                "loglevel verbos",
                "`verbos` is none of debug, verbose, notice, warning, nothing; did you mean `verbose`?",
            ),
            ("requirepas pw", "unknown directive; did you mean `requirepass`?"),
            ("sentine monitor", "unknown directive; did you mean `sentinel`?"),
            ("xyzzy 1", "unknown directive"),
        ];
        for (line, expected) in table {
            assert_eq!(after(line).unwrap_err(), expected, "{line}");
        }
        let mut config = after("user bob on").unwrap();
        let again = set(&mut config, &["user".to_owned(), "bob".to_owned()]).unwrap_err();
        assert_eq!((again.as_str(), config), ("user `bob` stands here a second time", after("user bob on").unwrap()));
    }
}
