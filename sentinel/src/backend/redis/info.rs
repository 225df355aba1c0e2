//! INFO, as text, to a [`Report`]. Pure.
//!
//! The text comes from a server that may be of any version, broken, or no Redis at all: what is missing or malformed is
//! taken as not said, and what is too long or too much is cut.

use crate::core::event::{Following, Report, Role};
use crate::core::ids::Address;

/// The most replicas that are taken from one master.
const MOST_REPLICAS: usize = 1_000;
/// The longest host name.
const LONGEST_HOST: usize = 255;
/// The first version whose `CLIENT PAUSE` can hold back writes alone.
const CAN_PAUSE: (u32, u32) = (6, 2);
/// `replica-priority` of a server that does not say.
const DEFAULT_PRIORITY: u32 = 100;

/// Reads a report; none when the text does not even name a role.
pub fn parse(text: &str) -> Option<Report> {
    let mut fields = Fields { replica: None, ..Fields::default() };
    for line in text.lines() {
        if let Some((key, value)) = line.trim_end().split_once(':') {
            fields.take(key, value);
        }
    }
    fields.report()
}

/// The lines that matter, as they come.
#[derive(Default)]
struct Fields<'a> {
    replica: Option<bool>,
    run_id: &'a str,
    history: &'a str,
    former: &'a str,
    offset: u64,
    replica_offset: Option<u64>,
    replicas: Vec<Address>,
    version: &'a str,
    host: &'a str,
    port: u16,
    link_up: bool,
    syncing: bool,
    link_down_s: u64,
    priority: Option<u32>,
    unannounced: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &'a str, value: &'a str) {
        match key {
            "role" => self.replica = Some(value == "slave"),
            "run_id" => self.run_id = value,
            "redis_version" => self.version = value,
            "master_replid" => self.history = value,
            "master_replid2" => self.former = value,
            "master_repl_offset" => self.offset = value.parse().unwrap_or(0),
            "slave_repl_offset" => self.replica_offset = value.parse().ok(),
            "master_host" if value.len() <= LONGEST_HOST => self.host = value,
            "master_port" => self.port = value.parse().unwrap_or(0),
            "master_link_status" => self.link_up = value == "up",
            "master_sync_in_progress" => self.syncing = value == "1",
            // -1: it never was up in this life of the server.
            "master_link_down_since_seconds" => self.link_down_s = value.parse().unwrap_or(0),
            "slave_priority" => self.priority = value.parse().ok(),
            "replica_announced" => self.unannounced = value == "0",
            _ if is_replica(key) && self.replicas.len() < MOST_REPLICAS => self.replicas.extend(replica(value)),
            _ => {}
        }
    }

    fn report(self) -> Option<Report> {
        let role = if self.replica? {
            Role::Replica(Following {
                master: Address::new(self.host, self.port),
                link_up: self.link_up && !self.syncing,
                link_down_ms: if self.link_up { 0 } else { self.link_down_s.saturating_mul(1_000) },
                priority: self.priority.unwrap_or(DEFAULT_PRIORITY),
                announced: !self.unannounced,
            })
        } else {
            Role::Master
        };
        let offset = if role == Role::Master { self.offset } else { self.replica_offset.unwrap_or(self.offset) };
        Some(Report {
            run_id: self.run_id.parse().ok(),
            replication_id: history(self.history),
            former_replication_id: history(self.former),
            offset,
            replicas: if role == Role::Master { self.replicas } else { Vec::new() },
            can_pause: version(self.version) >= CAN_PAUSE,
            role,
        })
    }
}

/// `slave0`, `slave1`, …
fn is_replica(key: &str) -> bool {
    key.strip_prefix("slave").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `ip=…,port=…,state=…`, or the old `ip,port,state`.
fn replica(value: &str) -> Option<Address> {
    let field = |name| value.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let (host, port) = match (field("ip"), field("port")) {
        (Some(host), Some(port)) => (host, port),
        _ => {
            let mut parts = value.split(',');
            (parts.next()?, parts.next()?)
        }
    };
    let port: u16 = port.parse().ok()?;
    let fits = !host.is_empty() && host.len() <= LONGEST_HOST && host.bytes().all(|b| b.is_ascii_graphic());
    (fits && port > 0).then(|| Address::new(host, port))
}

/// A replication id; the one of zeroes means none.
fn history(text: &str) -> Option<crate::core::ids::ReplicationId> {
    if text.bytes().all(|b| b == b'0') { None } else { text.parse().ok() }
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn master() -> String {
        format!(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:{ID}\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
             slave0:ip=127.0.0.1,port=6380,state=online,offset=42,lag=0\r\nslave1:10.0.0.7,6381,online\r\n\
             master_replid:{ID}\r\nmaster_replid2:{}\r\nmaster_repl_offset:42\r\nslave_repl_offset:7\r\n",
            "0".repeat(40)
        )
    }

    fn replica() -> String {
        format!(
            "redis_version:6.0.9\nrun_id:{ID}\nrole:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nmaster_link_status:down\n\
             master_link_down_since_seconds:3\nslave_repl_offset:41\nmaster_repl_offset:40\nslave_priority:5\n\
             replica_announced:0\nslave0:ip=10.0.0.9,port=1,state=online\n"
        )
    }

    #[test]
    fn a_master_tells_of_its_replicas() {
        let report = parse(&master()).unwrap();
        assert_eq!(report.role, Role::Master);
        assert_eq!(report.replicas, [Address::new("127.0.0.1", 6380), Address::new("10.0.0.7", 6381)]);
        assert_eq!((report.offset, report.can_pause), (42, true));
        assert_eq!(report.replication_id.unwrap().as_str(), ID);
        assert_eq!((report.former_replication_id, report.run_id.unwrap().as_str()), (None, ID));
    }

    #[test]
    fn a_replica_tells_of_its_master() {
        let report = parse(&replica()).unwrap();
        let Role::Replica(following) = report.role else { panic!("{report:?}") };
        assert_eq!(following.master, Address::new("10.0.0.1", 6379));
        assert_eq!((following.link_up, following.link_down_ms, following.priority), (false, 3_000, 5));
        assert!(!following.announced && !report.can_pause && report.replicas.is_empty());
        assert_eq!(report.offset, 41);
    }

    #[test]
    fn a_link_that_copies_is_not_up_yet() {
        let up = "role:slave\nmaster_host:h\nmaster_port:1\nmaster_link_status:up\n";
        let links = |text: &str| match parse(text).unwrap().role {
            Role::Replica(f) => (f.link_up, f.link_down_ms),
            Role::Master => panic!("{text}"),
        };
        assert_eq!(links(up), (true, 0));
        assert_eq!(links(&format!("{up}master_sync_in_progress:1\n")), (false, 0));
        let never = up.replace(":up", ":down") + "master_link_down_since_seconds:-1\n";
        assert_eq!(links(&never), (false, 0));
    }

    #[test]
    fn what_is_malformed_is_not_said() {
        for text in ["", "hello", "role", ":", "# role:master", "arole:master"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let odd = "role:master\nrun_id:short\nslave0:ip=,port=1\nslave1:ip=a,port=0\nslave2:ip=a,port=70000\nslave:ip=a,port=1\n\
                   slavex:ip=a,port=1\nslave3:ip=a b,port=1\nslave4\nmaster_repl_offset:-5\nredis_version:x\n";
        let report = parse(odd).unwrap();
        assert_eq!((report.run_id, report.replicas.len(), report.offset, report.can_pause), (None, 0, 0, false));
    }

    #[test]
    fn too_many_replicas_are_cut() {
        let lines: String = (0..5_000).map(|n| format!("slave{n}:ip=10.0.0.1,port={},state=online\n", n + 1)).collect();
        assert_eq!(parse(&format!("role:master\n{lines}")).unwrap().replicas.len(), MOST_REPLICAS);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(\\PC|\n|:|,|=){0,400}") {
            parse(&text);
        }

        #[test]
        fn no_change_of_a_byte_breaks_it(at in 0usize..400, byte in any::<u8>(), which in any::<bool>()) {
            let mut bytes = if which { master() } else { replica() }.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Some(report) = parse(&String::from_utf8_lossy(&bytes)) {
                prop_assert!(report.replicas.iter().all(|a| a.port > 0 && !a.host.is_empty()));
            }
        }
    }
}
