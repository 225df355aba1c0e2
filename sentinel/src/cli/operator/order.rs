//! The command line of each command for a running sentinel. Pure.

use std::path::PathBuf;
use std::time::Duration;

use super::super::args::ArgsError;
use super::super::words::Words;
use super::drill::Plan;
use crate::core::config::Secret;
use crate::core::ids::Address;

/// How long a connection or a reply may take, in milliseconds.
const PATIENCE: u64 = 2_000;
/// How long `--wait` waits, in milliseconds.
const WAIT: u64 = 60_000;

/// A command as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Order {
    pub(super) reach: Reach,
    pub(super) json: bool,
    pub(super) what: What,
}

/// Where the sentinel is and how to get in, as far as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) at: Option<Address>,
    pub(super) conf: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) pass: Option<Secret>,
    pub(super) pass_file: Option<PathBuf>,
    pub(super) tls: bool,
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) patience: Duration,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Status {
        master: Option<String>,
    },
    Topology {
        master: Option<String>,
    },
    WhyNot {
        master: String,
    },
    Ckquorum {
        master: String,
    },
    Change(Change),
    Drill(Box<Plan>),
    /// At all sentinels. By whom, if that was said.
    Pause {
        master: String,
        by: Option<String>,
    },
    /// Words of `SENTINEL …` for this sentinel, or for all that watch the same masters.
    Tell {
        words: Vec<String>,
        all: bool,
    },
}

/// Another master is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) master: String,
    pub(super) how: How,
    /// How long its end is waited for.
    pub(super) wait: Option<Duration>,
}

/// At what price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// Without loss, perhaps to this replica.
    Switchover(Option<Address>),
    /// With whatever loss.
    Forced,
}

/// A command's name, and how its words are read.
#[derive(Debug)]
pub(in super::super) struct Verb {
    pub(in super::super) name: &'static str,
    read: fn(&mut Words) -> Result<What, ArgsError>,
}

/// All commands.
pub(in super::super) const VERBS: &[Verb] = &[
    Verb { name: "status", read: |words| Ok(What::Status { master: words.next() }) },
    Verb { name: "topology", read: |words| Ok(What::Topology { master: words.next() }) },
    Verb { name: "why-not", read: |words| Ok(What::WhyNot { master: master(words)? }) },
    Verb { name: "ckquorum", read: |words| Ok(What::Ckquorum { master: master(words)? }) },
    Verb { name: "switchover", read: switchover },
    Verb { name: "failover", read: |words| change(words, How::Forced) },
    Verb { name: "drill", read: |words| Ok(What::Drill(Box::new(Plan::parse(words)?))) },
    Verb { name: "pause", read: |words| Ok(What::Pause { by: words.value("--by")?, master: master(words)? }) },
    Verb { name: "resume", read: |words| Ok(tell(true, ["resume".to_owned(), master(words)?])) },
    Verb { name: "reset", read: reset },
    Verb { name: "set", read: set },
];

impl Order {
    /// Reads the words after the command's name.
    pub(in super::super) fn parse(verb: &Verb, words: Vec<String>) -> Result<Order, ArgsError> {
        let mut words = Words::new(words);
        let reach = Reach {
            at: words.value("--at")?.map(|text| address("--at", text)).transpose()?,
            conf: words.value("--conf")?.map(PathBuf::from),
            user: words.value("--user")?,
            pass: words.value("--pass")?.map(Secret),
            pass_file: words.value("--pass-file")?.map(PathBuf::from),
            ca: words.value("--cacert")?,
            cert: words.value("--cert")?,
            key: words.value("--key")?,
            tls: words.flag("--tls"),
            patience: Duration::from_millis(words.number("--timeout")?.unwrap_or(PATIENCE).max(1)),
        };
        let json = words.flag("--json");
        let what = (verb.read)(&mut words)?;
        words.end()?;
        Ok(Order { reach, json, what })
    }
}

fn master(words: &mut Words) -> Result<String, ArgsError> {
    words.needed("a master's name")
}

fn tell(all: bool, words: impl Into<Vec<String>>) -> What {
    What::Tell { words: words.into(), all }
}

fn switchover(words: &mut Words) -> Result<What, ArgsError> {
    let to = words.value("--to")?.map(|text| address("--to", text)).transpose()?;
    change(words, How::Switchover(to))
}

fn change(words: &mut Words, how: How) -> Result<What, ArgsError> {
    let within = words.number("--within")?.unwrap_or(WAIT);
    let wait = words.flag("--wait").then_some(Duration::from_millis(within));
    Ok(What::Change(Change { master: master(words)?, how, wait }))
}

fn reset(words: &mut Words) -> Result<What, ArgsError> {
    let all = words.flag("--all");
    Ok(tell(all, ["reset".to_owned(), words.needed("a master's name or a pattern")?]))
}

/// What follows the name is the sentinel's to judge.
fn set(words: &mut Words) -> Result<What, ArgsError> {
    let all = words.flag("--all");
    let name = master(words)?;
    let mut values = vec![words.needed("an option and its value")?, words.needed("the option's value")?];
    values.extend(words.rest());
    Ok(tell(all, [vec!["set".to_owned(), name], values].concat()))
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn address(option: &'static str, text: String) -> Result<Address, ArgsError> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() && port > 0 => {
            Ok(Address::new(host.trim_start_matches('[').trim_end_matches(']'), port))
        }
        _ => Err(ArgsError::Invalid { option, value: text, expected: "HOST:PORT" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Result<Order, ArgsError> {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let name = words.remove(0);
        Order::parse(VERBS.iter().find(|v| v.name == name).expect("a command"), words)
    }

    fn what(line: &str) -> What {
        order(line).unwrap_or_else(|e| panic!("{line}: {e}")).what
    }

    #[test]
    fn each_command_reads_its_words() {
        let m = || "m".to_owned();
        let change = |how, wait| What::Change(Change { master: "m".to_owned(), how, wait });
        let tell = |words: &str, all| What::Tell { words: words.split(' ').map(str::to_owned).collect(), all };
        let second = Some(Duration::from_secs(1));
        let table = [
            ("status", What::Status { master: None }),
            ("status m", What::Status { master: Some(m()) }),
            ("topology m", What::Topology { master: Some(m()) }),
            ("why-not m", What::WhyNot { master: m() }),
            ("ckquorum m", What::Ckquorum { master: m() }),
            ("switchover m", change(How::Switchover(None), None)),
            (
                "switchover --to 10.0.0.2:6380 m --wait --within 1000",
                change(How::Switchover(Some(Address::new("10.0.0.2", 6380))), second),
            ),
            ("failover m --wait --within=1000", change(How::Forced, second)),
            ("pause m", What::Pause { master: m(), by: None }),
            ("pause m --by ann", What::Pause { master: m(), by: Some("ann".into()) }),
            ("resume m", tell("resume m", true)),
            ("reset m*", tell("reset m*", false)),
            ("reset m* --all", tell("reset m*", true)),
            ("set m quorum 3 parallel-syncs 1", tell("set m quorum 3 parallel-syncs 1", false)),
            ("set --all m fencing none", tell("set m fencing none", true)),
        ];
        for (line, expected) in table {
            assert_eq!(what(line), expected, "{line}");
        }
    }

    #[test]
    fn where_and_how_is_read_for_all_of_them() {
        let reach = order("status --at [::1]:26380 --user u --pass p --tls --cacert ca --timeout 10").unwrap().reach;
        assert_eq!((reach.at, reach.user), (Some(Address::new("::1", 26380)), Some("u".into())));
        assert_eq!((reach.pass, reach.tls, reach.ca), (Some(Secret("p".into())), true, Some("ca".into())));
        assert_eq!(reach.patience, Duration::from_millis(10));
        let order = order("status --conf /etc/s.conf --pass-file /run/p --json").unwrap();
        assert_eq!((order.reach.conf, order.json), (Some("/etc/s.conf".into()), true));
        assert_eq!(order.reach.pass_file, Some("/run/p".into()));
    }

    #[test]
    fn mistakes_are_named() {
        let invalid = |option, value: &str| ArgsError::Invalid { option, value: value.into(), expected: "HOST:PORT" };
        let table = [
            ("why-not", ArgsError::Missing("a master's name")),
            ("set m quorum", ArgsError::Missing("the option's value")),
            ("status m n", ArgsError::TooMuch("n".into())),
            ("status --wait", ArgsError::UnknownOption("--wait".into())),
            ("switchover m --to here", invalid("--to", "here")),
            ("status --at h:0", invalid("--at", "h:0")),
            ("status --at", ArgsError::NoValue("--at")),
        ];
        for (line, expected) in table {
            assert_eq!(order(line), Err(expected), "{line}");
        }
    }
}
