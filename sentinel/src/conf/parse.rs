//! The passes over the lines: `monitor` first, for all others refer to it, then the rest, so that order does not
//! matter.

use super::lines::{self, Line};
use super::problem::{Problem, Problems};
use super::selector::{CommandRule, RuleError};
use super::server::ServerConfig;
use super::user::User;
use super::{sentinel, server};
use crate::core::config::Globals;
use crate::core::durable::{Durable, DurableMaster};
use crate::core::ids::{Epoch, MasterName, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Port and process.
    pub server: ServerConfig,
    /// This sentinel's id, once it has been written.
    pub me: Option<RunId>,
    /// The greatest epoch seen.
    pub current_epoch: Epoch,
    /// Settings of the whole sentinel.
    pub globals: Globals,
    /// The monitored masters, with what was learnt of them.
    pub masters: BTreeMap<MasterName, DurableMaster>,
    /// The URL of the registry that primaries and replicas are published into.
    pub registry: Option<String>,
    /// The scripts it names.
    pub scripts: Vec<NamedScript>,
    /// What its users' rules say of commands.
    pub rules: Vec<NamedRule>,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<Problem>,
}

/// A script that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedScript {
    /// Its path.
    pub path: String,
    /// What is wrong with the file where this cannot be run.
    pub unfit: Problem,
}

/// A rule about a command in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRule {
    /// The rule.
    pub rule: CommandRule,
    /// What is wrong with the file where there is no such command.
    pub unfit: Problem,
}

impl Config {
    /// The durable state that the file holds, for a sentinel of this id.
    pub fn durable(&self, me: RunId) -> Durable {
        let mut durable = Durable::new(me);
        durable.current_epoch = self.current_epoch;
        durable.globals = self.globals.clone();
        durable.masters = self.masters.clone();
        durable
    }
}

/// Reads a file that includes no other.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &[u8]) -> Result<Config, Problems> {
    parse_with(text, |_| Err("cannot be included here".to_owned()))
}

/// Reads a file; `include` gives the text of the files that its `include` lines name.
///
/// # Errors
/// All that is wrong with it and them.
pub fn parse_with(text: &[u8], include: impl FnMut(&str) -> Result<Vec<u8>, String>) -> Result<Config, Problems> {
    let mut parser = Parser::default();
    let lines = parser.expand(text, include);
    for line in &lines {
        if line.words[0] == "sentinel" {
            sentinel::read_monitor(&mut parser, line);
        }
    }
    for line in &lines {
        parser.twice(line);
        match line.words[0].as_str() {
            "sentinel" => sentinel::read(&mut parser, line),
            name => match server::set(&mut parser.config.server, &line.words) {
                Ok(()) if name == "user" => parser.name_rules(line),
                Ok(()) => {}
                Err(what) => parser.problem(line, name, what),
            },
        }
    }
    parser.names_resolve();
    if parser.problems.is_empty() {
        parser.config.warnings = Problems::sorted(parser.warnings).0;
        return Ok(parser.config);
    }
    Err(Problems::sorted(parser.problems))
}

/// What is known while reading.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pub(super) config: Config,
    /// Where each master's `monitor` line stands.
    pub(super) monitors: BTreeMap<MasterName, (Option<String>, usize)>,
    /// Names in `monitor` lines, also in wrong ones.
    pub(super) named: BTreeSet<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Where each directive stood last, by file.
    seen: BTreeMap<(Option<String>, String), usize>,
}

/// Included files in included files, and all files together: a loop of includes ends.
const INCLUDES: usize = 64;

impl Parser {
    pub(super) fn problem(&mut self, line: &Line, key: &str, what: impl Into<String>) {
        self.problems.push(line.problem(key, what));
    }

    pub(super) fn warn(&mut self, line: &Line, key: &str, what: impl Into<String>) {
        self.warnings.push(line.problem(key, what));
    }

    /// The lines of the text, with those of included files where they are included.
    fn expand(&mut self, text: &[u8], mut include: impl FnMut(&str) -> Result<Vec<u8>, String>) -> Vec<Line> {
        let mut waiting = lines::read(text, None, &mut self.problems);
        waiting.reverse();
        let (mut lines, mut included) = (Vec::new(), 0);
        while let Some(line) = waiting.pop() {
            if line.words[0] != "include" {
                lines.push(line);
                continue;
            }
            let [_, path] = line.words.as_slice() else {
                self.problem(&line, "include", "one path expected");
                continue;
            };
            included += 1;
            if included > INCLUDES {
                self.problem(&line, "include", format!("more than {INCLUDES} files; do they include each other?"));
                break;
            }
            match include(path) {
                Ok(text) => {
                    let inner = lines::read(&text, Some(path), &mut self.problems);
                    waiting.extend(inner.into_iter().rev());
                }
                Err(why) => self.problem(&line, "include", format!("{path}: {why}")),
            }
        }
        lines
    }

    /// Keeps where the rules of the user stand that was just read.
    fn name_rules(&mut self, line: &Line) {
        let user = self.config.server.users.last();
        for rule in user.into_iter().flat_map(User::all_selectors).flat_map(|selector| &selector.commands) {
            let unfit = line.problem("user", format!("rule `{rule}`: {}", RuleError::Unknown));
            self.config.rules.push(NamedRule { rule: rule.clone(), unfit });
        }
    }

    /// Host names need leave to be resolved, as in redis-sentinel.
    fn names_resolve(&mut self) {
        if self.config.globals.resolve_hostnames {
            return;
        }
        for (name, master) in &self.config.masters {
            let host = &*master.address.host;
            if host.parse::<IpAddr>().is_err() {
                let (file, line) = self.monitors.get(name).cloned().unwrap_or_default();
                let key = format!("sentinel monitor {name}");
                let what = format!("`{host}` is no IP address; host names need `sentinel resolve-hostnames yes`");
                self.problems.push(Problem { file, line, key, what });
            }
        }
    }

    /// Warns of a directive that stood before: the later one counts.
    fn twice(&mut self, line: &Line) {
        let mut key = line.words[0].clone();
        if key == "sentinel" {
            let Some((name, per_master)) = line.words.get(1).and_then(|word| sentinel::known(word)) else { return };
            if sentinel::repeats(&name) || name == "monitor" {
                return;
            }
            key = format!("sentinel {name}");
            if let (true, Some(master)) = (per_master, line.words.get(2)) {
                key = format!("{key} {master}");
            }
        } else if server::repeats(&key) {
            return;
        }
        if let Some(earlier) = self.seen.insert((line.file.clone(), key.clone()), line.number) {
            self.warn(line, &key, format!("stands in line {earlier} already; this one counts"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Secret;
    use crate::core::ids::Address;
    use proptest::prelude::*;

    /// What Debian's redis-sentinel 7.0 wrote.
    const WRITTEN: &str = include_str!("testdata/redis-sentinel-7.0.conf");

    #[test]
    fn a_registry_is_one_that_there_is() {
        let config = parse(b"sentinel registry file:///r").unwrap();
        assert_eq!(config.registry.as_deref(), Some("file:///r"));
        let wrong = parse(b"port 1\nsentinel registry flie:///r").unwrap_err().to_string();
        assert!(wrong.starts_with("line 2: `sentinel registry`") && wrong.contains("did you mean `file`"), "{wrong}");
    }

    #[test]
    fn a_file_that_redis_sentinel_wrote() {
        let config = parse(WRITTEN.as_bytes()).unwrap();
        assert_eq!(config.me.unwrap().as_str(), "a29c9da1e99b04b4f195f6c6dad7c63add9adf43");
        assert_eq!((config.server.port, config.server.daemonize), (27401, true));
        assert_eq!(config.server.requirepass, Some(Secret("a b".into())));
        assert_eq!(config.server.users.len(), 2);
        let master = &config.masters[&MasterName::from("mymaster")];
        assert_eq!(master.address, Address::new("127.0.0.1", 27400));
        assert_eq!((master.settings.quorum, master.settings.down_after), (2, 1000));
        assert!(master.replicas.contains(&Address::new("127.0.0.1", 27402)));
        assert_eq!(master.peers.len(), 1);
        assert_eq!(config.warnings, []);
    }

    #[test]
    fn ten_mistakes_are_ten_problems() {
        let text = "\
port 263790
sentinel montior a 127.0.0.1 6379 2
sentinel monitor mymaster 127.0.0.1 6379 0
sentinel down-after-milliseconds mymaster 1000
sentinel monitor other 127.0.0.1 6379 2
sentinel down-after-miliseconds other 1000
sentinel failover-timeout othre 1000
sentinel parallel-syncs other none
sentinel known-replica other 127.0.0.1
sentinel myid abc
sentinel
loglevl notice
sentinel auth-pass other \"x
sentinel monitor third redis-3 6379 2
";
        let expected = "\
line 1: `port`: `263790` is no port
line 2: `sentinel montior`: unknown directive; did you mean `monitor`?
line 3: `sentinel monitor mymaster`: quorum `0` is no number above 0
line 6: `sentinel down-after-miliseconds`: unknown directive; did you mean `down-after-milliseconds`?
line 7: `sentinel failover-timeout othre`: there is no `sentinel monitor othre …`; did you mean `other`?
line 8: `sentinel parallel-syncs other`: `none` is no number above 0
line 9: `sentinel known-replica other`: a host and a port expected
line 10: `sentinel myid`: `abc` is no id of 40 characters
line 11: `sentinel`: a directive expected
line 12: `loglevl`: unknown directive; did you mean `loglevel`?
line 13: unbalanced quotes
line 14: `sentinel monitor third`: `redis-3` is no IP address; host names need `sentinel resolve-hostnames yes`";
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_wrong_monitor_line_is_one_problem_and_hides_no_other() {
        let text = "\
sentinel monitor m 127.0.0.1 99999 2
sentinel down-after-milliseconds m 1000
sentinel parallel-syncs m none
sentinel known-replica m 127.0.0.1
sentinel failover-timeout n 5000
";
        let expected = "\
line 1: `sentinel monitor m`: `99999` is no port
line 3: `sentinel parallel-syncs m`: `none` is no number above 0
line 4: `sentinel known-replica m`: a host and a port expected
line 5: `sentinel failover-timeout n`: there is no `sentinel monitor n …`; did you mean `m`?";
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected);
        // Mended, that line is a problem no more, and the others are what they were.
        let mended = text.replace("99999", "6379");
        let rest = expected.split_once('\n').unwrap().1;
        assert_eq!(parse(mended.as_bytes()).unwrap_err().to_string(), rest);
    }

    #[test]
    fn what_stands_twice() {
        let text = "\
port 1
sentinel monitor m 127.0.0.1 6379 2
sentinel quorum m 3
PORT 2
sentinel down-after-milliseconds m 1
sentinel down-after-milliseconds m 2
sentinel known-slave m 127.0.0.1 1
sentinel known-replica m 127.0.0.1 1
sentinel known-sentinel m 127.0.0.1 1
";
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 3: `sentinel quorum`: unknown directive");
        let config = parse(text.replace("sentinel quorum m 3", "").as_bytes()).unwrap();
        let warnings: Vec<String> = config.warnings.iter().map(Problem::to_string).collect();
        let expected = [
            "line 4: `port`: stands in line 1 already; this one counts",
            "line 6: `sentinel down-after-milliseconds m`: stands in line 5 already; this one counts",
            "line 9: `sentinel known-sentinel m`: passed over, for it has no id; the sentinel will be found again",
        ];
        assert_eq!(warnings, expected);
        assert_eq!(config.masters[&MasterName::from("m")].settings.down_after, 2);
        let twice = "sentinel monitor m 127.0.0.1 1 1\nsentinel monitor m 127.0.0.1 2 1\n";
        let error = parse(twice.as_bytes()).unwrap_err().to_string();
        assert!(error.ends_with("this name stands in line 1 already; a name is monitored once"), "{error}");
    }

    #[test]
    fn included_files_and_the_file_itself() {
        let inner = "port 5\nsentinel monitor m 127.0.0.1 1 1\nsentinel down-after-milliseconds m 7\n";
        let text = "include a.conf\nsentinel monitor m 127.0.0.1 2 1\nsentinel config-epoch m 3\n";
        let config =
            parse_with(text.as_bytes(), |path| (path == "a.conf").then(|| inner.into()).ok_or("?".into())).unwrap();
        let master = &config.masters[&MasterName::from("m")];
        assert_eq!((config.server.port, master.address.port, master.settings.down_after), (5, 2, 7));
        let error = parse_with(b"include b\n", |_| Err("No such file or directory".into())).unwrap_err().to_string();
        assert_eq!(error, "line 1: `include`: b: No such file or directory");
        let error = parse_with(b"include a\n", |_| Ok(b"port x\ninclude a\n".to_vec())).unwrap_err().to_string();
        assert!(error.contains("a, line 1: `port`: `x` is no port") && error.contains("more than 64 files"), "{error}");
    }

    proptest! {
        #[test]
        fn every_text_means_something_or_has_problems(text in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(problems) = parse(&text) {
                prop_assert!(!problems.0.is_empty());
            }
        }

        #[test]
        fn words_of_the_language_in_any_order(words in prop::collection::vec(prop::sample::select(vec![
            "sentinel ", "monitor ", "m ", "127.0.0.1 ", "6379 ", "2 ", "\n", "known-replica ", "known-sentinel ", "myid ",
            "fencing ", "gate ", "user ", "port ", "include ", "\"", "on ", "+@all ", "announce-ip ", "auth-pass ", "down-after-milliseconds ",
        ]), 0..40)) {
            let text: String = words.concat();
            if let Err(problems) = parse(text.as_bytes()) {
                prop_assert!(problems.0.iter().all(|p| p.line > 0 && !p.what.is_empty()));
            }
        }
    }
}
