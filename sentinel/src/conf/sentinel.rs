//! `sentinel …` directives: masters, what is set for them, what was learnt of them, and what holds for the whole
//! sentinel.

use super::lines::Line;
use super::option::{self, OPTIONS, OptionError, number, yes_no};
use super::parse::{NamedScript, Parser};
use super::problem::hint;
use super::server::LogFormat;
use crate::core::config::{Secret, Settings};
use crate::core::durable::{DurableMaster, DurablePeer, PeerKind};
use crate::core::ids::{Address, Epoch, MasterName, RunId};
use std::net::{Ipv4Addr, SocketAddr};

/// Directives for one master beside its options; the word after them is the master's name.
const STATE: &[&str] = &["monitor", "config-epoch", "leader-epoch", "known-replica", "known-slave", "known-sentinel"];

/// Directives for the whole sentinel, with one value.
const GLOBAL: &[&str] = &[
    "myid",
    "current-epoch",
    "announce-ip",
    "announce-port",
    "deny-scripts-reconfig",
    "sentinel-user",
    "sentinel-pass",
    "resolve-hostnames",
    "announce-hostnames",
    "metrics-bind",
    "log-format",
    "registry",
];

/// Those among them that are about the process; nothing at run time changes them.
const PROCESS: &[&str] = &["deny-scripts-reconfig", "metrics-bind", "log-format", "registry"];

/// The name of a directive in lower case, and whether a master's name follows it; `None` if there is no such directive.
pub(super) fn known(word: &str) -> Option<(String, bool)> {
    let word = word.to_ascii_lowercase();
    let per_master = STATE.contains(&word.as_str()) || OPTIONS.contains(&word.as_str());
    (per_master || GLOBAL.contains(&word.as_str())).then_some((word, per_master))
}

/// A directive that is about the process.
pub(super) fn of_process(name: &str) -> bool {
    PROCESS.contains(&name)
}

/// A directive that may stand more than once for a master.
pub(super) fn repeats(name: &str) -> bool {
    matches!(name, "known-replica" | "known-slave" | "known-sentinel" | "rename-command")
}

/// Takes a line that begins with `sentinel`.
pub(super) fn read(parser: &mut Parser, line: &Line) {
    let Some(word) = line.words.get(1) else {
        return parser.problem(line, "sentinel", "a directive expected");
    };
    let Some((name, per_master)) = known(word) else {
        let all = STATE.iter().chain(OPTIONS).chain(GLOBAL).copied();
        let what = format!("unknown directive{}", hint(word, all));
        return parser.problem(line, &format!("sentinel {word}"), what);
    };
    let read = if per_master { master(parser, line, &name) } else { global(parser, line, &name) };
    if let Err(what) = read {
        let owner = if per_master { line.words.get(2) } else { None };
        let key = owner.map_or_else(|| format!("sentinel {name}"), |owner| format!("sentinel {name} {owner}"));
        parser.problem(line, &key, what);
    }
}

/// Takes the `monitor` lines, which all others refer to.
pub(super) fn read_monitor(parser: &mut Parser, line: &Line) {
    if line.words.get(1).is_some_and(|word| word.eq_ignore_ascii_case("monitor"))
        && let Err(what) = monitor(parser, line)
    {
        let owner = line.words.get(2).map_or("", String::as_str);
        parser.problem(line, format!("sentinel monitor {owner}").trim_end(), what);
    }
}

fn monitor(parser: &mut Parser, line: &Line) -> Result<(), String> {
    let [_, _, name, host, port, quorum] = line.words.as_slice() else {
        return Err("`sentinel monitor <name> <host> <port> <quorum>` expected".to_owned());
    };
    parser.named.insert(name.clone());
    let address = address(host, port)?;
    let quorum: u32 =
        number(quorum).filter(|q| *q > 0).ok_or_else(|| format!("quorum `{quorum}` is no number above 0"))?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Err("a master's name has letters, digits, `.`, `-` and `_`".to_owned());
    }
    let name = MasterName::from(name.as_str());
    // What is rewritten stands in the file itself and is newer than what an included file says.
    if let Some(earlier) = parser.monitors.get(&name) {
        match (&earlier.0, &line.file) {
            (None, Some(_)) => return Ok(()),
            (Some(_), None) => {}
            _ => return Err(format!("this name stands in line {} already; a name is monitored once", earlier.1)),
        }
    }
    parser.monitors.insert(name.clone(), (line.file.clone(), line.number));
    parser.config.masters.insert(name, DurableMaster::new(address, Settings::new(quorum)));
    Ok(())
}

fn master(parser: &mut Parser, line: &Line, directive: &str) -> Result<(), String> {
    if directive == "monitor" {
        return Ok(());
    }
    let Some(name) = line.words.get(2) else { return Err("a master's name expected".to_owned()) };
    let values = &line.words[3..];
    let mut stand_in;
    let master = match parser.config.masters.get_mut(&MasterName::from(name.as_str())) {
        Some(master) => master,
        // A `monitor` line that is wrong itself is one problem, and not one for each line about that master; what is
        // wrong with the values of those is said all the same.
        None if parser.named.contains(name) => {
            stand_in = DurableMaster::new(Address::new("", 0), Settings::new(1));
            &mut stand_in
        }
        None => {
            let near = hint(name, parser.named.iter().map(String::as_str));
            return Err(format!("there is no `sentinel monitor {name} …`{near}"));
        }
    };
    match (directive, values) {
        ("config-epoch", [value]) => master.config_epoch = epoch(value)?,
        ("leader-epoch", [value]) => master.vote.epoch = epoch(value)?,
        ("known-replica" | "known-slave", [host, port]) => {
            master.replicas.insert(address(host, port)?);
        }
        ("known-sentinel", [host, port, id]) => {
            let id: RunId = id.parse().map_err(|_| format!("`{id}` is no id of 40 characters"))?;
            master.peers.insert(id, DurablePeer { address: address(host, port)?, kind: PeerKind::Unknown });
        }
        ("known-sentinel", [host, port]) => {
            address(host, port)?;
            let what = "passed over, for it has no id; the sentinel will be found again";
            parser.warn(line, &format!("sentinel known-sentinel {name}"), what);
        }
        ("config-epoch" | "leader-epoch", _) => return Err("one value expected".to_owned()),
        ("known-replica" | "known-slave", _) => return Err("a host and a port expected".to_owned()),
        ("known-sentinel", _) => return Err("a host, a port and an id expected".to_owned()),
        (option, values) => {
            let change = option::change(option, values).map_err(spoken)?;
            change.apply(&mut master.settings);
            if let Some(path) = change.script() {
                let what = format!("`{path}` is no file that this user may run");
                let unfit = line.problem(format!("sentinel {directive} {name}"), what);
                parser.config.scripts.push(NamedScript { path: path.to_owned(), unfit });
            }
        }
    }
    Ok(())
}

fn global(parser: &mut Parser, line: &Line, directive: &str) -> Result<(), String> {
    let [value] = &line.words[2..] else { return Err("one value expected".to_owned()) };
    let text = (!value.is_empty()).then(|| value.clone());
    let globals = &mut parser.config.globals;
    match directive {
        "myid" => parser.config.me = Some(value.parse().map_err(|_| format!("`{value}` is no id of 40 characters"))?),
        "current-epoch" => parser.config.current_epoch = epoch(value)?,
        "announce-ip" => globals.announce = announce(value, globals.announce.as_ref().map_or(0, |a| a.port)),
        "announce-port" => {
            let port = number(value).ok_or_else(|| format!("`{value}` is no port"))?;
            globals.announce = announce(globals.announce.as_ref().map_or("", |a| &a.host), port);
        }
        "deny-scripts-reconfig" => parser.config.server.deny_scripts_reconfig = yes_no(value).map_err(spoken)?,
        "metrics-bind" => parser.config.server.metrics_bind = Some(socket(value)?),
        "log-format" => parser.config.server.log_format = log_format(value)?,
        "sentinel-user" => globals.sentinel_user = text,
        "sentinel-pass" => globals.sentinel_pass = text.map(Secret),
        "resolve-hostnames" => globals.resolve_hostnames = yes_no(value).map_err(spoken)?,
        "announce-hostnames" => globals.announce_hostnames = yes_no(value).map_err(spoken)?,
        "registry" => {
            mainstay_registry::check(value).map_err(|e| e.to_string())?;
            parser.config.registry = Some(value.clone());
        }
        other => return Err(format!("`{other}` has no meaning here")),
    }
    Ok(())
}

/// The announced address; an empty host or a port of 0 stands for the local one.
pub(crate) fn announce(host: &str, port: u16) -> Option<Address> {
    (!host.is_empty() || port != 0).then(|| Address::new(host, port))
}

fn address(host: &str, port: &str) -> Result<Address, String> {
    let port: u16 = number(port).filter(|p| *p > 0).ok_or_else(|| format!("`{port}` is no port"))?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
        return Err(format!("`{host}` is no host"));
    }
    Ok(Address::new(host, port))
}

/// `ip:port`, or a port of the loopback address.
fn socket(value: &str) -> Result<SocketAddr, String> {
    let here = || number(value).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    value.parse().ok().or_else(here).ok_or_else(|| format!("`{value}` is no `ip:port` and no port"))
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    LogFormat::of(value).ok_or_else(|| format!("`{value}` is none of text, json"))
}

fn epoch(value: &str) -> Result<Epoch, String> {
    // Redis keeps epochs unsigned and writes them so.
    value.parse().map(Epoch).map_err(|_| format!("`{value}` is no epoch"))
}

fn spoken(error: OptionError) -> String {
    error.to_string()
}
