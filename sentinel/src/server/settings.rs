//! `SENTINEL SET`, `CONFIG` and `DEBUG`: settings of a master, of the whole sentinel, and its times.

use super::glob;
use super::sentinel::Sight;
use super::step::{Step, Work};
use crate::conf::{self, OptionError, change, words_of_option};
use crate::core::config::{Change, Fencing, Globals, Secret};
use crate::core::event::Request;
use crate::core::ids::MasterName;
use crate::resp::{Value, integer};
use crate::view::{Tuning, View};

const DENIED: &str = "ERR Reconfiguration of scripts path is denied for security reasons. Check the \
    deny-scripts-reconfig configuration directive in your Sentinel configuration";

/// `option value…` pairs for one master. As in Redis those before a wrong one are carried out.
pub(super) fn set(master: &MasterName, words: &[&str], sight: Sight<'_>) -> Step {
    let (mut work, mut rest, mut reply) = (Vec::new(), words, Value::OK);
    while let Some((option, after)) = rest.split_first() {
        let count = words_of_option(option, after).filter(|count| *count <= after.len());
        let Some((values, next)) = count.and_then(|count| after.split_at_checked(count)) else {
            reply = Value::error(format!("ERR Unknown option or number of arguments for SENTINEL SET '{option}'"));
            break;
        };
        match change(option, values).map_err(|error| refused(option, error)).and_then(|c| allowed(c, sight)) {
            Ok(change) => work.push(Work::Operator(Request::Set(master.clone(), change))),
            Err(text) => {
                reply = Value::error(text);
                break;
            }
        }
        rest = next;
    }
    Step::Work(work, reply)
}

/// `GET pattern…` and `SET option value…`; all options are right, or none is set.
pub(super) fn config(words: &[&str], view: &View) -> Step {
    let (verb, rest) = words.split_first().map_or(("", &[][..]), |(verb, rest)| (*verb, rest));
    let [_, ..] = rest else { return wrong_config() };
    match verb.to_ascii_lowercase().as_str() {
        "get" => Step::one(config_get(rest, &view.globals)),
        "set" if rest.len() % 2 == 0 => {
            let mut globals = view.globals.clone();
            for pair in rest.chunks_exact(2) {
                if let Err(text) = config_set(pair[0], pair[1], &mut globals) {
                    return Step::error(text);
                }
            }
            Step::operate(Request::SetGlobals(globals))
        }
        _ => wrong_config(),
    }
}

/// Without words the times, else `name value…` pairs; all are right, or none is set.
pub(super) fn debug(words: &[&str], view: &View) -> Step {
    let (mut globals, mut tuning) = (view.globals.clone(), view.tuning.clone());
    if words.is_empty() {
        let shown = TIMES.iter().map(|(name, time)| {
            let value = *time(&mut globals, &mut tuning);
            (Value::bulk(name.to_ascii_uppercase()), Value::bulk(value.to_string()))
        });
        return Step::one(Value::Map(shown.collect()));
    }
    for pair in words.chunks(2) {
        let known = TIMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(pair[0]));
        let ([name, value], Some((_, time))) = (pair, known) else {
            return Step::error(format!("ERR Unknown option or number of arguments for SENTINEL DEBUG '{}'", pair[0]));
        };
        let Some(ms) = integer(value.as_bytes()).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0) else {
            return Step::error(format!("ERR Invalid argument '{value}' for SENTINEL DEBUG '{name}'"));
        };
        *time(&mut globals, &mut tuning) = ms;
    }
    let mut work = Vec::new();
    if globals != view.globals {
        work.push(Work::Operator(Request::SetGlobals(globals)));
    }
    if tuning != view.tuning {
        work.push(Work::Tune(tuning));
    }
    Step::Work(work, Value::OK)
}

fn refused(option: &str, error: OptionError) -> String {
    match error {
        OptionError::Invalid { value, .. } => format!("ERR Invalid argument '{value}' for SENTINEL SET '{option}'"),
        _ => format!("ERR Unknown option or number of arguments for SENTINEL SET '{option}'"),
    }
}

/// Whoever can set a script can run what they like: it needs leave in the file, and a script that is there.
fn allowed(change: Change, sight: Sight<'_>) -> Result<Change, String> {
    let (what, path) = match &change {
        Change::NotificationScript(path) => ("Notification", path.as_deref().unwrap_or("")),
        Change::ClientReconfigScript(path) => ("Client reconfiguration", path.as_deref().unwrap_or("")),
        Change::Fencing(Fencing::Command { script }) => ("Fencing", script.as_str()),
        _ => return Ok(change),
    };
    if sight.deny_scripts {
        return Err(DENIED.to_owned());
    }
    if !path.is_empty() && !(sight.executable)(path) {
        return Err(format!("ERR {what} script seems non existing or non executable"));
    }
    Ok(change)
}

fn wrong_config() -> Step {
    Step::error("ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported.")
}

fn config_get(patterns: &[&str], globals: &Globals) -> Value {
    let yes = |on: bool| String::from(if on { "yes" } else { "no" });
    let announced = globals.announce.as_ref();
    let all = [
        ("resolve-hostnames", yes(globals.resolve_hostnames)),
        ("announce-hostnames", yes(globals.announce_hostnames)),
        ("announce-ip", announced.map(|a| a.host.to_string()).unwrap_or_default()),
        ("announce-port", announced.map_or(0, |a| a.port).to_string()),
        ("sentinel-user", globals.sentinel_user.clone().unwrap_or_default()),
        ("sentinel-pass", globals.sentinel_pass.as_ref().map(|p| p.0.clone()).unwrap_or_default()),
    ];
    let wanted = |name: &str| {
        patterns.iter().any(|pattern| glob::matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()))
    };
    let shown = all.into_iter().filter(|(name, _)| wanted(name));
    Value::Map(shown.map(|(name, value)| (Value::bulk(name), Value::bulk(value))).collect())
}

fn config_set(option: &str, value: &str, globals: &mut Globals) -> Result<(), String> {
    let invalid = || format!("ERR Invalid value '{value}' to SENTINEL CONFIG SET '{option}'");
    let yes = || match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(invalid()),
    };
    let text = (!value.is_empty()).then(|| value.to_owned());
    let (host, port) = globals.announce.as_ref().map_or((String::new(), 0), |a| (a.host.to_string(), a.port));
    match option.to_ascii_lowercase().as_str() {
        "resolve-hostnames" => globals.resolve_hostnames = yes()?,
        "announce-hostnames" => globals.announce_hostnames = yes()?,
        "announce-ip" if value.contains(|c: char| c.is_whitespace() || c == ',') => return Err(invalid()),
        "announce-ip" => globals.announce = conf::announce(value, port),
        "announce-port" => {
            let port = integer(value.as_bytes()).and_then(|n| u16::try_from(n).ok()).ok_or_else(invalid)?;
            globals.announce = conf::announce(&host, port);
        }
        "sentinel-user" => globals.sentinel_user = text,
        "sentinel-pass" => globals.sentinel_pass = text.map(Secret),
        _ => return Err(format!("ERR Invalid argument '{option}' to SENTINEL CONFIG SET")),
    }
    Ok(())
}

type Time = for<'a> fn(&'a mut Globals, &'a mut Tuning) -> &'a mut u64;

/// The times, in Redis' order.
const TIMES: &[(&str, Time)] = &[
    ("info-period", |g, _| &mut g.timings.info_period),
    ("ping-period", |g, _| &mut g.timings.ping_period),
    ("ask-period", |g, _| &mut g.timings.ask_period),
    ("publish-period", |g, _| &mut g.timings.publish_period),
    ("default-down-after", |_, t| &mut t.default_down_after),
    ("default-failover-timeout", |_, t| &mut t.default_failover_timeout),
    ("tilt-trigger", |g, _| &mut g.timings.tilt_trigger),
    ("tilt-period", |g, _| &mut g.timings.tilt_period),
    ("slave-reconf-timeout", |g, _| &mut g.timings.reconf_timeout),
    ("min-link-reconnect-period", |g, _| &mut g.timings.min_link_reconnect_period),
    ("election-timeout", |g, _| &mut g.timings.election_timeout),
    ("script-max-runtime", |_, t| &mut t.script_max_runtime),
    ("script-retry-delay", |_, t| &mut t.script_retry_delay),
];

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn set_with(line: &str, deny_scripts: bool, executable: fn(&str) -> bool) -> (Vec<Work>, Value) {
        let view = testing::view();
        let caller = testing::CALLER;
        let sight = Sight { view: &view, now: testing::NOW, deny_scripts, executable, caller };
        let words: Vec<&str> = line.split(' ').collect();
        match set(&"mymaster".into(), &words, sight) {
            Step::Work(work, reply) => (work, reply),
            other => panic!("{other:?}"),
        }
    }

    fn error(text: impl Into<String>) -> Value {
        Value::error(text)
    }

    #[test]
    fn set_as_redis_sentinel_does() {
        let table = [
            ("quorum x", 0, error("ERR Invalid argument 'x' for SENTINEL SET 'quorum'")),
            ("foo 1", 0, error("ERR Unknown option or number of arguments for SENTINEL SET 'foo'")),
            (
                "rename-command a",
                0,
                error("ERR Unknown option or number of arguments for SENTINEL SET 'rename-command'"),
            ),
            ("rename-command a b", 1, Value::OK),
            ("quorum 2 quorum x", 1, error("ERR Invalid argument 'x' for SENTINEL SET 'quorum'")),
            ("auth-pass x auth-user y", 2, Value::OK),
            ("notification-script /x", 0, error(DENIED)),
            ("fencing command /x", 0, error(DENIED)),
            ("fencing gate 1 confirmed-writes 1", 2, Value::OK),
            (
                "down-after-milliseconds 0",
                0,
                error("ERR Invalid argument '0' for SENTINEL SET 'down-after-milliseconds'"),
            ),
        ];
        for (line, count, expected) in table {
            let (work, reply) = set_with(line, true, |_| true);
            assert_eq!((work.len(), reply), (count, expected), "{line}");
        }
    }

    #[test]
    fn scripts_with_leave() {
        let (work, reply) = set_with("client-reconfig-script /x", false, |path| path == "/x");
        let change = Change::ClientReconfigScript(Some("/x".into()));
        assert_eq!((work, reply), (vec![Work::Operator(Request::Set("mymaster".into(), change))], Value::OK));
        let (_, reply) = set_with("notification-script /y", false, |path| path == "/x");
        assert_eq!(reply, error("ERR Notification script seems non existing or non executable"));
        assert_eq!(set_with("notification-script ", false, |_| false).1, Value::OK);
    }

    fn text(step: &Step) -> String {
        match step {
            Step::Reply(values) => format!("{:?}", values[0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn config_of_the_whole_sentinel() {
        let view = testing::view();
        assert_eq!(text(&config(&["get", "nosuch"], &view)), "Map([])");
        let shown = text(&config(&["GET", "announce-*"], &view));
        assert_eq!(shown.matches("announce-").count(), 3, "{shown}");
        let table = [
            (vec!["get"], "ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported."),
            (
                vec!["set", "announce-port"],
                "ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported.",
            ),
            (vec!["foo", "bar"], "ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported."),
            (vec!["set", "announce-port", "x"], "ERR Invalid value 'x' to SENTINEL CONFIG SET 'announce-port'"),
            (vec!["set", "announce-port", "70000"], "ERR Invalid value '70000' to SENTINEL CONFIG SET 'announce-port'"),
            (vec!["set", "foo", "bar"], "ERR Invalid argument 'foo' to SENTINEL CONFIG SET"),
        ];
        for (words, expected) in table {
            assert!(text(&config(&words, &view)).contains(expected), "{words:?}");
        }
        let Step::Work(work, _) = config(&["set", "announce-ip", "1.2.3.4", "announce-port", "7"], &view) else {
            panic!()
        };
        let mut globals = view.globals.clone();
        globals.announce = conf::announce("1.2.3.4", 7);
        assert_eq!(work, [Work::Operator(Request::SetGlobals(globals))]);
    }

    #[test]
    fn times() {
        let view = testing::view();
        let Step::Reply(shown) = debug(&[], &view) else { panic!() };
        let Value::Map(pairs) = &shown[0] else { panic!() };
        let first: Vec<&str> =
            pairs.iter().take(2).flat_map(|(k, v)| [k.as_str().unwrap(), v.as_str().unwrap()]).collect();
        assert_eq!((pairs.len(), first), (13, vec!["INFO-PERIOD", "10000", "PING-PERIOD", "1000"]));
        let Step::Work(work, _) = debug(&["ping-period", "100", "Default-Down-After", "5"], &view) else { panic!() };
        assert_eq!(work.len(), 2);
        assert!(text(&debug(&["info-period", "9", "ping-period", "0"], &view)).contains("Invalid argument '0'"));
        assert!(text(&debug(&["info-period"], &view)).contains("number of arguments for SENTINEL DEBUG 'info-period'"));
    }
}
