//! `… HELP`, and what `COMMAND` tells: all from the table of commands.

use bytes::Bytes;

use super::command::{COMMANDS, Called, Command, by_full_name, find};
use super::glob;
use super::step::Step;
use crate::resp::Value;

/// What `COMMAND INFO` hints to clients that call several servers, by full name.
const TIPS: &[(&str, &[&str])] = &[
    ("client|info", &["nondeterministic_output"]),
    ("client|list", &["nondeterministic_output"]),
    ("command", &["nondeterministic_output_order"]),
    ("command|docs", &["nondeterministic_output_order"]),
    ("command|info", &["nondeterministic_output_order"]),
    ("command|list", &["nondeterministic_output_order"]),
    ("info", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    ("ping", &["request_policy:all_shards", "response_policy:all_succeeded"]),
];

/// The lines of a command's help.
pub(super) fn of(called: Option<Called>) -> Value {
    let Some(Called { command, .. }) = called else { return Value::Array(Vec::new()) };
    let name = command.name.to_ascii_uppercase();
    let mut lines = vec![Value::simple(format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"))];
    for sub in command.subcommands {
        lines.push(Value::simple(sub.name.to_ascii_uppercase()));
        lines.push(Value::simple(format!("    {}", sub.summary)));
    }
    Value::Array(lines)
}

/// Carries out `COMMAND` and its subcommands.
pub(super) fn command(subcommand: Option<&str>, words: &[Bytes]) -> Step {
    match subcommand {
        None => Step::one(Value::Array(COMMANDS.iter().map(|c| info(c, c.name)).collect())),
        Some("count") => Step::one(Value::Integer(i64::try_from(COMMANDS.len()).unwrap_or(i64::MAX))),
        Some("info") if words.is_empty() => command(None, words),
        Some("info") => Step::one(Value::Array(words.iter().map(|name| named_info(name)).collect())),
        Some("docs") => Step::one(docs(words)),
        Some("list") => list(words),
        Some("getkeys" | "getkeysandflags") if find(words).is_ok() => {
            Step::error("ERR The command has no key arguments")
        }
        Some("getkeys" | "getkeysandflags") => Step::error("ERR Invalid command specified"),
        Some(_) => Step::one(of(by_full_name(b"command"))),
    }
}

fn named_info(name: &[u8]) -> Value {
    match by_full_name(name) {
        Some(called) => info(called.leaf(), &called.full_name()),
        None => Value::Null,
    }
}

fn info(command: &Command, name: &str) -> Value {
    let simple = |texts: &[&str], sign: &str| {
        Value::Set(texts.iter().map(|text| Value::simple(format!("{sign}{text}"))).collect())
    };
    let tips = TIPS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, tips)| tips);
    let subcommands = command.subcommands.iter().map(|sub| info(sub, &format!("{name}|{}", sub.name))).collect();
    Value::Array(vec![
        Value::bulk(name),
        Value::Integer(command.arity),
        simple(command.flags, ""),
        Value::Integer(0),
        Value::Integer(0),
        Value::Integer(0),
        simple(command.categories, "@"),
        Value::Set(tips.iter().map(Value::bulk).collect()),
        Value::Set(Vec::new()),
        if command.subcommands.is_empty() { Value::Set(subcommands) } else { Value::Array(subcommands) },
    ])
}

fn docs(names: &[Bytes]) -> Value {
    let all = || COMMANDS.iter().map(|command| (command.name.to_owned(), command));
    let wanted: Vec<(String, &Command)> = match names {
        [] => all().collect(),
        names => {
            let called = names.iter().filter_map(|name| by_full_name(name));
            called.map(|called| (called.full_name(), called.leaf())).collect()
        }
    };
    Value::Map(wanted.into_iter().map(|(name, command)| (Value::bulk(&name), doc(command, &name))).collect())
}

fn doc(command: &Command, name: &str) -> Value {
    let pair = |key: &str, value: Value| (Value::bulk(key), value);
    let mut pairs = vec![
        pair("summary", Value::bulk(command.summary)),
        pair("since", Value::bulk(command.since)),
        pair("group", Value::bulk(if name.starts_with("sentinel") { "sentinel" } else { "connection" })),
    ];
    if !command.subcommands.is_empty() {
        let subs = command.subcommands.iter().map(|sub| {
            let name = format!("{name}|{}", sub.name);
            (Value::bulk(&name), doc(sub, &name))
        });
        pairs.push(pair("subcommands", Value::Map(subs.collect())));
    }
    Value::Map(pairs)
}

fn list(words: &[Bytes]) -> Step {
    let names = COMMANDS.iter().flat_map(|command| {
        let subs = command.subcommands.iter().map(|sub| format!("{}|{}", command.name, sub.name));
        std::iter::once(command.name.to_owned()).chain(subs)
    });
    let [] = words else {
        let [filter, kind, value] = words else { return Step::syntax_error() };
        if !filter.eq_ignore_ascii_case(b"filterby") {
            return Step::syntax_error();
        }
        return match kind.to_ascii_lowercase().as_slice() {
            b"module" => Step::one(Value::Array(Vec::new())),
            b"pattern" => Step::one(Value::bulks(names.filter(|name| glob::matches(value, name.as_bytes())))),
            b"aclcat" => Step::one(Value::bulks(names.filter(|name| in_category(name, value)))),
            _ => Step::syntax_error(),
        };
    };
    Step::one(Value::bulks(names))
}

/// The command of this full name is of the category.
pub(super) fn in_category(name: &str, category: &[u8]) -> bool {
    let categories = by_full_name(name.as_bytes()).map_or(&[][..], |called| called.leaf().categories);
    categories.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(category))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;
    use bytes::BytesMut;

    fn text(step: Step) -> String {
        let Step::Reply(values) = step else { panic!("{step:?}") };
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(Version::Resp2, &mut out));
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
    }

    fn call(line: &str) -> String {
        let mut words = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes()));
        let sub = words.next().map(|w| String::from_utf8_lossy(&w).into_owned());
        text(command(sub.as_deref(), &words.collect::<Vec<_>>()))
    }

    #[test]
    fn what_command_tells() {
        let expected = "*1 *10 $13 sentinel|myid :2 *1 +admin :0 :0 :0 *3 +@admin +@slow +@dangerous *0 *0 *0";
        assert_eq!(call("info sentinel|myid"), expected);
        assert_eq!(call("info nosuch"), "*1 $-1");
        assert_eq!(call("count"), ":15");
        assert_eq!(call("docs nosuch"), "*0");
        assert!(call("docs ping").starts_with("*2 $4 ping *6 $7 summary $"));
        assert!(call("docs").contains("$14 client|setinfo"));
        assert_eq!(call("list filterby pattern sh*"), "*1 $8 shutdown");
        assert_eq!(call("list filterby module x"), "*0");
        assert_eq!(call("list foo"), "-ERR syntax error");
        assert!(!call("list").contains("blpop"));
        assert!(text(command(None, &[])).starts_with("*15 *10 $3 acl :-2 *0 "));
    }

    #[test]
    fn help_names_every_subcommand() {
        let Value::Array(lines) = of(by_full_name(b"sentinel")) else { panic!() };
        assert_eq!(lines.len(), 1 + 2 * by_full_name(b"sentinel").unwrap().command.subcommands.len());
    }
}
