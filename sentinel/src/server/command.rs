//! The commands of the port: how they are called, who may call them, and what `COMMAND` tells of them.

use bytes::Bytes;

/// A command, or a subcommand of one.
#[derive(Debug)]
pub(super) struct Command {
    /// In lower case.
    pub(super) name: &'static str,
    /// Words with the command itself; negative: at least so many.
    pub(super) arity: i64,
    pub(super) flags: &'static [&'static str],
    /// Categories of ACLs.
    pub(super) categories: &'static [&'static str],
    pub(super) summary: &'static str,
    pub(super) since: &'static str,
    pub(super) subcommands: &'static [Command],
}

/// A command with the subcommand that was called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called {
    pub(super) command: &'static Command,
    pub(super) subcommand: Option<&'static Command>,
}

impl Called {
    /// `command` or `command|subcommand`.
    pub(super) fn full_name(&self) -> String {
        match self.subcommand {
            Some(sub) => format!("{}|{}", self.command.name, sub.name),
            None => self.command.name.to_owned(),
        }
    }

    /// What holds for the call: the subcommand, or else the command.
    pub(super) fn leaf(&self) -> &'static Command {
        self.subcommand.unwrap_or(self.command)
    }
}

/// The command that these words call, with the right number of words.
///
/// # Errors
/// The text of the error for the client.
pub(super) fn find(words: &[Bytes]) -> Result<Called, String> {
    let (first, rest) = words.split_first().ok_or("ERR empty command")?;
    let Some(command) = by_name(COMMANDS, first) else { return Err(unknown(first, rest)) };
    let mut called = Called { command, subcommand: None };
    if let (Some(word), false) = (rest.first(), command.subcommands.is_empty()) {
        called.subcommand = by_name(command.subcommands, word);
        if called.subcommand.is_none() {
            let word = String::from_utf8_lossy(&word[..word.len().min(128)]);
            let name = command.name.to_ascii_uppercase();
            return Err(format!("ERR unknown subcommand '{word}'. Try {name} HELP."));
        }
    }
    let count = i64::try_from(words.len()).unwrap_or(i64::MAX);
    let arity = called.leaf().arity;
    if count == arity || (arity < 0 && count >= -arity) {
        return Ok(called);
    }
    Err(format!("ERR wrong number of arguments for '{}' command", called.full_name()))
}

/// The command of a full name, `command` or `command|subcommand`.
pub(super) fn by_full_name(name: &[u8]) -> Option<Called> {
    let mut parts = name.splitn(2, |b| *b == b'|');
    let command = by_name(COMMANDS, parts.next()?)?;
    let subcommand = match parts.next() {
        Some(sub) => Some(by_name(command.subcommands, sub)?),
        None => None,
    };
    Some(Called { command, subcommand })
}

fn by_name(commands: &'static [Command], name: &[u8]) -> Option<&'static Command> {
    commands.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Redis shows the beginning of the words, 128 bytes at most.
fn unknown(name: &[u8], rest: &[Bytes]) -> String {
    let mut shown = String::new();
    for word in rest {
        if shown.len() >= 128 {
            break;
        }
        let room = word.len().min(128 - shown.len());
        shown.push_str(&format!("'{}' ", String::from_utf8_lossy(&word[..room])));
    }
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
    format!("ERR unknown command '{name}', with args beginning with: {shown}")
}

const NONE: &[Command] = &[];
const PLAIN: &[&str] = &["noscript", "loading", "stale"];
const ANY_TIME: &[&str] = &["loading", "stale"];
const LOGIN: &[&str] = &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];
const ADMIN: &[&str] = &["admin"];
const ADMIN_PLAIN: &[&str] = &["admin", "noscript", "loading", "stale"];
const PUBSUB: &[&str] = &["pubsub", "noscript", "loading", "stale"];
const SLOW: &[&str] = &["slow"];
const CONNECTION: &[&str] = &["slow", "connection"];
const FAST_CONNECTION: &[&str] = &["fast", "connection"];
const DANGEROUS: &[&str] = &["admin", "slow", "dangerous"];
const DANGEROUS_CONNECTION: &[&str] = &["admin", "slow", "dangerous", "connection"];
const SUBSCRIBER: &[&str] = &["pubsub", "slow"];

type Words = &'static [&'static str];

const fn command(name: &'static str, arity: i64, flags: Words, categories: Words, summary: &'static str) -> Command {
    Command { name, arity, flags, categories, summary, since: "2.8.0", subcommands: NONE }
}

const fn parent(
    name: &'static str,
    arity: i64,
    kind: (Words, Words),
    summary: &'static str,
    subs: &'static [Command],
) -> Command {
    Command { name, arity, flags: kind.0, categories: kind.1, summary, since: "2.8.0", subcommands: subs }
}

const fn admin(name: &'static str, arity: i64, summary: &'static str) -> Command {
    command(name, arity, ADMIN, DANGEROUS, summary)
}

/// All of them, in the order of their names.
pub(super) const COMMANDS: &[Command] = &[
    parent("acl", -2, (&[], SLOW), "Users and what they may do", ACL),
    command("auth", -2, LOGIN, FAST_CONNECTION, "Logs in"),
    parent("client", -2, (&[], SLOW), "This connection and the others", CLIENT),
    parent("command", -1, (ANY_TIME, CONNECTION), "What can be called", COMMAND),
    command("hello", -1, LOGIN, FAST_CONNECTION, "Chooses the protocol's version, logs in, names the connection"),
    command("info", -1, ANY_TIME, &["slow", "dangerous"], "State of the sentinel as text"),
    command("ping", -1, &["fast"], FAST_CONNECTION, "Answers"),
    command("psubscribe", -2, PUBSUB, SUBSCRIBER, "Listens to channels by pattern"),
    command(
        "publish",
        3,
        &["pubsub", "loading", "stale", "fast"],
        &["pubsub", "fast"],
        "Takes the hello of another sentinel",
    ),
    command("punsubscribe", -1, PUBSUB, SUBSCRIBER, "Ends listening by pattern"),
    command(
        "role",
        1,
        &["noscript", "loading", "stale", "fast"],
        &["admin", "fast", "dangerous"],
        "Role and monitored masters",
    ),
    parent("sentinel", -2, (ADMIN, DANGEROUS), "Masters, replicas and sentinels", SENTINEL),
    command(
        "shutdown",
        -1,
        &["admin", "noscript", "loading", "stale", "no_multi", "allow_busy"],
        DANGEROUS,
        "Ends the sentinel",
    ),
    command("subscribe", -2, PUBSUB, SUBSCRIBER, "Listens to channels"),
    command("unsubscribe", -1, PUBSUB, SUBSCRIBER, "Ends listening to channels"),
];

const ACL: &[Command] = &[
    command("cat", -2, PLAIN, SLOW, "Categories of commands, or the commands of one"),
    command("deluser", -3, ADMIN_PLAIN, DANGEROUS, "Removes users until the next start"),
    command("dryrun", -4, ADMIN_PLAIN, DANGEROUS, "Whether a user may call a command"),
    command("genpass", -2, PLAIN, SLOW, "A random password"),
    command("getuser", 3, ADMIN_PLAIN, DANGEROUS, "A user's rules"),
    command("help", 2, ANY_TIME, SLOW, "This help"),
    command("list", 2, ADMIN_PLAIN, DANGEROUS, "All users with their rules"),
    command("load", 2, ADMIN_PLAIN, DANGEROUS, "Reads the ACL file again"),
    command("log", -2, ADMIN_PLAIN, DANGEROUS, "What was refused lately"),
    command("save", 2, ADMIN_PLAIN, DANGEROUS, "Writes the ACL file"),
    command("setuser", -3, ADMIN_PLAIN, DANGEROUS, "Makes or changes a user until the next start"),
    command("users", 2, ADMIN_PLAIN, DANGEROUS, "Names of all users"),
    command("whoami", 2, PLAIN, SLOW, "The user of this connection"),
];

const CLIENT: &[Command] = &[
    command("caching", 3, PLAIN, CONNECTION, "Not supported: there are no keys to track"),
    command("getname", 2, PLAIN, CONNECTION, "The connection's name"),
    command("getredir", 2, PLAIN, CONNECTION, "-1: nothing is tracked"),
    command("help", 2, ANY_TIME, CONNECTION, "This help"),
    command("id", 2, PLAIN, CONNECTION, "The connection's number"),
    command("info", 2, PLAIN, CONNECTION, "The connection in one line"),
    command("kill", -3, ADMIN_PLAIN, DANGEROUS_CONNECTION, "Closes connections"),
    command("list", -2, ADMIN_PLAIN, DANGEROUS_CONNECTION, "All connections, one in a line"),
    command("no-evict", 3, ADMIN_PLAIN, DANGEROUS_CONNECTION, "Accepted; connections are never evicted for memory"),
    command("no-touch", 3, PLAIN, CONNECTION, "Accepted; there are no keys to touch"),
    command(
        "pause",
        -3,
        ADMIN_PLAIN,
        DANGEROUS_CONNECTION,
        "Not supported: a sentinel that waits is a sentinel that is down",
    ),
    command("reply", 3, PLAIN, CONNECTION, "Whether commands are answered"),
    command("setinfo", 4, PLAIN, CONNECTION, "Name or version of the client's library"),
    command("setname", 3, PLAIN, CONNECTION, "Names the connection"),
    command("tracking", -3, PLAIN, CONNECTION, "Not supported: there are no keys to track"),
    command("trackinginfo", 2, PLAIN, CONNECTION, "That nothing is tracked"),
    command("unblock", -3, ADMIN_PLAIN, DANGEROUS_CONNECTION, "0: no connection is ever blocked"),
    command("unpause", 2, ADMIN_PLAIN, DANGEROUS_CONNECTION, "Accepted; nothing is ever paused"),
];

const COMMAND: &[Command] = &[
    command("count", 2, ANY_TIME, CONNECTION, "How many commands there are"),
    command("docs", -2, ANY_TIME, CONNECTION, "What commands are for"),
    command("getkeys", -4, ANY_TIME, CONNECTION, "No command has keys"),
    command("getkeysandflags", -4, ANY_TIME, CONNECTION, "No command has keys"),
    command("help", 2, ANY_TIME, CONNECTION, "This help"),
    command("info", -2, ANY_TIME, CONNECTION, "How commands are called"),
    command("list", -2, ANY_TIME, CONNECTION, "Names of all commands"),
];

const SENTINEL: &[Command] = &[
    admin("ckquorum", 3, "Whether quorum and majority can be reached for a master"),
    admin("config", -3, "Settings of the whole sentinel"),
    admin("debug", -2, "Times in milliseconds, and how to change them"),
    admin("failover", -3, "Changes the master, without loss where that is possible; `force`: at any price"),
    admin("flushconfig", 2, "Writes the configuration file"),
    admin("get-master-addr-by-name", 3, "Host and port of a master"),
    command("help", 2, ANY_TIME, SLOW, "This help"),
    admin("info-cache", -3, "The last INFO of masters and their replicas"),
    admin("is-master-down-by-addr", -6, "Whether a master is down, and a vote; asked by sentinels"),
    admin("master", 3, "State of a master"),
    admin("masters", 2, "State of all masters"),
    admin("monitor", 6, "Begins to monitor a master"),
    admin("myid", 2, "This sentinel's id"),
    admin("myversion", 2, "Which program this is; only sentinels of this kind answer"),
    admin("pause", -3, "Only observes a master until resumed, also over a restart: <master> [<who>]"),
    admin("pending-scripts", 2, "Scripts that run or wait"),
    admin("remove", 3, "Ends monitoring of a master"),
    admin("replicas", 3, "State of a master's replicas"),
    admin("reset", 3, "Forgets replicas and sentinels of the masters that match"),
    admin("resume", 3, "Ends a pause"),
    admin("sentinels", 3, "State of the other sentinels of a master"),
    admin("set", -5, "Changes settings of a master"),
    admin("simulate-failure", -3, "Ends the process at a chosen point"),
    admin("slaves", 3, "State of a master's replicas"),
    admin("status", 3, "What redis-sentinel has no word for: mode, fencing, epochs, vote"),
    admin("switchover", -3, "Changes the master without loss, or not at all: <master> [<host> <port>]"),
    admin("why-not", 3, "The first condition that keeps a replica from being promoted now, and what would change it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Result<String, String> {
        let words: Vec<Bytes> = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
        find(&words).map(|called| called.full_name())
    }

    #[test]
    fn calls_and_errors_as_redis_gives_them() {
        let table = [
            ("PING", Ok("ping")),
            ("ping a b c", Ok("ping")),
            ("Sentinel MyId", Ok("sentinel|myid")),
            ("COMMAND", Ok("command")),
            ("command count", Ok("command|count")),
            ("SENTINEL", Err("ERR wrong number of arguments for 'sentinel' command")),
            ("SENTINEL foo", Err("ERR unknown subcommand 'foo'. Try SENTINEL HELP.")),
            ("SENTINEL master", Err("ERR wrong number of arguments for 'sentinel|master' command")),
            ("sentinel set m quorum", Err("ERR wrong number of arguments for 'sentinel|set' command")),
            ("ROLE x", Err("ERR wrong number of arguments for 'role' command")),
            ("FOO", Err("ERR unknown command 'FOO', with args beginning with: ")),
            ("GET a b", Err("ERR unknown command 'GET', with args beginning with: 'a' 'b' ")),
        ];
        for (line, expected) in table {
            assert_eq!(call(line), expected.map(str::to_owned).map_err(str::to_owned), "{line}");
        }
        let long = call(&format!("x {} z", "y".repeat(300))).unwrap_err();
        assert!(long.ends_with(&format!("'{}' ", "y".repeat(128))), "{long}");
    }

    #[test]
    fn the_table_is_in_order_and_whole() {
        let sorted = |list: &[Command]| list.windows(2).all(|pair| pair[0].name < pair[1].name);
        assert!(sorted(COMMANDS) && COMMANDS.iter().all(|c| sorted(c.subcommands)));
        assert_eq!(COMMANDS.len(), 15);
        assert!(by_full_name(b"SENTINEL|myid").is_some() && by_full_name(b"sentinel|x").is_none());
    }
}
